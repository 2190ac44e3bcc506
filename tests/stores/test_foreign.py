"""Stores and collections of other programs: read, never changed."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embclust.errors import CollectionNotFoundError, RefusedError, UsageError
from embclust.stores._client import close_client, open_embedded
from embclust.stores._folder import MARKER, copy_store
from embclust.stores.chroma import ChromaStore
from tests.stores.chroma_server import batch, info, running, vectors

LENGTHS = np.linspace(0.5, 9, 1500, dtype=np.float32)[:, None]


def state(folder: Path) -> dict[str, tuple[str, int]]:
    """Checksum and mtime of every file, mtime of every folder."""
    return {
        str(path.relative_to(folder.parent)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
        )
        for path in [folder, *folder.rglob("*")]
    }


def make_foreign(folder: Path) -> None:
    """What the older program leaves: l2 space, vectors of any length, default settings."""
    client = open_embedded(folder, "default_tenant", "default_database")
    fill(client)
    close_client(client)


def fill(client: Any) -> None:
    collection = client.create_collection("fashion_imageUrl")
    collection.upsert(
        ids=[f"p{i}" for i in range(1500)],
        embeddings=vectors(1500) * LENGTHS,
        metadatas=[{"title": f"t{i}", "n": i} for i in range(1500)],
        documents=[f"text {i}" for i in range(1500)],
    )
    client.create_collection("empty-one", embedding_function=None)


def store_at(path: Path, collection: str = "fashion_imageUrl") -> ChromaStore:
    options = ChromaStore.Options(path=path)
    return ChromaStore(options, collection=collection, folder=path / "unused")


def test_it_is_read_in_full_and_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "chromadb"
    make_foreign(folder)
    before = state(folder)
    store = store_at(folder)
    assert store.collections() == ["empty-one", "fashion_imageUrl"]
    found = store.info()
    assert (found.encoder_id, found.field, found.dim, found.count) == ("", "", 8, 1500)
    rows = {
        item.id: (item.fields, vector)
        for part in store.scan(700)
        for item, vector in zip(part.items, part.vectors, strict=True)
    }
    assert len(rows) == 1500
    assert rows["p7"][0] == {"title": "t7", "n": 7, "document": "text 7"}
    assert np.allclose(rows["p7"][1], (vectors(1500) * LENGTHS)[7], atol=1e-5)
    assert store.warnings == []
    store.close()
    assert state(folder) == before
    empty = store_at(folder, "empty-one")
    assert empty.info().dim == 0
    assert list(empty.scan()) == []
    empty.close()
    other = store_at(folder, "other")
    with pytest.raises(CollectionNotFoundError, match="fashion_imageUrl"):
        other.info()
    other.close()
    assert state(folder) == before


def test_query_is_by_cosine_whatever_the_space(tmp_path: Path) -> None:
    make_foreign(tmp_path / "chromadb")
    store = store_at(tmp_path / "chromadb")
    target = vectors(1, seed=4)[0]
    distances = 1 - vectors(1500) @ target
    found = store.query(target * 2, 20)
    store.close()
    assert [item_id for item_id, _ in found] == [f"p{i}" for i in np.argsort(distances)[:20]]
    assert np.allclose([d for _, d in found], np.sort(distances)[:20], atol=1e-5)


def test_writing_there_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "chromadb"
    make_foreign(folder)
    before = state(folder)
    for read_first in (False, True):
        store = store_at(folder)
        if read_first:
            store.info()
        with pytest.raises(RefusedError, match="another program"):
            store.create(info("fashion_imageUrl"))
        with pytest.raises(RefusedError):
            store.upsert(batch(["a"]))
        with pytest.raises(RefusedError):
            store.delete(["p1"])
        with pytest.raises(RefusedError):
            store.drop()
        with pytest.raises(RefusedError):
            store.set_aside()
        assert store.damage(deep=True) is None
        store.close()
    assert state(folder) == before


def test_only_the_collection_asked_for_is_copied(tmp_path: Path) -> None:
    folder = tmp_path / "chromadb"
    make_foreign(folder)
    (folder / "holiday.mp4").write_bytes(b"not Chroma's")
    copy, warnings = copy_store(folder, "fashion_imageUrl")
    names = sorted(path.name for path in Path(copy.name).iterdir())
    copy.cleanup()
    assert warnings == []
    assert len(names) == 2
    assert "chroma.sqlite3" in names


def test_one_that_is_being_written_to_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    folder = tmp_path / "chromadb"
    make_foreign(folder)
    writer = sqlite3.connect(folder / "chroma.sqlite3")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE embedding_metadata SET string_value = 'new' WHERE key = 'title'")
    (folder / "chroma.sqlite3-journal").touch()
    store = store_at(folder)
    assert store.info().count == 1500
    assert len(store.warnings) == 1
    assert "missing" in store.warnings[0]
    store.close()
    writer.rollback()
    writer.close()


def test_a_store_of_an_older_chromadb_is_never_migrated_in_place(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    own = ChromaStore(ChromaStore.Options(), collection="shoes", folder=folder)
    own.create(info("shoes"))
    own.upsert(batch([str(i) for i in range(1100)]))
    own.close()
    marker = folder / MARKER
    marker.write_text(json.dumps({"schema": 1, "chromadb": "1.0.0"}), encoding="utf-8")
    with sqlite3.connect(folder / "chroma.sqlite3") as database:
        # As before the last migration, which opening would apply again.
        database.execute("DROP TABLE embedding_metadata_array")
        database.execute("DELETE FROM migrations WHERE dir = 'metadb' AND version = 6")
    database.close()
    before = state(folder)
    store = ChromaStore(ChromaStore.Options(), collection="shoes", folder=folder)
    assert store.made_by() == "1.0.0"
    assert "1.0.0" in (store.damage(deep=False) or "")
    assert store.info().count == 1100
    assert sum(len(part.items) for part in store.scan()) == 1100
    with pytest.raises(RefusedError, match=r"chromadb 1\.0\.0.*rebuild-store"):
        store.upsert(batch(["a"]))
    assert state(folder) == before
    aside = store.set_aside()
    assert aside
    assert Path(aside).is_dir()
    assert not folder.exists()
    store.create(info("shoes"))
    assert store.damage(deep=False) is None
    store.close()


def test_a_folder_with_other_things_is_neither_read_nor_written(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match="no Chroma store"):
        store_at(folder).info()
    with pytest.raises(RefusedError, match="not empty"):
        store_at(folder).create(info("fashion_imageUrl"))
    with pytest.raises(UsageError, match="no Chroma store"):
        store_at(folder / "a.jpg").info()
    assert [path.name for path in folder.iterdir()] == ["a.jpg"]


def test_a_collection_of_another_program_on_a_server_is_only_read(tmp_path: Path) -> None:
    import chromadb

    with running(tmp_path / "server") as url:
        port = int(url.rpartition(":")[2])
        client: Any = chromadb.HttpClient(host="127.0.0.1", port=port)
        fill(client)
        store = ChromaStore(
            ChromaStore.Options(url=url), collection="fashion_imageUrl", folder=tmp_path
        )
        assert store.info().count == 1500
        assert sum(len(part.items) for part in store.scan()) == 1500
        writes: list[Callable[[], None]] = [
            lambda: store.create(info("fashion_imageUrl")),
            lambda: store.upsert(batch(["a"])),
            lambda: store.delete(["p1"]),
            store.drop,
        ]
        for write in writes:
            with pytest.raises(RefusedError, match="another program"):
                write()
        assert store.info().count == 1500
        store.close()
        close_client(client)
