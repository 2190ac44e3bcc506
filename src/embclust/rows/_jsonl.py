"""JSON lines: one object per line, keys as they come."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from embclust.data import Scalar
from embclust.errors import InputTableError
from embclust.rows._base import Record, Rejected
from embclust.rows._text import TextFile
from embclust.rows.clean import Cleaner

__all__ = ["JsonlReader"]

_PEEK: Final = 1_000
"""Rows that are read beforehand to learn the columns."""


class JsonlReader:
    """A file with one JSON object per line. Of a key that comes twice the last one counts."""

    def __init__(self, path: Path, *, encoding: str) -> None:
        """Learn the columns from the first rows. Raises InputTableError when there are none."""
        self._path = path
        self._file = TextFile(path, encoding)
        first: list[Record | Rejected] = list(itertools.islice(self.records(), _PEEK))
        if not first:
            raise InputTableError(f"{path}: no rows, the file is empty.")
        keys: dict[str, None] = {}
        for record in first:
            if not isinstance(record, Rejected):
                keys.update(dict.fromkeys(record[1]))
        if not keys and isinstance(first[0], Rejected):
            self._fail(first[0])
        self.cleaner = Cleaner(keys)

    @property
    def columns(self) -> list[str]:
        """The keys met so far: those of the first 1,000 rows, then what came up later."""
        return list(self.cleaner.names.values())

    def records(self) -> Iterator[Record | Rejected]:
        """Yield (line, object), or why the line is none. Blank lines are none."""
        decode = json.JSONDecoder().decode
        for number, line in enumerate(self._file.lines(), 1):
            text = line.strip()
            if not text:
                continue
            try:
                value: Any = decode(text)
            except json.JSONDecodeError as error:
                yield Rejected(number, f"invalid JSON: {error.msg} at character {error.pos + 1}")
            except RecursionError:
                yield Rejected(number, "invalid JSON: nested too deep")
            except ValueError:
                yield Rejected(number, "invalid JSON: a number with too many digits")
            else:
                if isinstance(value, dict):
                    yield number, value
                else:
                    yield Rejected(number, f"no JSON object but {_kind(value)}")

    def clean(self, raw: dict[str, Any]) -> dict[str, Scalar]:
        """Turn an object into fields."""
        return self.cleaner.fields(raw)

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """Return those of `wanted` that no row has; looks through the whole file if it must."""
        left = [name for name in wanted if name not in self.columns]
        if not left:
            return []
        for record in self.records():
            if not isinstance(record, Rejected):
                left = [name for name in left if record[1].get(name) is None]
            if not left:
                break
        return left

    def warnings(self) -> list[str]:
        """Nothing beside what the cleaner says."""
        return []

    def _fail(self, first: Rejected) -> None:
        raise InputTableError(
            f"{self._path} is not JSON lines: line {first.line}: {first.reason}.",
            "Write one object per line, e.g. with: jq -c '.[]' table.json",
        )


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else f"a {type(value).__name__}"
