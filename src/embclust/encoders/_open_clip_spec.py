"""What an open_clip model name means, read from open_clip's files without importing it.

`import open_clip` takes seven seconds. Its model configurations are JSON files, and its list of
pretrained tags is a Python module of plain calls, of which only those are evaluated here.
"""

from __future__ import annotations

import ast
import copy
import importlib.util
import json
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from embclust.encoders._hub import HubFile, fetch
from embclust.encoders._options import unknown
from embclust.encoders._pixels import Preprocess
from embclust.errors import MissingExtraError, SettingsError

__all__ = ["ALIASES", "Source", "architectures", "find_source", "preprocess_of", "read_config"]

ALIASES: Final = {
    "openai/clip-vit-base-patch32": "ViT-B-32-quickgelu",
    "openai/clip-vit-base-patch16": "ViT-B-16-quickgelu",
    "openai/clip-vit-large-patch14": "ViT-L-14-quickgelu",
    "openai/clip-vit-large-patch14-336": "ViT-L-14-336-quickgelu",
}
"""OpenAI's models under the names most programs know them by; the same weights."""

_CONFIG: Final = "open_clip_config.json"
_WEIGHTS: Final = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
_OPENAI_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
_OPENAI_STD: Final = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model's configuration and weights are.

    `name`: what the encoder id calls it ('' for local weights, which are known by content).
    `config`: open_clip's own configuration name, a local file, or a file on the hub.
    `tag`: the pretrained tag's settings (preprocessing among them), {} for anything else.
    """

    name: str
    config: str | Path | HubFile
    weights: Path | HubFile
    tag: dict[str, Any]


def find_source(model: str, pretrained: str | None, revision: str | None, base: Path) -> Source:
    """Return where the model is. Looks at local files, not at the network.

    Raises UnknownModelError (model or tag) and SettingsError (options that contradict each
    other, a local file that is not there: open_clip would go on with random weights).
    """
    schema, _, rest = model.partition(":")
    if schema in {"local-dir", "hf-hub"}:
        if pretrained:
            raise SettingsError(
                f"encoders: 'pretrained' ({pretrained}) does not go with '{schema}:'.",
                "The folder or repository holds its own weights; remove 'pretrained'.",
            )
        return (
            _local(base / Path(rest).expanduser())
            if schema == "local-dir"
            else _hub(rest, revision)
        )
    if model in ALIASES:
        pretrained = pretrained or "openai"
        model = ALIASES[model]
    return _built_in(model, pretrained, revision, base)


def _local(folder: Path) -> Source:
    if not folder.is_dir():
        raise SettingsError(
            f"local-dir:{folder} is not a folder.",
            "A relative path is relative to the config's folder.",
        )
    if not (folder / _CONFIG).is_file():
        raise SettingsError(f"local-dir:{folder} has no {_CONFIG}.", "Is it an open_clip folder?")
    named = [folder / name for name in _WEIGHTS if (folder / name).is_file()]
    others = sorted(p for p in folder.iterdir() if p.suffix in {".safetensors", ".bin", ".pth"})
    if not named and len(others) != 1:
        what = f"{len(others)} of them" if others else "no weight file"
        raise SettingsError(
            f"local-dir:{folder} has {what}; it needs one to be told apart by its name.",
            f"Expected {_WEIGHTS[0]}.",
        )
    return Source("", folder / _CONFIG, (named or others)[0], {})


def _hub(rest: str, revision: str | None) -> Source:
    repo, _, inline = rest.partition("@")
    revision = inline or revision
    weights = HubFile(repo, _WEIGHTS[:1] + _WEIGHTS[2:3], revision)
    return Source(f"hf-hub:{weights}", HubFile(repo, (_CONFIG,), revision), weights, {})


def _built_in(model: str, pretrained: str | None, revision: str | None, base: Path) -> Source:
    known = architectures()
    name = model.replace("/", "-")
    if name not in known:
        hint = f"For a model on the hub: hf-hub:{model}." if "/" in model else ""
        raise unknown("open_clip model", model, [*known, *ALIASES], hint)
    all_tags = _tags()
    tags = all_tags.get(name, {})
    if not pretrained:
        raise SettingsError(
            f"encoders: '{model}' needs 'pretrained'; without it its weights would be random.",
            f"Tags: {', '.join(tags) or 'none'}; or a path to a weight file.",
        )
    tag = pretrained.lower().replace("-", "_")
    if tag in tags:
        return _tagged(name, tag, revision, all_tags)
    path = base / Path(pretrained).expanduser()
    if path.is_file():
        return Source("", name, path, {})
    raise unknown(
        f"pretrained tag or file of '{model}'",
        pretrained,
        tags,
        f"Tags: {', '.join(tags) or 'none'}.",
    )


def _tagged(name: str, tag: str, revision: str | None, tags: dict[str, Any]) -> Source:
    """Pick the configuration whose activation the tag was trained with.

    open_clip only warns when QuickGELU weights go into a GELU model, and the vectors are bad.
    The other way round the table is silent about models whose configuration alone says it.
    """
    settings = tags[name][tag]
    if settings.get("quick_gelu") and not read_config(name).get("quick_gelu"):
        if f"{name}-quickgelu" not in architectures():
            raise SettingsError(
                f"'{name}' with '{tag}': the weights need QuickGELU, which the model has not.",
                "Choose another tag.",
            )
        name = f"{name}-quickgelu"
    repo, _, filename = settings["hf_hub"].rpartition("/")
    if not repo:
        raise SettingsError(
            f"'{name}' with '{tag}' is not on the hub.",
            f"Download {settings.get('url')} and give its path as 'pretrained'.",
        )
    names = (filename.removesuffix(".bin").removesuffix(".pth") + ".safetensors", filename)
    if not filename:
        names = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    weights = HubFile(repo, tuple(dict.fromkeys(names)), revision)
    label = f"{name} {tag}" + (f"@{revision}" if revision else "")
    return Source(label, name, weights, settings)


def _folder() -> Path:
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise MissingExtraError("open_clip is not installed.", "pip install open-clip-torch")
    return Path(spec.origin).parent


def architectures() -> list[str]:
    """Return the names of the models that open_clip ships configurations of."""
    return sorted(p.stem for p in (_folder() / "model_configs").glob("*.json"))


def read_config(config: str | Path | HubFile) -> dict[str, Any]:
    """Return the configuration: `model_cfg`'s content, with `preprocess_cfg` beside it if any.

    Downloads it when it is on the hub and not in the cache (some kilobytes).
    """
    if isinstance(config, str):
        path = _folder() / "model_configs" / f"{config}.json"
    else:
        path = config if isinstance(config, Path) else fetch(config)
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        model = dict(read["model_cfg"]) if "model_cfg" in read else dict(read)
        _ = int(model["embed_dim"]), dict(model["vision_cfg"]), dict(model["text_cfg"])
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path} is no open_clip configuration.") from error
    return model | {"preprocess_cfg": read.get("preprocess_cfg") or {}}


def preprocess_of(config: dict[str, Any], tag: dict[str, Any]) -> Preprocess:
    """Return how open_clip's own transform prepares pictures for this model."""
    given = {k: v for k, v in (config["preprocess_cfg"] | tag).items() if v is not None}
    side = config["vision_cfg"].get("image_size", 224)
    height, width = (side, side) if isinstance(side, int) else side
    mean, std = given.get("mean", _OPENAI_MEAN), given.get("std", _OPENAI_STD)
    fill = int(given.get("fill_color", 0))
    resize = given.get("resize_mode", "shortest")
    filters = "bilinear" if given.get("interpolation") == "bilinear" else "bicubic"
    if resize == "shortest" and height != width:
        filters = "bicubic"  # open_clip's transform does not pass the filter on here
    return Preprocess(
        size=(height, width),
        scale=(height, width),
        resize=resize,
        interpolation=filters,
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        fill=(fill, fill, fill),
    )


def _tags() -> dict[str, dict[str, dict[str, Any]]]:
    """Return model -> tag -> settings, as open_clip.pretrained has them.

    That module imports torch (through safetensors). Its table needs only its constants and its
    small `_…cfg` functions, so only these, the table and the loop that completes it are run.
    """
    source = (_folder() / "pretrained.py").read_text(encoding="utf-8")
    wanted: list[ast.stmt] = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign | ast.For)
        or (isinstance(node, ast.FunctionDef) and node.name.endswith("cfg") and node.args.kwarg)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
    ]
    names = runpy.run_path(str(_folder() / "constants.py")) | {"copy": copy}
    code = compile(ast.Module(body=wanted, type_ignores=[]), "open_clip.pretrained", "exec")
    exec(code, names)  # noqa: S102 - the library's own table, which importing it would run too
    table: dict[str, dict[str, dict[str, Any]]] = names["_PRETRAINED"]
    return table
