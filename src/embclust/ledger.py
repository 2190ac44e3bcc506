"""The ledger: one SQLite file that knows every row's state and every vector. It is the truth.

The vector store is derived from it and can be rebuilt at any time. Writes are one transaction
per batch, durable at commit (WAL, synchronous=FULL). `change` numbers grow with every commit, so
that a store that is behind can be brought up to date from where it was.

All methods may be called from several threads; a lock keeps one statement group at a time.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from embclust.data import Embeddings, Item, Modality, Scalar, Skipped, Stage, Vectors
from embclust.errors import EncoderMismatchError, UsageError
from embclust.ledger_schema import connect, explain

__all__ = ["Collection", "Ledger", "open_ledger"]


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as the ledger knows it."""

    id: int
    name: str
    field: str
    modality: Modality
    encoder: int
    encoder_id: str
    dim: int
    precision: str
    created: str
    remembered: dict[str, Any]
    store: str
    synced: int


@dataclass(frozen=True, slots=True)
class Change:
    """One row as a store needs it: `vector` is None when the row is no longer on the map."""

    item: Item
    vector: np.ndarray[Any, np.dtype[np.float32]] | None
    change: int


_CHANGES: Final = (
    "SELECT r.item_id, r.fields, r.change,"
    " CASE WHEN r.state = 'ok' AND v.encoder = ? THEN v.vector END"
    " FROM rows r LEFT JOIN vectors v ON v.id = r.vector WHERE r.collection = ?"
)


def open_ledger(path: Path, *, create: bool = False) -> Ledger | None:
    """Open the ledger; None when there is none and `create` is not set.

    Raises UsageError for a file that is no ledger or was made by a newer embclust.
    """
    if not create and not path.exists():
        return None
    try:
        connection = connect(path)
    except sqlite3.OperationalError as error:
        raise UsageError(
            f"The ledger {path} cannot be opened: {error}.",
            "The workspace must be a folder that you may write to.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise UsageError(
            f"{path} is no readable ledger: {error}.",
            "Restore it from a backup, or move the workspace aside and index again.",
        ) from error
    return Ledger(connection, path)


class Ledger:
    """An open ledger. Use `open_ledger`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.db = connection
        self.path = path
        self.lock = threading.RLock()
        # Look-ups from worker threads must not wait for a commit that waits for the disk.
        self._reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._reading = threading.Lock()

    def close(self) -> None:
        """Close the file; everything committed is on disk already."""
        with self._reading:
            self._reader.close()
        with self.lock:
            self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[int]:
        """Run the block in one durable transaction; yields its change number.

        Raises DiskFullError when there is no space; nothing of the block is kept then.
        """
        with self.lock:
            try:
                self.db.execute("BEGIN IMMEDIATE")
                self.db.execute("UPDATE counter SET change = change + 1")
                yield int(self.db.execute("SELECT change FROM counter").fetchone()[0])
                self.db.execute("COMMIT")
            except BaseException as error:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise explain(error, self.path) from error
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let every query of the block see the ledger as it was at the first of them.

        Another process may be writing.
        """
        with self.lock:
            if self.db.in_transaction:
                yield
                return
            self.db.execute("BEGIN")
            try:
                yield
            finally:
                self.db.execute("ROLLBACK")

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Run a query and return all its rows."""
        with self.lock:
            return self.db.execute(sql, values).fetchall()

    # --- collections -------------------------------------------------------------------------

    def collections(self) -> list[Collection]:
        """Every collection, by name."""
        found = self.rows(
            "SELECT c.id, c.name, c.field, c.modality, c.encoder, e.encoder_id, e.dim, c.precision,"
            " c.created, c.remembered, c.store, c.synced"
            " FROM collections c JOIN encoders e ON e.id = c.encoder ORDER BY c.name"
        )
        return [_collection(row) for row in found]

    def collection(self, name: str) -> Collection | None:
        """The collection of that name, or None."""
        return next((found for found in self.collections() if found.name == name), None)

    def ensure_collection(
        self, name: str, field: str, modality: Modality, encoder_id: str, *, reencode: bool = False
    ) -> Collection:
        """Return the collection, making it when it is new.

        Raises EncoderMismatchError when it was made by another encoder, unless `reencode`:
        then its rows count as not encoded until they are.
        """
        known = self.collection(name)
        if known and known.encoder_id != encoder_id and not reencode:
            raise EncoderMismatchError(
                f"Collection '{name}' was made by {known.encoder_id}, not by {encoder_id}.",
                "Use that encoder, another store.collection_prefix, or `embclust index --reencode`"
                " to redo every vector.",
            )
        with self.transaction():
            self.db.execute("INSERT OR IGNORE INTO encoders (encoder_id) VALUES (?)", (encoder_id,))
            encoder = self.db.execute(
                "SELECT id FROM encoders WHERE encoder_id = ?", (encoder_id,)
            ).fetchone()[0]
            self.db.execute(
                "INSERT INTO collections (name, field, modality, encoder, created)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET encoder = ?, field = ?",
                (name, field, modality, encoder, _now(), encoder, field),
            )
            if known and known.encoder_id != encoder_id:
                # The store holds the old encoder's vectors: it has to be made again.
                self.db.execute("UPDATE collections SET store = '' WHERE name = ?", (name,))
        made = self.collection(name)
        assert made is not None
        return made

    def pin_encoder(self, encoder: int, dim: int, fingerprint: str | None) -> None:
        """Record an encoder's dimension and weights at first use, and hold it to them.

        Raises EncoderMismatchError when the same name now loads other weights.
        """
        known = self.rows("SELECT dim, fingerprint, encoder_id FROM encoders WHERE id=?", encoder)[
            0
        ]
        if known[0] not in (None, dim) or (fingerprint and known[1] and known[1] != fingerprint):
            raise EncoderMismatchError(
                f"{known[2]} now loads other weights ({fingerprint}, {dim} dimensions) than those"
                f" the vectors were made with ({known[1]}, {known[0]} dimensions).",
                "Pin the old revision, or index under another store.collection_prefix.",
            )
        with self.transaction():
            self.db.execute(
                "UPDATE encoders SET dim = ?, fingerprint = coalesce(fingerprint, ?) WHERE id = ?",
                (dim, fingerprint, encoder),
            )

    def set_collection(self, collection: int, **values: Any) -> None:
        """Change columns of a collection: precision, remembered, store, synced."""
        names = ", ".join(f"{name} = ?" for name in values)
        with self.transaction():
            self.db.execute(
                f"UPDATE collections SET {names} WHERE id = ?", (*values.values(), collection)
            )

    def remember(self, collection: Collection, given: Mapping[str, Any]) -> None:
        """Keep the settings a collection was made and last shown with."""
        text = json.dumps(given, sort_keys=True, ensure_ascii=False)
        self.set_collection(collection.id, remembered=text)

    def drop(self, collection: Collection) -> None:
        """Forget a collection's rows; its vectors stay until `gc`."""
        with self.transaction():
            self.db.execute("DELETE FROM rows WHERE collection = ?", (collection.id,))
            self.db.execute("DELETE FROM collections WHERE id = ?", (collection.id,))

    def store_state(self, target: str) -> tuple[bool, str] | None:
        """Whether a store is marked dirty, and its fingerprint when it was last left clean."""
        found = self.rows("SELECT dirty, fingerprint FROM stores WHERE target = ?", target)
        return (bool(found[0][0]), found[0][1]) if found else None

    def mark_store(self, target: str, *, dirty: bool, fingerprint: str = "") -> None:
        """Mark a store before it is written (dirty) and after it was closed (clean)."""
        with self.transaction():
            self.db.execute(
                "INSERT OR REPLACE INTO stores (target, dirty, fingerprint) VALUES (?, ?, ?)",
                (target, dirty, fingerprint),
            )

    def forget_store(self, target: str) -> None:
        """Nothing is known to be in that store any more: every collection in it syncs anew."""
        with self.transaction():
            self.db.execute("DELETE FROM stores WHERE target = ?", (target,))
            self.db.execute(
                "UPDATE collections SET store = '', synced = 0 WHERE store = ?", (target,)
            )

    def forget_deleted(self, collection: Collection, synced: int) -> None:
        """Drop the traces of rows that left the table, once the store has left them too."""
        with self.transaction():
            self.db.execute(
                "DELETE FROM rows WHERE collection = ? AND state = 'deleted' AND change <= ?",
                (collection.id, synced),
            )

    def source(self, name: str) -> int:
        """The number of a source, made when it is new."""
        with self.transaction():
            self.db.execute("INSERT OR IGNORE INTO sources (name) VALUES (?)", (name,))
            found = self.db.execute("SELECT id FROM sources WHERE name = ?", (name,)).fetchone()
        return int(found[0])

    # --- reading back ------------------------------------------------------------------------

    def counts(self, collection: Collection) -> dict[str, int]:
        """Rows per state; rows that an older encoder made count as 'stale'."""
        # A join would read every vector's page; the list of ids comes from the index alone.
        found = self.rows(
            "SELECT CASE WHEN r.state = 'ok' AND r.vector NOT IN"
            "  (SELECT id FROM vectors WHERE encoder = ?) THEN 'stale' ELSE r.state END,"
            " count(*) FROM rows r WHERE r.collection = ? GROUP BY 1",
            collection.encoder,
            collection.id,
        )
        return dict(found)

    def embeddings(self, collection: Collection) -> Embeddings:
        """Every row on the map, sorted by id: float32 (n, dim) unit rows."""
        with self.snapshot():
            n = self.counts(collection).get("ok", 0)
            ids: list[str] = []
            fields: list[dict[str, Scalar]] = []
            vectors = np.empty((n, collection.dim), dtype=np.float32)
            cursor = self.db.execute(
                "SELECT r.item_id, r.fields, v.vector FROM rows r JOIN vectors v ON v.id = r.vector"
                " WHERE r.collection = ? AND r.state = 'ok' AND v.encoder = ? ORDER BY r.item_id",
                (collection.id, collection.encoder),
            )
            for i, (item_id, text, blob) in enumerate(cursor):
                ids.append(item_id)
                fields.append(json.loads(text))
                vectors[i] = np.frombuffer(blob, dtype=np.float32)
        return Embeddings(ids, vectors, fields)

    def content_keys(self, collection: Collection, field: str) -> dict[str, bytes]:
        """Row id -> content key of the picture in one of the row's image fields.

        The collection's own field needs no look-up; another field's picture is found through
        the collection that embeds it, with the same ids.
        """
        own = field == collection.field and collection.modality == "image"
        where = "c.id = ?" if own else "c.field = ? AND c.modality = 'image'"
        found = self.rows(
            "SELECT r.item_id, r.content_key FROM rows r JOIN collections c ON c.id = r.collection"
            f" WHERE {where} AND r.state = 'ok' AND r.item_id IN"
            " (SELECT item_id FROM rows WHERE collection = ?)",
            collection.id if own else field,
            collection.id,
        )
        return dict(found)

    def image_fields(self) -> list[str]:
        """The fields that some collection embeds pictures from."""
        return [
            row[0]
            for row in self.rows(
                "SELECT DISTINCT field FROM collections WHERE modality = 'image' ORDER BY field"
            )
        ]

    def shared_contents(self, collection: Collection, at_least: int) -> list[tuple[int, str]]:
        """Contents behind many source keys: (how many, one row's id), the most shared first."""
        return self.rows(
            "SELECT count(DISTINCT source_key) AS n, min(item_id) FROM rows"
            " WHERE collection = ? AND state = 'ok' GROUP BY content_key HAVING n >= ?"
            " ORDER BY n DESC LIMIT 5",
            collection.id,
            at_least,
        )

    def failures(self, collection: Collection) -> list[Skipped]:
        """Every failed row with its reason, by id."""
        found = self.rows(
            "SELECT item_id, stage, reason, retryable, attempts FROM rows"
            " WHERE collection = ? AND state = 'failed' ORDER BY item_id",
            collection.id,
        )
        return [
            Skipped(item_id, collection.field, _stage(stage), reason, bool(retryable), attempts)
            for item_id, stage, reason, retryable, attempts in found
        ]

    def last_change(self, collection: Collection) -> int:
        """The newest change of a collection's rows; 0 when it has none."""
        found = self.rows("SELECT max(change) FROM rows WHERE collection = ?", collection.id)
        return int(found[0][0] or 0)

    def changes(self, collection: Collection, after: int, limit: int) -> list[Change]:
        """The rows that changed after a change number, oldest first: whole commits only.

        Returns at least `limit` rows when there are as many, then goes on to the end of that
        commit, so that a cursor at the last one's number skips nothing.
        """
        with self.lock:
            edge = self.db.execute(
                "SELECT change FROM rows WHERE collection = ? AND change > ?"
                " ORDER BY change LIMIT 1 OFFSET ?",
                (collection.id, after, limit - 1),
            ).fetchone()
            last = edge[0] if edge else np.iinfo(np.int64).max
            found = self.db.execute(
                f"{_CHANGES} AND r.change > ? AND r.change <= ? ORDER BY r.change",
                (collection.encoder, collection.id, after, int(last)),
            ).fetchall()
        return [_change(*row) for row in found]

    def stored(self, collection: Collection, item_ids: Sequence[str]) -> dict[str, Change]:
        """Those of these rows that the collection knows, by id."""
        found = self.rows(
            f"{_CHANGES} AND r.item_id IN (SELECT value FROM json_each(?))",
            collection.encoder,
            collection.id,
            json.dumps(list(item_ids)),
        )
        return {row[0]: _change(*row) for row in found}

    def synced_rows(self, collection: Collection) -> int:
        """How many rows the last sync left in the store that did not change since."""
        found = self.rows(
            "SELECT count(*) FROM rows WHERE collection = ? AND state = 'ok' AND change <= ?"
            " AND vector IN (SELECT id FROM vectors WHERE encoder = ?)",
            collection.id,
            collection.synced,
            collection.encoder,
        )
        return int(found[0][0])

    # --- vectors -----------------------------------------------------------------------------

    def known_contents(self, encoder: int, keys: Sequence[bytes]) -> set[bytes]:
        """Which of these contents this encoder has a committed vector for."""
        with self._reading:
            return {
                key
                for key in keys
                if self._reader.execute(
                    "SELECT 1 FROM vectors WHERE encoder = ? AND content_key = ?", (encoder, key)
                ).fetchone()
            }

    def put_vectors(self, encoder: int, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Store unit vectors by content; call inside `transaction`."""
        self.db.executemany(
            "INSERT INTO vectors (encoder, content_key, vector) VALUES (?, ?, ?)"
            " ON CONFLICT (encoder, content_key) DO UPDATE SET vector = excluded.vector",
            [
                (encoder, key, np.ascontiguousarray(vector, dtype=np.float32).tobytes())
                for key, vector in zip(keys, vectors, strict=True)
            ],
        )


def _collection(row: Sequence[Any]) -> Collection:
    return Collection(
        id=row[0],
        name=row[1],
        field=row[2],
        modality="image" if row[3] == "image" else "text",
        encoder=row[4],
        encoder_id=row[5],
        dim=row[6] or 0,
        precision=row[7],
        created=row[8],
        remembered=json.loads(row[9]),
        store=row[10],
        synced=row[11],
    )


def _change(item_id: str, text: str, change: int, blob: bytes | None) -> Change:
    vector = None if blob is None else np.frombuffer(blob, dtype=np.float32)
    return Change(Item(item_id, json.loads(text)), vector, change)


def _stage(text: str) -> Stage:
    stages: dict[str, Stage] = {
        "read": "read",
        "fetch": "fetch",
        "prepare": "prepare",
        "encode": "encode",
    }
    return stages[text]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
