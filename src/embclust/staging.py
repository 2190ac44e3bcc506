"""One index run's table, staged beside the ledger, and what is to be done with each row.

The table is read once into temporary SQLite tables. What is unchanged, updated, missing or still
to be done is then one comparison with the ledger per field, in SQL, so that memory stays flat and
an unchanged table costs no more than reading it. Every row has exactly one verdict per field:

    work       to be fetched and encoded; what is left of it at the end is pending
    indexed    encoded in this run
    reused     the vector was in the ledger under the same content
    updated    only other columns changed
    unchanged  nothing changed
    missing    the cell is empty
    failed     failed now, or before and not taken up again
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from embclust.errors import InputTableError

if TYPE_CHECKING:
    from embclust.data import Item, Modality, Skipped, Vectors
    from embclust.ledger import Collection, Ledger

__all__ = ["Cell", "Done", "Job", "Staging", "Target", "text_key"]

_TABLES = """
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

_UPSERT = """
INSERT INTO main.rows (collection, item_id, source, change, state, fields, fields_hash, source_key,
                       content_key, vector, stage, reason, retryable, attempts)
SELECT :collection, k.item_id, :source, :change, :state, s.fields, s.fields_hash, k.source_key,
       :content_key, :vector, :stage, :reason, :retryable, :attempts
FROM temp.keys k JOIN temp.staged s ON s.item_id = k.item_id
WHERE k.target = :target AND {where}
ON CONFLICT (collection, item_id) DO UPDATE SET
  source = excluded.source, change = excluded.change, state = excluded.state,
  fields = excluded.fields, fields_hash = excluded.fields_hash, source_key = excluded.source_key,
  content_key = excluded.content_key, vector = excluded.vector, stage = excluded.stage,
  reason = excluded.reason, retryable = excluded.retryable, attempts = excluded.attempts
"""
_INSERT = (
    "INSERT INTO temp.staged (item_id, line, fields, fields_hash) VALUES (?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
_PAGE = 1000
_encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_NOTHING: dict[str, Any] = dict.fromkeys(
    ("content_key", "vector", "stage", "reason", "retryable", "attempts")
)


@dataclass(frozen=True, slots=True)
class Target:
    """One field of the table and the collection it goes to."""

    number: int
    field: str
    modality: Modality
    collection: Collection


@dataclass(frozen=True, slots=True)
class Cell:
    """What one target's cell holds. `source_key` None: nothing.

    `ref` is the cell's text where the stored fields must not show it as it is (secrets in a
    URL); it lives in the staging tables only. `size`: the text's length in characters.
    """

    source_key: str | None
    ref: str | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to encode: every row with this source key gets its vector."""

    source_key: str
    ref: str
    item_id: str
    field: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A job that has its vector in the ledger by now, under `content_key`."""

    source_key: str
    content_key: bytes
    encoded: bool
    etag: str | None = None
    last_modified: str | None = None


def text_key(text: str) -> bytes:
    """The content key of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class _Staged(NamedTuple):
    item_id: str
    line: int
    text: str
    digest: bytes
    cells: Sequence[Cell]


class _Batch:
    """Rows to be written in one transaction, with their verdicts."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.verdicts: list[tuple[str, int, str]] = []

    def add(self, target: Target, item_id: str, verdict: str, values: dict[str, Any]) -> None:
        where = {"collection": target.collection.id, "target": target.number, "item_id": item_id}
        self.rows.append({**values, **where})
        self.verdicts.append((verdict, target.number, item_id))


class Staging:
    """The staged table of one run. Use as a context manager; it leaves nothing behind."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.targets: list[Target] = []
        self.source = 0
        self.rows = 0
        self.duplicates = 0
        self.claimed: dict[str, int] = {}
        """Collection -> rows of this table that another table had put there."""
        self._waiting: list[_Staged] = []
        self._on_duplicate = "error"

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

    def add(self, item: Item, line: int, cells: Sequence[Cell], on_duplicate: str) -> None:
        """Stage one row with, per target, its cell's source key.

        Raises InputTableError, naming both lines, for a second, different row of one id unless
        `on_duplicate` is "first" (left out, counted) or "suffix" (kept as "id-2").
        """
        text = _encode_json(item.fields)
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self._waiting.append(_Staged(item.id, line, text, digest, cells))
        self._on_duplicate = on_duplicate
        if len(self._waiting) >= _PAGE:
            self._flush()

    def _flush(self) -> None:
        """Insert the waiting rows at once; one by one only where an id occurs twice."""
        waiting, self._waiting = self._waiting, []
        db = self.ledger.db
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
        while self.ledger.db.execute(_INSERT, (item_id, *one[1:4])).rowcount != 1:
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
        found = self.ledger.db.execute(
            "SELECT line, fields_hash FROM temp.staged WHERE item_id = ?", (item_id,)
        ).fetchone()
        return found[0], found[1]

    # --- comparing with the ledger -----------------------------------------------------------

    def end(self) -> None:
        """The whole table is staged."""
        with self.ledger.lock:
            self._flush()
            self.ledger.db.execute("COMMIT")

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
                self.claimed[target.collection.name] = self._claim(target)
                self._judge(target, retry_failed=retry_failed, refresh=refresh, reencode=reencode)
                if not (refresh and target.modality == "image") and not reencode:
                    self._reuse(target, change)
                self._settle(target, change)
            self.ledger.db.execute(
                "CREATE INDEX temp.keys_open ON keys (source_key) WHERE verdict = 'work'"
            )

    def _claim(self, target: Target) -> int:
        """A row belongs to the table that had it last: that one's --prune may remove it."""
        cursor = self.ledger.db.execute(
            "UPDATE main.rows SET source = :source WHERE collection = :collection"
            " AND source != :source AND state != 'deleted' AND EXISTS ("
            " SELECT 1 FROM temp.keys k WHERE k.target = :target AND k.item_id = rows.item_id)",
            {
                "source": self.source,
                "collection": target.collection.id,
                "target": target.number,
            },
        )
        return cursor.rowcount

    def _judge(self, target: Target, *, retry_failed: bool, refresh: bool, reencode: bool) -> None:
        again = reencode or (refresh and target.modality == "image")
        self.ledger.db.execute(
            """
            UPDATE temp.keys SET verdict = CASE
              WHEN keys.source_key IS NULL THEN 'missing'
              WHEN f.state IS NULL OR f.state NOT IN ('ok', 'failed') THEN 'work'
              WHEN f.source_key IS NOT keys.source_key THEN 'work'
              WHEN f.state = 'failed' THEN
                CASE WHEN :again OR (:retry AND f.retryable) THEN 'work' ELSE 'failed' END
              WHEN f.encoder IS NOT :encoder OR :again THEN 'work'
              WHEN f.fields_hash != s.fields_hash THEN 'updated'
              ELSE 'unchanged' END
            FROM temp.staged s LEFT JOIN (
              SELECT r.*, v.encoder FROM main.rows r LEFT JOIN main.vectors v ON v.id = r.vector
              WHERE r.collection = :collection
            ) f ON f.item_id = s.item_id
            WHERE keys.target = :target AND s.item_id = keys.item_id
            """,
            {
                "again": again,
                "retry": retry_failed,
                "encoder": target.collection.encoder,
                "collection": target.collection.id,
                "target": target.number,
            },
        )

    def _reuse(self, target: Target, change: int, only: str | None = None) -> None:
        """Give rows their vector when their source was read before, for this encoder."""
        found = self.ledger.db.execute(
            "SELECT k.item_id, v.content_key, v.id FROM temp.keys k"
            " JOIN main.resources u ON u.source_key = k.source_key"
            " JOIN main.vectors v ON v.content_key = u.content_key AND v.encoder = ?"
            " WHERE k.target = ? AND k.verdict = 'work' AND (? IS NULL OR k.source_key = ?)",
            (target.collection.encoder, target.number, only, only),
        ).fetchall()
        batch = _Batch()
        for item_id, content_key, vector in found:
            values = {"state": "ok", "content_key": content_key, "vector": vector}
            batch.add(target, item_id, "reused", values)
        self._write(batch, change)

    def _settle(self, target: Target, change: int) -> None:
        values = {
            "change": change,
            "source": self.source,
            "collection": target.collection.id,
            "target": target.number,
        }
        # Also for failed rows: the report and a later retry show the row as it is now.
        self.ledger.db.execute(
            "UPDATE main.rows SET fields = s.fields, fields_hash = s.fields_hash,"
            " change = :change, source = :source"
            " FROM temp.keys k JOIN temp.staged s ON s.item_id = k.item_id"
            " WHERE rows.collection = :collection AND rows.item_id = k.item_id"
            " AND k.target = :target AND (k.verdict = 'updated'"
            "   OR (k.verdict = 'failed' AND rows.fields_hash != s.fields_hash))",
            values,
        )
        self.ledger.db.execute(
            _UPSERT.format(
                where="k.verdict = 'missing' AND NOT EXISTS (SELECT 1 FROM main.rows r"
                " WHERE r.collection = :collection AND r.item_id = k.item_id"
                " AND r.state = 'missing' AND r.fields_hash = s.fields_hash)"
            ),
            {**_NOTHING, **values, "state": "missing", "reason": "empty cell"},
        )

    # --- the work ----------------------------------------------------------------------------

    def plan_jobs(self, modality: Modality) -> int:
        """List the distinct things of one modality that are to be done; returns how many.

        Pictures come in table order. Texts come by length, so that a batch wastes little padding,
        and always in the same order whatever the table's: the texts a text is padded with change
        its vector's last digits.
        """
        order = "min(s.seq)" if modality == "image" else "min(k.size), k.source_key"
        numbers = [target.number for target in self.targets if target.modality == modality]
        marks = ",".join("?" * len(numbers))
        with self.ledger.lock:
            self.ledger.db.execute("DELETE FROM temp.jobs")
            self.ledger.db.execute(
                "INSERT INTO temp.jobs (target, source_key, seq)"
                # One number holds row and target, so that both come from the same cell.
                " SELECT min(s.seq * 1000 + k.target) % 1000, k.source_key,"
                " min(s.seq * 1000 + k.target) / 1000 FROM temp.keys k"
                " JOIN temp.staged s ON s.item_id = k.item_id"
                f" WHERE k.verdict = 'work' AND k.target IN ({marks})"
                f" GROUP BY k.source_key ORDER BY {order}",
                numbers,
            )
            found = self.ledger.db.execute("SELECT count(*) FROM temp.jobs").fetchone()
        return int(found[0])

    def jobs(self, page: int = 500) -> Iterator[Job]:
        """The planned jobs in their order, read a page at a time."""
        fields = {target.number: target.field for target in self.targets}
        after = 0
        while True:
            found = self.ledger.rows(
                "SELECT j.pos, j.target, j.source_key, s.item_id, s.fields, k.ref, u.etag,"
                " u.last_modified FROM temp.jobs j JOIN temp.staged s ON s.seq = j.seq"
                " JOIN temp.keys k ON k.target = j.target AND k.item_id = s.item_id"
                " LEFT JOIN main.resources u ON u.source_key = j.source_key"
                " WHERE j.pos > ? ORDER BY j.pos LIMIT ?",
                after,
                page,
            )
            for pos, target, source_key, item_id, text, raw, etag, modified in found:
                after = pos
                field = fields[target]
                ref = raw or str(json.loads(text)[field])
                yield Job(source_key, ref, item_id, field, etag, modified)
            if len(found) < page:
                return

    def finish(
        self,
        modality: Modality,
        done: Sequence[Done],
        failed: Sequence[tuple[str, Skipped]],
        vectors: tuple[Sequence[bytes], Vectors] | None,
    ) -> None:
        """Commit one batch: vectors by content, then every row that waited for them."""
        targets = {one.number: one for one in self.targets if one.modality == modality}
        encoder = next(iter(targets.values())).collection.encoder
        with self.ledger.transaction() as change:
            if vectors is not None:
                self.ledger.put_vectors(encoder, *vectors)
            batch = _Batch()
            for one in done:
                self._finish_one(targets, encoder, one, batch)
            for source_key, skipped in failed:
                self._fail(targets, source_key, skipped, batch)
            self._write(batch, change)

    def _finish_one(
        self, targets: dict[int, Target], encoder: int, one: Done, batch: _Batch
    ) -> None:
        vector = self.ledger.db.execute(
            "SELECT id FROM main.vectors WHERE encoder = ? AND content_key = ?",
            (encoder, one.content_key),
        ).fetchone()[0]
        values = {"state": "ok", "content_key": one.content_key, "vector": vector}
        # The first row is the one that was encoded; the others share its vector.
        verdict = "indexed" if one.encoded else "reused"
        for number, item_id in self._open_rows(targets, one.source_key):
            batch.add(targets[number], item_id, verdict, values)
            verdict = "reused"
        self.ledger.db.execute(
            "INSERT INTO main.resources (source_key, content_key, etag, last_modified)"
            " VALUES (?, ?, ?, ?) ON CONFLICT (source_key) DO UPDATE SET"
            " content_key = excluded.content_key, etag = excluded.etag,"
            " last_modified = excluded.last_modified",
            (one.source_key, one.content_key, one.etag, one.last_modified),
        )

    def _open_rows(self, targets: dict[int, Target], source_key: str) -> list[tuple[int, str]]:
        """The rows that wait for this source, as (target, id) in table order."""
        found = self.ledger.db.execute(
            # The literal lets SQLite use the partial index.
            "SELECT k.target, k.item_id FROM temp.keys k JOIN temp.staged s USING (item_id)"
            " WHERE k.source_key = ? AND k.verdict = 'work' ORDER BY s.seq, k.target",
            (source_key,),
        )
        return [(number, item_id) for number, item_id in found if number in targets]

    def not_modified(self, modality: Modality, source_keys: Sequence[str]) -> None:
        """The server says nothing changed: rows keep their vectors, new rows take them."""
        targets = [target for target in self.targets if target.modality == modality]
        with self.ledger.transaction() as change:
            for target in targets:
                for source_key in source_keys:
                    self._keep(target, source_key)
                    self._reuse(target, change, source_key)
                self._settle(target, change)

    def _keep(self, target: Target, source_key: str) -> None:
        self.ledger.db.execute(
            "UPDATE temp.keys SET verdict = CASE WHEN r.fields_hash = s.fields_hash"
            "  THEN 'unchanged' ELSE 'updated' END"
            " FROM temp.staged s JOIN main.rows r ON r.item_id = s.item_id"
            " JOIN main.vectors v ON v.id = r.vector"
            " WHERE keys.target = ? AND keys.source_key = ? AND keys.verdict = 'work'"
            " AND s.item_id = keys.item_id AND r.collection = ? AND r.state = 'ok'"
            " AND r.source_key = keys.source_key AND v.encoder = ?",
            (target.number, source_key, target.collection.id, target.collection.encoder),
        )

    def _fail(
        self, targets: dict[int, Target], source_key: str, skipped: Skipped, batch: _Batch
    ) -> None:
        values = {
            "state": "failed",
            "stage": skipped.stage,
            "reason": skipped.reason,
            "retryable": skipped.retryable,
            "attempts": skipped.attempts,
        }
        for number, item_id in self._open_rows(targets, source_key):
            target = targets[number]
            if self._has_vector(target, item_id, source_key):
                # A picture that was read before from the very same place, and cannot be read now
                # (--refresh), is still on the map: losing it would be worse than keeping it.
                self.ledger.db.execute(
                    "UPDATE temp.keys SET verdict = 'failed', kept = ?"
                    " WHERE target = ? AND item_id = ?",
                    (f"{skipped.reason} (the earlier vector is kept)", number, item_id),
                )
            else:
                batch.add(target, item_id, "failed", values)

    def _has_vector(self, target: Target, item_id: str, source_key: str) -> bool:
        found = self.ledger.db.execute(
            "SELECT 1 FROM main.rows r JOIN main.vectors v ON v.id = r.vector"
            " WHERE r.collection = ? AND r.item_id = ? AND r.state = 'ok' AND r.source_key = ?"
            " AND v.encoder = ?",
            (target.collection.id, item_id, source_key, target.collection.encoder),
        )
        return found.fetchone() is not None

    def _write(self, batch: _Batch, change: int) -> None:
        common = {**_NOTHING, "source": self.source, "change": change}
        self.ledger.db.executemany(
            _UPSERT.format(where="k.item_id = :item_id"),
            [{**common, **values} for values in batch.rows],
        )
        self.ledger.db.executemany(
            "UPDATE temp.keys SET verdict = ? WHERE target = ? AND item_id = ?", batch.verdicts
        )

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


_GONE = (
    "FROM main.rows r WHERE r.collection = ? AND r.source = ? AND r.state != 'deleted'"
    " AND NOT EXISTS (SELECT 1 FROM temp.keys k WHERE k.target = ? AND k.item_id = r.item_id)"
)
