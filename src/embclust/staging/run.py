"""The staged table of one run: what the index step calls, in the order it calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from embclust.staging._comparing import claim, judge, reuse, settle
from embclust.staging._finishing import finish, not_modified
from embclust.staging._jobs import plan_jobs, read_jobs
from embclust.staging._reading import Reader

if TYPE_CHECKING:
    from embclust.data import Item, Modality, Skipped, Vectors
    from embclust.ledger import Ledger
    from embclust.staging.records import Cell, Done, Job, Target

__all__ = ["Staging"]

_TABLES: Final = """
CREATE TEMP TABLE staged (
  seq INTEGER PRIMARY KEY, item_id TEXT NOT NULL UNIQUE, line INTEGER NOT NULL,
  fields TEXT NOT NULL, fields_hash BLOB NOT NULL
);
CREATE TEMP TABLE keys (
  target INTEGER NOT NULL, item_id TEXT NOT NULL, source_key TEXT, ref TEXT,
  size INTEGER NOT NULL, verdict TEXT, kept TEXT,
  PRIMARY KEY (target, item_id)
) WITHOUT ROWID;
CREATE TEMP TABLE jobs (
  pos INTEGER PRIMARY KEY, target INTEGER NOT NULL, source_key TEXT NOT NULL, seq INTEGER NOT NULL
);
"""


class Staging:
    """The staged table of one run. Use as a context manager; it leaves nothing behind."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.targets: list[Target] = []
        self.source = 0
        self.claimed: dict[str, int] = {}
        """Collection -> rows of this table that another table had put there."""
        self._reader = Reader(ledger)

    def __enter__(self) -> Staging:
        with self.ledger.lock:
            self.ledger.db.executescript(_TABLES)
            self.ledger.db.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        with self.ledger.lock:
            if self.ledger.db.in_transaction:
                self.ledger.db.execute("ROLLBACK")
            for table in ("staged", "keys", "jobs"):
                self.ledger.db.execute(f"DROP TABLE IF EXISTS temp.{table}")

    # --- reading the table in ----------------------------------------------------------------

    @property
    def rows(self) -> int:
        """How many rows are staged."""
        return self._reader.rows

    @property
    def duplicates(self) -> int:
        """How many rows were left out because their id had come before."""
        return self._reader.duplicates

    def add(self, item: Item, line: int, cells: Sequence[Cell], on_duplicate: str) -> None:
        """Stage one row with, per target, its cell's source key.

        Raises InputTableError, naming both lines, for a second, different row of one id unless
        `on_duplicate` is "first" (left out, counted) or "suffix" (kept as "id-2").
        """
        self._reader.add(item, line, cells, on_duplicate)

    def end(self) -> None:
        """The whole table is staged."""
        with self.ledger.lock:
            self._reader.flush()
            self.ledger.db.execute("COMMIT")

    # --- comparing with the ledger -----------------------------------------------------------

    def compare(
        self,
        targets: Sequence[Target],
        source: int,
        *,
        retry_failed: bool,
        refresh: bool,
        reencode: bool,
    ) -> None:
        """Give every row its verdict, and settle those that need no fetching or encoding."""
        self.targets = list(targets)
        self.source = source
        with self.ledger.transaction() as change:
            for target in self.targets:
                again = reencode or (refresh and target.modality == "image")
                self.claimed[target.collection.name] = claim(self.ledger, target, source)
                judge(self.ledger, target, again=again, retry_failed=retry_failed)
                if not again:
                    reuse(self.ledger, target, source, change)
                settle(self.ledger, target, source, change)
            self.ledger.db.execute(
                "CREATE INDEX temp.keys_open ON keys (source_key) WHERE verdict = 'work'"
            )

    # --- the work ----------------------------------------------------------------------------

    def plan_jobs(self, modality: Modality) -> int:
        """List the distinct things of one modality that are to be done; returns how many.

        Pictures come in table order. Texts come by length, so that a batch wastes little padding,
        and always in the same order whatever the table's: the texts a text is padded with change
        its vector's last digits.
        """
        return plan_jobs(self.ledger, self.targets, modality)

    def jobs(self, page: int = 500) -> Iterator[Job]:
        """The planned jobs in their order, read a page at a time."""
        return read_jobs(self.ledger, self.targets, page)

    def finish(
        self,
        modality: Modality,
        done: Sequence[Done],
        failed: Sequence[tuple[str, Skipped]],
        vectors: tuple[Sequence[bytes], Vectors] | None,
    ) -> None:
        """Commit one batch: vectors by content, then every row that waited for them."""
        finish(self.ledger, self._of(modality), self.source, done, failed, vectors)

    def not_modified(self, modality: Modality, source_keys: Sequence[str]) -> None:
        """The server says nothing changed: rows keep their vectors, new rows take them."""
        not_modified(self.ledger, self._of(modality), self.source, source_keys)

    def _of(self, modality: Modality) -> list[Target]:
        return [target for target in self.targets if target.modality == modality]

    # --- the outcome -------------------------------------------------------------------------

    def verdicts(self, target: Target) -> dict[str, int]:
        """Rows per verdict."""
        return dict(
            self.ledger.rows(
                "SELECT verdict, count(*) FROM temp.keys WHERE target = ? GROUP BY verdict",
                target.number,
            )
        )

    def kept_failures(self, target: Target) -> list[tuple[str, str]]:
        """Rows whose refresh failed and whose earlier vector was kept: (id, reason)."""
        return self.ledger.rows(
            "SELECT item_id, kept FROM temp.keys WHERE target = ? AND kept IS NOT NULL"
            " ORDER BY item_id",
            target.number,
        )

    def lines(self, item_ids: Sequence[str]) -> dict[str, int]:
        """The table line each of these rows came from."""
        return dict(
            self.ledger.rows(
                "SELECT item_id, line FROM temp.staged WHERE item_id IN"
                " (SELECT value FROM json_each(?))",
                json.dumps(list(item_ids)),
            )
        )

    def empty_rows(self) -> list[str]:
        """Rows with nothing to embed in any field."""
        found = self.ledger.rows(
            "SELECT item_id FROM temp.keys GROUP BY item_id HAVING count(source_key) = 0"
        )
        return [row[0] for row in found]

    def gone(self, target: Target) -> int:
        """How many rows of this source are in the collection but no longer in the table."""
        found = self.ledger.rows(f"SELECT count(*) {_GONE}", *self._gone_values(target))
        return int(found[0][0])

    def held(self, target: Target) -> int:
        """How many rows of this source the collection has."""
        found = self.ledger.rows(
            "SELECT count(*) FROM main.rows WHERE collection = ? AND source = ?"
            " AND state != 'deleted'",
            target.collection.id,
            self.source,
        )
        return int(found[0][0])

    def prune(self, target: Target) -> int:
        """Take the gone rows of this source out of the collection."""
        with self.ledger.transaction() as change:
            cursor = self.ledger.db.execute(
                "UPDATE main.rows SET state = 'deleted', vector = NULL, content_key = NULL,"
                f" change = ? WHERE collection = ? AND item_id IN (SELECT r.item_id {_GONE})",
                (change, target.collection.id, *self._gone_values(target)),
            )
        return cursor.rowcount

    def _gone_values(self, target: Target) -> tuple[int, int, int]:
        return target.collection.id, self.source, target.number


_GONE: Final = (
    "FROM main.rows r WHERE r.collection = ? AND r.source = ? AND r.state != 'deleted'"
    " AND NOT EXISTS (SELECT 1 FROM temp.keys k WHERE k.target = ? AND k.item_id = r.item_id)"
)
