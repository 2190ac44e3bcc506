"""Weight files without PyTorch: what is in them, and which they are."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from embclust.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["content_hash", "package_folder", "tensor_shapes", "weight_files"]

_SUFFIXES: Final = (".safetensors", ".pth", ".pt", ".bin")
_WHOLE: Final = 256 * 2**20
_BLOCK: Final = 2**20
_BLOCKS: Final = 64


def content_hash(paths: Iterable[Path]) -> str:
    """Return 32 hex digits that tell these files' contents apart.

    Their names and places do not count, their order does.

    Files up to 256 MiB are hashed whole (SHA-256). Of larger ones 64 evenly spread blocks of
    1 MiB, the first and the last among them, and the size are: seconds instead of minutes.
    """
    total = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size
        total.update(f"{size}:".encode())
        with path.open("rb") as file:
            if size <= _WHOLE:
                total.update(hashlib.file_digest(file, "sha256").digest())
                continue
            for i in range(_BLOCKS):
                file.seek((size - _BLOCK) * i // (_BLOCKS - 1))
                total.update(file.read(_BLOCK))
    return total.hexdigest()[:32]


def package_folder(name: str) -> Path:
    """Return the folder of an installed package, without importing it.

    Raises MissingExtraError when it is not installed.
    """
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            f"package:{name}: no such package is installed.",
            f"Install it: pip install {name.replace('_', '-')}",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def weight_files(folder: Path) -> list[Path]:
    """Return the weight files below a folder, sorted."""
    return sorted(p for p in folder.rglob("*") if p.suffix in _SUFFIXES and p.is_file())


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the tensors' names and shapes, in the file's order, of a safetensors or torch file.

    Nothing in the file is run: names that a pickle asks for, other than the few that describe
    tensors, stand for nothing. Raises SettingsError when the file holds no flat state dict.
    """
    try:
        if path.suffix == ".safetensors":
            return _safetensors_shapes(path)
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
                    state = _Shapes(archive.open(name)).load()
            else:  # torch before 1.6: magic number, version, system, then the object
                file.seek(0)
                for _ in range(3):
                    _Shapes(file).load()
                state = _Shapes(file).load()
    except (OSError, ValueError, KeyError, IndexError, StopIteration, EOFError, TypeError) as error:
        raise _unreadable(path) from error
    except (pickle.UnpicklingError, zipfile.BadZipFile, AttributeError) as error:
        raise _unreadable(path) from error
    inner = state.get("state_dict", state) if isinstance(state, dict) else {}
    shapes = {k: v for k, v in inner.items() if isinstance(v, tuple)}
    if not shapes:
        raise _unreadable(path)
    return shapes


def _unreadable(path: Path) -> SettingsError:
    return SettingsError(
        f"{path.name} cannot be read as model weights.",
        "Expected a .safetensors file or a PyTorch state dict.",
    )


def _safetensors_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The format: 8 bytes little-endian length, JSON header, data (safetensors' README)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(path.stat().st_size, 100_000_000):
            raise _unreadable(path)
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    in_order = sorted(header.items(), key=lambda kv: kv[1]["data_offsets"][0])
    return {name: tuple(entry["shape"]) for name, entry in in_order}


def _shape_only(_storage: Any, _offset: Any, size: Any, *_rest: Any) -> tuple[int, ...]:
    return tuple(size)


def _nothing(*_args: Any) -> None:
    return None


class _Shapes(pickle.Unpickler):
    """Reads a torch pickle and keeps the shapes. Can call nothing but the functions here."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _shape_only
        return _nothing

    def persistent_load(self, _pid: Any) -> None:
        return None
