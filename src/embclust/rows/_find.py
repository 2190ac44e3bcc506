"""Which format a table is: by its name, and where that does not tell by its first bytes."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

from embclust.errors import InputTableError
from embclust.rows._base import nearest
from embclust.rows._text import TextFile

__all__ = ["find_format"]

_SUFFIXES: Final = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def find_format(path: Path, wanted: str, hint: str | None) -> str:
    """Return csv, tsv, jsonl, parquet or images. `wanted`: one of them, or auto.

    Raises InputTableError when there is nothing to read; `hint` says then how to get it.
    """
    try:
        if path.is_dir():
            if wanted in ("auto", "images"):
                return "images"
            raise InputTableError(f"{path} is a directory, not a {wanted} table.")
        if not path.exists():
            raise InputTableError(f"There is no table {path}.", hint or _where_is(path))
        regular = path.is_file()
    except OSError as error:  # a name too long, a folder that may not be looked into
        raise InputTableError(f"{path} cannot be opened: {error.strerror or error}.") from error
    if not regular:
        raise InputTableError(f"{path} is not a regular file.", "Give a file or a folder.")
    if wanted == "images":
        raise InputTableError(f"{path} is a file, not a folder of images.")
    return _by_name(path) or _by_content(path) if wanted == "auto" else wanted


def _by_name(path: Path) -> str | None:
    suffixes = [each.lower() for each in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return _SUFFIXES.get(suffixes[-1]) if suffixes else None


def _by_content(path: Path) -> str:
    head = TextFile(path, "latin-1").head(4096)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputTableError(
            f"{path} looks like a workbook or an archive.", "Save the table as CSV."
        )
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return "jsonl"
    if text.startswith(b"["):
        raise InputTableError(
            f"{path} is one JSON list.", "Write one object per line: jq -c '.[]' table.json"
        )
    return "csv"


def _where_is(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {path.parent} either."
    names = [each.name for each in islice(path.parent.iterdir(), 1_000)]
    advice = nearest(path.name, names)
    return advice if advice.startswith("Did") else "Check source.path."
