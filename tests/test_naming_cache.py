from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from embclust import naming_cache
from embclust.naming_cache import NamingCache


def test_what_is_put_is_there_for_another_process(tmp_path: Path) -> None:
    path = tmp_path / "new" / "naming.sqlite"
    assert NamingCache(path).get("answer", "k") is None
    assert not path.exists(), "looking makes nothing"
    NamingCache(path).put("answer", "k", b"one")
    NamingCache(path).put("answer", "k", b"two")
    NamingCache(path).put("vectors", "k", b"three")
    assert NamingCache(path).get("answer", "k") == b"two"
    assert NamingCache(path).get("vectors", "k") == b"three"
    assert NamingCache(path).get("answer", "other") is None


def test_read_only_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "naming.sqlite"
    NamingCache(path, read_only=True).put("answer", "k", b"one")
    assert not path.exists()


@pytest.mark.parametrize("content", [b"no database" * 1000, b"", b"SQLite format 3\0" + b"\1" * 99])
def test_a_damaged_cache_counts_as_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "naming.sqlite"
    path.write_bytes(content)
    assert NamingCache(path).get("answer", "k") is None
    NamingCache(path).put("answer", "k", b"one")
    assert NamingCache(path).get("answer", "k") == b"one"


def test_the_oldest_entries_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(naming_cache._MOST, "vectors", 3)
    cache = NamingCache(tmp_path / "naming.sqlite")
    cache.put("answer", "0", b"kept")
    for n in range(5):
        cache.put("vectors", str(n), b"x")
    assert [cache.get("vectors", str(n)) is not None for n in range(5)] == [False] * 2 + [True] * 3
    assert cache.get("answer", "0") == b"kept"
    with sqlite3.connect(tmp_path / "naming.sqlite") as db:
        assert db.execute("SELECT count(*) FROM kept").fetchone() == (4,)
    db.close()
