"""Which kinds exist: five literal dicts, kind -> class, and how one is built.

Adding a kind is one file in the family's folder and one line here. `kind: my_pkg.module:Class`
loads a class from outside; the config's folder is importable then.
"""

from __future__ import annotations

import difflib
import importlib
from typing import Any, Final

from embclust.errors import SettingsError

__all__ = ["FAMILIES", "build", "load_class", "options_of"]

ENCODERS: Final[dict[str, str]] = {
    "hashing": "embclust.encoders.hashing:HashingEncoder",
    "open_clip": "embclust.encoders.open_clip:OpenClipEncoder",
    "sentence_transformers": "embclust.encoders.sentence_transformers:SentenceTransformersEncoder",
    "timm": "embclust.encoders.timm:TimmEncoder",
}
STORES: Final[dict[str, str]] = {
    "chroma": "embclust.stores.chroma:ChromaStore",
    "memory": "embclust.stores.memory:MemoryStore",
}
CLUSTERERS: Final[dict[str, str]] = {
    "agglomerative": "embclust.clusterers.agglomerative:AgglomerativeClusterer",
    "hdbscan": "embclust.clusterers.hdbscan:HdbscanClusterer",
    "kmeans": "embclust.clusterers.kmeans:KMeansClusterer",
    "minibatch": "embclust.clusterers.minibatch:MiniBatchClusterer",
    "spectral": "embclust.clusterers.spectral:SpectralClusterer",
}
PROJECTORS: Final[dict[str, str]] = {
    "pca": "embclust.projectors.pca:PcaProjector",
    "tsne": "embclust.projectors.tsne:TsneProjector",
}
NAMERS: Final[dict[str, str]] = {
    "keywords": "embclust.namers.keywords:KeywordsNamer",
    "openai": "embclust.namers.openai:OpenAINamer",
}
FAMILIES: Final[dict[str, dict[str, str]]] = {
    "encoder": ENCODERS,
    "store": STORES,
    "clusterer": CLUSTERERS,
    "projector": PROJECTORS,
    "namer": NAMERS,
}


def load_class(family: str, kind: str) -> Any:
    """Return the class behind a kind, or behind `package.module:Class`.

    Raises SettingsError naming the nearest kind.
    """
    kinds = FAMILIES[family]
    target = kinds.get(kind, kind)
    module_name, _, class_name = target.partition(":")
    if not class_name:
        near = difflib.get_close_matches(kind, kinds, n=1)
        guess = f"Did you mean '{near[0]}'?" if near else f"Known kinds: {', '.join(kinds)}."
        raise SettingsError(f"'{kind}' is no {family} kind.", guess)
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        if kind in kinds or error.name != module_name.partition(".")[0]:
            raise
        raise SettingsError(
            f"'{kind}': there is no module '{module_name}'.",
            "A plug-in's module must be installed or lie beside the config.",
        ) from error
    except AttributeError as error:
        raise SettingsError(f"'{kind}': module '{module_name}' has no '{class_name}'.") from error


def options_of(family: str, kind: str) -> Any:
    """Return the pydantic model of a kind's options."""
    return load_class(family, kind).Options


def build(family: str, kind: str, options: dict[str, Any], **context: Any) -> Any:
    """Build a plug-in from its checked options; `context` as its protocol says."""
    cls = load_class(family, kind)
    return cls(cls.Options(**options), **context)
