"""What a timm model name means, read from timm's source without importing it.

`import timm` takes many seconds and is needed only to run a model. Which names exist, and where
the weights of a tag are, stands in its model modules; where that is not plain, timm is asked.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any, Final

from embclust.encoders._hub import HubFile
from embclust.encoders._options import unknown
from embclust.encoders._torch import quiet
from embclust.encoders._weights import package_folder, tensor_shapes, weight_files
from embclust.errors import MissingExtraError, SettingsError

__all__ = [
    "architectures",
    "check_name",
    "default_tag",
    "features",
    "find_weights",
    "hub_file",
    "tags",
]

_REGISTERED: Final = re.compile(r"^@register_model\s*\ndef\s+(\w+)", re.MULTILINE)
_NAMES: Final = ("model.safetensors", "pytorch_model.bin")
_CLASSIFIERS: Final = frozenset({"classifier", "fc", "_fc", "head", "head.fc"})


def architectures() -> dict[str, Path]:
    """Return the models that timm has -> the module each stands in."""
    spec = importlib.util.find_spec("timm")
    if spec is None or spec.origin is None:
        raise MissingExtraError("timm is not installed.", "pip install timm")
    found: dict[str, Path] = {}
    for path in sorted((Path(spec.origin).parent / "models").glob("*.py")):
        for name in _REGISTERED.findall(path.read_text(encoding="utf-8")):
            found[name] = path
    return found


def tags(model: str) -> dict[str, str | None]:
    """Return a model's pretrained tags -> the hub repository of each (None: not on the hub).

    The default tag comes first. `model` is a name without a tag. Raises UnknownModelError.
    """
    known = architectures()
    if model not in known:
        raise unknown("timm model", model, known)
    literal = _literal_tags(model, known[model])
    return _registered_tags(model) if literal is None else literal


def _literal_tags(model: str, module: Path) -> dict[str, str | None] | None:
    """Read the tags off `'arch.tag': _cfg(hf_hub_id='…', …)`; None where it is not that plain.

    So it is for 96 % of the tags that timm 1.0.31 has.
    """
    found: dict[str, str | None] = {}
    starred: list[str] = []
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for table in (node for node in ast.walk(tree) if isinstance(node, ast.Dict)):
        for key, value in zip(table.keys, table.values, strict=True):
            name = str(key.value) if isinstance(key, ast.Constant) else ""
            arch, _, tag = name.partition(".")
            if arch != model:
                continue
            repo = _hub_id(value)
            if repo is None:
                return None
            starred += [tag.strip("*")] if tag.endswith("*") or not tag else []
            tag = tag.strip("*")
            found[tag] = f"{repo}{arch}.{tag}".rstrip(".")
    first = starred[:1] or list(found)[:1]
    return {tag: found[tag] for tag in [*first, *found]} or None


def _hub_id(value: ast.expr) -> str | None:
    """Return the owner that timm completes with the tag's name, such as 'timm/'."""
    if not isinstance(value, ast.Call):
        return None
    given = {k.arg: k.value.value for k in value.keywords if isinstance(k.value, ast.Constant)}
    repo = given.get("hf_hub_id")
    return repo if isinstance(repo, str) and repo.endswith("/") and "file" not in given else None


def _registered_tags(model: str) -> dict[str, str | None]:
    """Ask timm itself, which takes the seconds of its import."""
    with quiet():
        import timm

        names = timm.list_models(f"{model}.*", pretrained=True, include_tags=True)
        default = timm.get_pretrained_cfg(model)
        found: dict[str, Any] = {n.partition(".")[2]: timm.get_pretrained_cfg(n) for n in names}
    if default is not None and default.has_weights:
        found = {default.tag or "": default} | found
    return {tag: settings.hf_hub_id or None for tag, settings in found.items()}


def default_tag(model: str) -> str:
    """Return 'arch.tag' for 'arch' or 'arch.tag'. Raises UnknownModelError, SettingsError."""
    arch, _, tag = model.partition(".")
    known = tags(arch)
    if not known:
        raise SettingsError(
            f"timm has no pretrained weights of '{arch}'.", "Give a weight file: weights: PATH."
        )
    if tag and tag not in known:
        raise unknown(f"pretrained tag of '{arch}'", tag, known, f"Tags: {', '.join(known)}.")
    chosen = tag or next(iter(known))
    return f"{arch}.{chosen}" if chosen else arch


def hub_file(model: str) -> HubFile:
    """Return where the hub has the weights of 'arch.tag'. Raises SettingsError when it has not."""
    arch, _, tag = model.partition(".")
    repo = tags(arch).get(tag)
    if repo is None:
        raise SettingsError(
            f"The weights of '{model}' are not on the hub.",
            "Download them and give their path: weights: PATH.",
        )
    repo, _, revision = repo.partition("@")
    return HubFile(repo, _NAMES, revision or None)


def find_weights(weights: str, base: Path) -> Path:
    """Return the file that `weights` names: a path, or `package:NAME` with one file inside.

    Raises SettingsError, or MissingExtraError when the package is not installed.
    """
    schema, _, name = weights.partition(":")
    if schema == "package":
        files = weight_files(package_folder(name))
        if len(files) != 1:
            raise SettingsError(
                f"weights: {weights} holds {len(files)} weight files, one is needed.",
                "Give the path of the file.",
            )
        return files[0]
    path = base / Path(weights).expanduser()
    if not path.is_file():
        raise SettingsError(
            f"weights: there is no file {path}.",
            "A relative path is relative to the config's folder.",
        )
    return path


def features(weights: Path) -> int | None:
    """Return the length of the vector before the classifier, when the file's end tells it.

    That is the width of the last layer, if it has a classifier's name and a bias to match.
    """
    shapes = tensor_shapes(weights)
    for name, shape in shapes.items():
        layer, _, kind = name.rpartition(".")
        bias = shapes.get(f"{layer}.bias")
        plain = layer.removeprefix("module.")
        if plain in _CLASSIFIERS and kind == "weight" and bias == shape[:1] and len(shape) == 2:
            return int(shape[1])
    return None


def check_name(model: str) -> None:
    """Raise UnknownModelError when timm has no such architecture (the tag is not looked at)."""
    arch = model.partition(".")[0]
    known = architectures()
    if arch not in known:
        raise unknown("timm model", arch, known)
