"""A folder of images: one row per picture file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from embclust.data import Scalar
from embclust.errors import InputTableError
from embclust.rows._base import Record, Rejected
from embclust.rows.clean import Cleaner, clean_text

__all__ = ["IMAGE_SUFFIXES", "FolderReader"]

IMAGE_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}
)


class FolderReader:
    """Picture files under a folder, in sorted order; a folder's files before its subfolders.

    Hidden files and folders are left alone, links to folders are not followed.
    """

    def __init__(self, path: Path) -> None:
        """Raises InputTableError when there is no picture anywhere in it."""
        self._path = path
        self.cleaner = Cleaner()
        self.columns = ["path", "name", "folder"]
        if next(self.records(), None) is None:
            tables = sorted(each.name for each in path.iterdir() if _is_table(each))
            hint = f"Give the table itself: {path / tables[0]}." if tables else ""
            raise InputTableError(
                f"{path} is a directory without pictures.", hint or "Give a table or pictures."
            )

    def records(self) -> Iterator[Record | Rejected]:
        """Yield (number, path relative to the folder), the first picture being number 1."""
        number = 0
        todo = [""]
        while todo:
            folder = todo.pop()
            try:
                with os.scandir(self._path / folder) as entries:
                    inside = sorted((each for each in entries if _is_seen(each.name)), key=_name)
            except OSError as error:
                number += 1
                yield Rejected(number, f"{folder or self._path}: {error.strerror or error}")
                continue
            subfolders = []
            for entry in inside:
                relative = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    subfolders.append(relative)
                elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES and _is_file(entry):  # noqa: PTH122 - speed
                    number += 1
                    yield _record(number, relative)
            todo.extend(reversed(subfolders))

    def clean(self, raw: str) -> dict[str, Scalar]:
        """Turn a path into fields; pictures at the top have no folder."""
        path = PurePosixPath(raw)
        fields: dict[str, Scalar] = {"path": raw, "name": path.stem}
        if path.parent.name:
            fields["folder"] = str(path.parent)
        return fields

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """Return those of `wanted` that are none of path, name, folder."""
        return [name for name in wanted if name not in self.columns]

    def warnings(self) -> list[str]:
        """Nothing beside what the cleaner says."""
        return []


def _record(number: int, relative: str) -> Record | Rejected:
    if clean_text(relative) != relative:  # cleaned, it would no longer lead to the file
        shown = relative.encode("utf-8", "backslashreplace").decode()
        return Rejected(number, f"file name with control or undecodable characters: {shown!r}")
    return number, relative


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _is_seen(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return True


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in {".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"}
