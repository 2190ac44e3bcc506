"""Thumbnails, keyed by the picture's content, in a SQLite file of their own beside the ledger."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from embclust.errors import DiskFullError, UsageError

__all__ = ["Thumbs"]


class Thumbs:
    """WebP thumbnails by content key; may be used from several threads.

    They can be made again from the pictures, so they are written before the ledger's commit and
    with less ceremony: a row that is on the map has its thumbnail, the reverse is no harm.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.RLock()
        try:
            self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self.db.execute("PRAGMA page_size=16384")
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=NORMAL")
            self.db.execute(
                "CREATE TABLE IF NOT EXISTS thumbs (content_key BLOB NOT NULL UNIQUE,"
                " picture BLOB NOT NULL)"
            )
        except sqlite3.DatabaseError as error:
            raise UsageError(
                f"The thumbnails {path} cannot be opened: {error}.",
                "Remove the file; `embclust index --refresh` makes thumbnails again.",
            ) from error

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self.db.close()

    def has(self, key: bytes) -> bool:
        """Whether there is a thumbnail of this content."""
        with self.lock:
            found = self.db.execute("SELECT 1 FROM thumbs WHERE content_key = ?", (key,))
            return found.fetchone() is not None

    def put(self, thumbs: Sequence[tuple[bytes, bytes]]) -> None:
        """Store (content key, WebP) pairs. Raises DiskFullError."""
        if not thumbs:
            return
        with self.lock:
            try:
                self.db.execute("BEGIN")
                self.db.executemany("INSERT OR REPLACE INTO thumbs VALUES (?, ?)", thumbs)
                self.db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise DiskFullError(
                    f"The thumbnails {self.path} cannot be written ({error}).",
                    "Free some space and run the same command again.",
                ) from error

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The thumbnails there are of these contents."""
        found: dict[bytes, bytes] = {}
        with self.lock:
            for start in range(0, len(keys), 500):
                part = list(keys[start : start + 500])
                found.update(
                    self.db.execute(
                        "SELECT content_key, picture FROM thumbs WHERE content_key IN"
                        f" ({','.join('?' * len(part))})",
                        part,
                    ).fetchall()
                )
        return found

    def keep_only(self, keys: Sequence[bytes]) -> int:
        """Drop every other thumbnail and shrink the file; returns how many went."""
        with self.lock:
            self.db.execute("CREATE TEMP TABLE kept (content_key BLOB PRIMARY KEY)")
            self.db.executemany("INSERT OR IGNORE INTO kept VALUES (?)", [(key,) for key in keys])
            dropped = self.db.execute(
                "DELETE FROM thumbs WHERE content_key NOT IN (SELECT content_key FROM kept)"
            ).rowcount
            self.db.execute("DROP TABLE kept")
            self.db.execute("VACUUM")
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return dropped
