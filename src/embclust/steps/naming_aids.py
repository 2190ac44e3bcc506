"""What a namer may want beside its options; see `protocols.Namer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from embclust.errors import RefusedError
from embclust.naming_cache import NamingCache
from embclust.steps.contact_sheet import ContactSheets
from embclust.steps.text_tower import TextTower

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.data import ClusterSample, ContactSheet, Vectors
    from embclust.protocols import Memory
    from embclust.steps.read import Source
    from embclust.workspace import Workspace

__all__ = ["CACHE_FILE", "naming_aids"]

CACHE_FILE = "naming.sqlite"


class _Answers:
    """The memory of answers: text in, text out. With `anew` nothing is remembered, only kept."""

    def __init__(self, cache: NamingCache, *, anew: bool) -> None:
        self._cache = cache
        self._anew = anew

    def get(self, key: str) -> str | None:
        found = None if self._anew else self._cache.get("answer", key)
        return found.decode("utf-8", "replace") if found is not None else None

    def put(self, key: str, value: str) -> None:
        self._cache.put("answer", key, value.encode("utf-8", "replace"))


def naming_aids(
    source: Source | None,
    settings: Settings,
    workspace: Workspace,
    *,
    anew: bool,
    read_only: bool = False,
) -> dict[str, Callable[..., Any] | Memory]:
    """Return every aid but `advance`, by name. Nothing is opened or loaded before it is used.

    `anew`: ask again what was answered before.
    """
    cache = NamingCache(workspace.root / CACHE_FILE, read_only=read_only)

    def embed_texts(texts: Sequence[str]) -> Vectors:
        if source is None:
            raise RefusedError("it is not known which model made the vectors")
        return TextTower(source.info, source.modality, settings, workspace, cache).embed(texts)

    def contact_sheet(sample: ClusterSample, count: int) -> ContactSheet | None:
        if source is None:
            return None
        return sheets.make(sample, count)

    if source is not None:
        sheets = ContactSheets(source, workspace, settings.plot.image_field)
    return {
        "embed_texts": embed_texts,
        "memory": _Answers(cache, anew=anew),
        "contact_sheet": contact_sheet,
    }
