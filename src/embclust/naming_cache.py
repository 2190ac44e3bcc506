"""What naming should not pay for twice: a model's answers, and the vectors of word lists.

One SQLite file in the workspace, because several commands may name at once. Keys are hashes of
everything that an entry was made from, so nothing in it is ever out of date, and it may be
deleted at any time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Final, Literal

from embclust.errors import DiskFullError
from embclust.workspace import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["NamingCache"]

Sort = Literal["answer", "vectors"]

_MOST: Final[dict[Sort, int]] = {"answer": 10_000, "vectors": 20}
"""Entries kept of each sort, the newest. Vectors of a word list are a megabyte or so."""


class NamingCache:
    """Looks up and keeps entries. What is kept is on disk when `put` returns.

    A cache that cannot be read counts as empty and is made anew at the next `put`. With
    `read_only` nothing is ever written.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only

    def get(self, sort: Sort, key: str) -> bytes | None:
        """Return what is kept under the key."""
        if not self._path.is_file():
            return None
        try:
            with self._open() as db:
                found = db.execute(
                    "SELECT value FROM kept WHERE sort = ? AND key = ?", (sort, key)
                ).fetchone()
        except sqlite3.Error:
            return None
        return bytes(found[0]) if found else None

    def put(self, sort: Sort, key: str, value: bytes) -> None:
        """Keep a value. Raises DiskFullError, or UsageError for a read-only workspace."""
        if self._read_only:
            return
        make_folder(self._path.parent)
        try:
            try:
                self._write(sort, key, value)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:  # no database any more: only a cache is lost
                for end in ("", "-journal", "-wal", "-shm"):
                    self._path.with_name(self._path.name + end).unlink(missing_ok=True)
                self._write(sort, key, value)
        except sqlite3.OperationalError as error:
            raise DiskFullError(
                f"The naming cache {self._path} cannot be written ({error}).",
                "Free some space, or delete the file, and run the same command again.",
            ) from error

    def _write(self, sort: Sort, key: str, value: bytes) -> None:
        with self._open() as db, db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS kept (number INTEGER PRIMARY KEY AUTOINCREMENT,"
                " sort TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, UNIQUE (sort, key))"
            )
            db.execute(
                "INSERT OR REPLACE INTO kept (sort, key, value) VALUES (?, ?, ?)",
                (sort, key, value),
            )
            db.execute(
                "DELETE FROM kept WHERE sort = ? AND number NOT IN (SELECT number FROM kept"
                " WHERE sort = ? ORDER BY number DESC LIMIT ?)",
                (sort, sort, _MOST[sort]),
            )

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as db:
            yield db
