"""The table on its way in: rows into the staging tables, and ids that occur twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import orjson

from embclust.errors import InputTableError

if TYPE_CHECKING:
    from embclust.data import Item
    from embclust.ledger import Ledger
    from embclust.staging.records import Cell

__all__ = ["Reader"]

_INSERT = (
    "INSERT INTO temp.staged (item_id, line, fields, fields_hash) VALUES (?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
_PAGE = 1000


class _Staged(NamedTuple):
    item_id: str
    line: int
    text: str
    digest: bytes
    cells: Sequence[Cell]


class Reader:
    """Takes rows in, a page at a time; `rows` of them are kept, `duplicates` were left out."""

    def __init__(self, ledger: Ledger) -> None:
        self.rows = 0
        self.duplicates = 0
        self._ledger = ledger
        self._waiting: list[_Staged] = []
        self._on_duplicate = "error"

    def add(self, item: Item, line: int, cells: Sequence[Cell], on_duplicate: str) -> None:
        """See `Staging.add`."""
        # The gate for values (rows/clean.py) lets through only what orjson can write.
        text = orjson.dumps(item.fields)
        digest = hashlib.blake2b(text, digest_size=16).digest()
        self._waiting.append(_Staged(item.id, line, text.decode(), digest, cells))
        self._on_duplicate = on_duplicate
        if len(self._waiting) >= _PAGE:
            self.flush()

    def flush(self) -> None:
        """Insert the waiting rows at once; one by one only where an id occurs twice."""
        waiting, self._waiting = self._waiting, []
        db = self._ledger.db
        db.execute("SAVEPOINT flush")
        before = db.total_changes
        db.executemany(_INSERT, [one[:4] for one in waiting])
        if db.total_changes - before == len(waiting):
            kept = [(one.item_id, one.cells) for one in waiting]
        else:
            db.execute("ROLLBACK TO flush")
            kept = [found for one in waiting if (found := self._add_one(one)) is not None]
        db.execute("RELEASE flush")
        db.executemany(
            "INSERT INTO temp.keys (target, item_id, source_key, ref, size) VALUES (?, ?, ?, ?, ?)",
            [
                (number, item_id, cell.source_key, cell.ref, cell.size)
                for item_id, cells in kept
                for number, cell in enumerate(cells)
            ],
        )
        self.rows += len(kept)

    def _add_one(self, one: _Staged) -> tuple[str, Sequence[Cell]] | None:
        item_id, twin = one.item_id, 1
        while self._ledger.db.execute(_INSERT, (item_id, *one[1:4])).rowcount != 1:
            first_line, first_digest = self._staged(item_id)
            if first_digest == one.digest or self._on_duplicate == "first":
                self.duplicates += 1
                return None
            if self._on_duplicate == "error":
                raise InputTableError(
                    f"Lines {first_line} and {one.line} are different rows with the same id "
                    f"'{one.item_id[:80]}'.",
                    "Make the ids unique, or set source.on_duplicate to 'first' or 'suffix'.",
                )
            twin += 1
            item_id = f"{one.item_id}-{twin}"
        return item_id, one.cells

    def _staged(self, item_id: str) -> tuple[int, bytes]:
        found = self._ledger.db.execute(
            "SELECT line, fields_hash FROM temp.staged WHERE item_id = ?", (item_id,)
        ).fetchone()
        return found[0], found[1]
