"""What a reader of one format gives to `Table`, and what `Table` gives to everyone else."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from embclust.data import Item, Scalar
from embclust.rows.clean import Cleaner

__all__ = ["Reader", "Record", "Rejected", "Row", "nearest"]


@dataclass(frozen=True, slots=True)
class Row:
    """A row that was read. `line`: where it starts, 1-based, the header included.

    A physical line in text tables, the row's number in Parquet, the picture's in a folder.
    """

    line: int
    item: Item


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that could not be read. `lines`: how many physical lines went with it."""

    line: int
    reason: str
    lines: int = 1


Record = tuple[int, Any]
"""A line number and what the reader of that format makes of a row before it is cleaned."""


class Reader(Protocol):
    """One format. `records` can be called again and starts over each time."""

    cleaner: Cleaner

    @property
    def columns(self) -> list[str]:
        """The names under which the columns are known, in the table's order."""

    def records(self) -> Iterator[Record | Rejected]:
        """Yield the rows one by one; memory does not grow with the table."""

    def clean(self, raw: Any) -> dict[str, Scalar]:
        """Turn a record's second part into cleaned fields."""

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """Return those of `wanted` that are columns nowhere in the table."""

    def warnings(self) -> list[str]:
        """What was odd in the last pass, beside what the cleaner changed."""


def nearest(name: str, names: Iterable[str], limit: int = 3) -> str:
    """Say which of `names` come close to `name`, or which there are."""
    known = list(names)
    folded = {each.casefold(): each for each in reversed(known)}
    close = difflib.get_close_matches(name.casefold(), folded, n=limit, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(repr(folded[each]) for each in close)}?"
    shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    return f"Columns: {shown}."
