"""What is in a sentence-transformers model folder, read from its files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from embclust.errors import SettingsError

__all__ = ["MARK", "content_files", "dimension", "model_folder", "problem"]

MARK: Final = "modules.json"
_WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")
_INDEXES: Final = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_CONTENT: Final = frozenset({".json", ".safetensors", ".bin", ".txt", ".model"})
_NOT_CONTENT: Final = ("README", "data_config", "train_", "config_sentence_transformers")
_MODES: Final = "pooling_mode_"


def model_folder(root: Path) -> Path:
    """Return the folder at or below `root` that holds a model. Raises SettingsError."""
    marks = sorted(root.rglob(MARK))
    if not marks:
        raise SettingsError(
            f"{root} holds no sentence-transformers model: there is no {MARK}.",
            "Save the model with SentenceTransformer.save().",
        )
    return min(marks, key=lambda p: len(p.parts)).parent


def problem(folder: Path) -> str | None:
    """Return what is missing from a model folder, None when it is whole."""
    try:
        paths = [folder / str(m["path"]) for m in _modules(folder)]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{MARK} cannot be read"
    for path in paths:
        for index in (path / name for name in _INDEXES):
            if index.is_file():
                shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
                missing = [s for s in sorted(shards) if not (path / s).is_file()]
                return f"{missing[0]} is missing" if missing else None
    if not any((path / name).is_file() for path in paths for name in _WEIGHTS):
        return f"there is no weight file ({' or '.join(_WEIGHTS)})"
    return None


def content_files(folder: Path) -> list[Path]:
    """Return the files that decide what the vectors are: weights, tokenizer, modules."""
    found = [folder / MARK]
    for path in dict.fromkeys(folder / str(m["path"]) for m in _modules(folder)):
        if path.is_dir():
            found += [p for p in path.iterdir() if p.is_file() and p.suffix in _CONTENT]
    kept = {p for p in found if not p.name.startswith(_NOT_CONTENT)}
    return sorted(kept, key=lambda p: p.relative_to(folder).as_posix())


def dimension(folder: Path) -> int | None:
    """Return the length of a vector as the modules' own files say it, None when they do not."""
    dim: int | None = None
    for module in _modules(folder):
        kind = str(module.get("type", "")).rpartition(".")[2]
        config = _read(folder / str(module["path"]) / "config.json")
        if kind == "Pooling":
            width = config.get("word_embedding_dimension") or config.get("embedding_dimension")
            dim = int(width) * _pooled(config) if width else None
        elif kind == "Dense":
            dim = config.get("out_features")
        elif kind not in {"Transformer", "Normalize", "LayerNorm", "Dropout"}:
            return None
    return dim


def _pooled(config: dict[str, Any]) -> int:
    """Return how many poolings are put side by side."""
    modes = config.get("pooling_mode")
    if modes is not None:
        return 1 if isinstance(modes, str) else len(modes)
    return sum(1 for key, on in config.items() if key.startswith(_MODES) and on) or 1


def _modules(folder: Path) -> list[dict[str, Any]]:
    read = json.loads((folder / MARK).read_text(encoding="utf-8"))
    return sorted(read, key=lambda m: int(m["idx"]))


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
