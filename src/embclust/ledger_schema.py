"""The ledger's tables, how they came about, and how the file is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from embclust.errors import DiskFullError, EmbclustError, UsageError

__all__ = ["SCHEMA_VERSION", "connect", "explain"]

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE encoders (
  id INTEGER PRIMARY KEY,
  encoder_id TEXT NOT NULL UNIQUE,
  dim INTEGER,
  fingerprint TEXT
);
CREATE TABLE sources (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE collections (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  field TEXT NOT NULL,
  modality TEXT NOT NULL,
  encoder INTEGER NOT NULL REFERENCES encoders(id),
  precision TEXT NOT NULL DEFAULT '',
  created TEXT NOT NULL,
  remembered TEXT NOT NULL DEFAULT '{}',
  store TEXT NOT NULL DEFAULT '',
  synced INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE stores (
  target TEXT PRIMARY KEY,
  dirty INTEGER NOT NULL DEFAULT 0,
  fingerprint TEXT NOT NULL DEFAULT ''
);
CREATE TABLE vectors (
  id INTEGER PRIMARY KEY,
  encoder INTEGER NOT NULL REFERENCES encoders(id),
  content_key BLOB NOT NULL,
  vector BLOB NOT NULL,
  UNIQUE (encoder, content_key)
);
CREATE TABLE rows (
  collection INTEGER NOT NULL REFERENCES collections(id),
  item_id TEXT NOT NULL,
  source INTEGER NOT NULL REFERENCES sources(id),
  change INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('ok', 'failed', 'missing', 'deleted')),
  fields TEXT NOT NULL,
  fields_hash BLOB NOT NULL,
  source_key TEXT,
  content_key BLOB,
  vector INTEGER REFERENCES vectors(id),
  stage TEXT,
  reason TEXT,
  retryable INTEGER,
  attempts INTEGER,
  PRIMARY KEY (collection, item_id)
) WITHOUT ROWID;
CREATE INDEX rows_by_change ON rows (collection, change);
CREATE TABLE resources (
  source_key TEXT PRIMARY KEY,
  content_key BLOB NOT NULL,
  etag TEXT,
  last_modified TEXT
) WITHOUT ROWID;
CREATE TABLE counter (change INTEGER NOT NULL);
INSERT INTO counter VALUES (0);
"""

# From version i to i + 1; a new version appends one script here and never edits an old one.
_MIGRATIONS: tuple[str, ...] = (_SCHEMA,)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, set it up, and bring an older schema up to date. Raises sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)
    try:
        connection.execute("PRAGMA page_size=16384")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA temp_store=FILE")
        connection.execute("PRAGMA cache_size=-32000")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"The ledger {path} was made by a newer embclust (schema {version}).",
            "Update embclust, or use another workspace.",
        )
    for number in range(version, SCHEMA_VERSION):
        connection.executescript(
            f"BEGIN IMMEDIATE;{_MIGRATIONS[number]}PRAGMA user_version={number + 1};COMMIT;"
        )


def explain(error: sqlite3.OperationalError, path: Path) -> EmbclustError:
    """What a failed write means for a person."""
    text = str(error)
    if "full" in text or "disk I/O" in text:
        return DiskFullError(
            f"No space left for the ledger {path} ({text}).",
            "What was committed is kept: free some space and run the same command again.",
        )
    if "readonly" in text:
        return UsageError(f"The ledger {path} is read-only.", "Use a workspace you may write to.")
    return EmbclustError(f"The ledger {path} cannot be written: {text}.")
