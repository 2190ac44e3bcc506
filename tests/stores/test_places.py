"""Opening and closing embedded stores: nothing leaks, nothing is shared by accident."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from embclust.data import EmbeddedBatch, Item
from embclust.errors import DiskFullError, UsageError, WorkspaceLockedError
from embclust.stores._folder import segment_folders
from embclust.stores.chroma import ChromaStore
from tests.stores.chroma_server import batch, info, vectors

CHILD = """
import sys
from pathlib import Path
from embclust.data import CollectionInfo, EmbeddedBatch, Item
from embclust.stores.chroma import ChromaStore
import numpy as np
store = ChromaStore(ChromaStore.Options(), collection="shoes", folder=Path(sys.argv[1]))
"""


def embedded(folder: Path, collection: str = "shoes") -> ChromaStore:
    return ChromaStore(ChromaStore.Options(), collection=collection, folder=folder)


def child(code: str, *arguments: str | Path, cwd: Path | None = None, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CHILD + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **env},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
def test_opening_and_closing_leaks_nothing(tmp_path: Path) -> None:
    store = embedded(tmp_path / "chroma")
    store.create(info("shoes"))
    store.upsert(batch([str(i) for i in range(1500)]))
    store.close()
    files, threads = [], []
    for _ in range(20):
        store = embedded(tmp_path / "chroma")
        store.upsert(batch(["0"]))
        assert store.info().count == 1500
        assert len(store.query(vectors(1)[0], 3)) == 3
        store.close()
        files.append(len(list(Path("/proc/self/fd").iterdir())))
        threads.append(threading.active_count())
    # Chroma's own threads close some files a moment later; what leaked would stay, and add up.
    assert min(files[-5:]) <= min(files[:5])
    assert min(threads[-5:]) <= min(threads[:5])


def test_two_collections_of_one_folder_are_open_at_once(tmp_path: Path) -> None:
    first, second = embedded(tmp_path / "chroma"), embedded(tmp_path / "chroma", "hats")
    first.create(info("shoes"))
    second.create(info("hats"))
    first.upsert(batch(["a"]))
    first.close()
    second.upsert(batch(["b", "c"]))
    assert second.info().count == 2
    second.close()


def test_another_process_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    store = embedded(tmp_path / "chroma")
    store.create(info("shoes"))
    code = """
from embclust.errors import WorkspaceLockedError
try:
    store.info()
except WorkspaceLockedError as error:
    print(error.exit_code, error)
"""
    said = child(code, tmp_path / "chroma")
    assert said.startswith("75 ")
    assert f"process {os.getpid()}" in said
    store.close()
    assert child("print(store.info().count)", tmp_path / "chroma") == "0\n"


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    code = """
import time
store.create(CollectionInfo("shoes", "f", "e", 8, 0))
print("ready", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            CHILD + code,
            str(tmp_path / "chroma"),
        ],
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    with pytest.raises(WorkspaceLockedError, match=str(process.pid)):
        embedded(tmp_path / "chroma").info()
    process.kill()
    process.wait()
    process.stdout.close()
    store = embedded(tmp_path / "chroma")
    assert store.info().encoder_id == "e"
    store.close()


@pytest.mark.parametrize(
    "dotenv", [b"CHROMA_API_IMPL=chromadb.api.fastapi.FastAPI\nIS_PERSISTENT=0\n", b"A=\xe9\xff\n"]
)
def test_a_hostile_current_folder_has_no_effect(tmp_path: Path, dotenv: bytes) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / ".env").write_bytes(dotenv)
    code = """
import os
store.create(CollectionInfo("shoes", "f", "e", 2, 0))
store.upsert(EmbeddedBatch([Item("a", {})], np.array([[0.6, 0.8]], dtype=np.float32)))
store.close()
again = ChromaStore(ChromaStore.Options(), collection="shoes", folder=Path(sys.argv[1]))
print(again.info().count, again.damage(deep=False), os.getcwd())
again.close()
print(again.damage(deep=True))
"""
    said = child(code, tmp_path / "chroma", cwd=here)
    assert said == f"1 None {here.resolve()}\nNone\n"
    assert [path.name for path in here.iterdir()] == [".env"]


def test_variables_of_the_environment_have_no_effect(tmp_path: Path) -> None:
    code = 'store.create(CollectionInfo("shoes", "f", "e", 2, 0)); print(store.info().count)'
    said = child(
        code,
        tmp_path / "chroma",
        CHROMA_API_IMPL="chromadb.api.fastapi.FastAPI",
        IS_PERSISTENT="0",
        PERSIST_DIRECTORY=str(tmp_path / "wrong"),
        ALLOW_RESET="1",
    )
    assert said == "0\n"
    assert (tmp_path / "chroma" / "chroma.sqlite3").exists()
    assert not (tmp_path / "wrong").exists()


def test_building_one_is_cheap(tmp_path: Path) -> None:
    said = child("print('chromadb' in sys.modules, 'httpx' in sys.modules)", tmp_path / "chroma")
    assert said == "False False\n"


def test_chromadb_logs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        store = embedded(tmp_path / "chroma")
        store.create(info("shoes"))
        store.upsert(batch(["a"]))
        store.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_drop_leaves_no_files_of_the_index(tmp_path: Path) -> None:
    store = embedded(tmp_path / "chroma")
    for _ in range(2):
        store.create(info("shoes"))
        store.upsert(batch([str(i) for i in range(1200)]))
        assert len(segment_folders(tmp_path / "chroma")) == 1
        store.drop()
        assert segment_folders(tmp_path / "chroma") == []
    store.close()


def test_a_place_that_cannot_be_written_to_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be written to"):
        embedded(tmp_path / "file" / "chroma").create(info("shoes"))


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An embclust store with one row in a folder that may not be written to."""
    folder = tmp_path / "chroma"
    store = embedded(folder)
    store.create(info("shoes"))
    store.upsert(batch(["a"]))
    store.close()
    folder.chmod(0o555)
    if os.geteuid() == 0:
        # Permissions do not bind root, so root is told what others would be.
        access = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: path != folder and access(path, mode))
    yield folder
    folder.chmod(0o755)


def test_a_store_in_a_read_only_folder_is_read_from_a_copy(read_only: Path) -> None:
    before = embedded(read_only).fingerprint()
    store = embedded(read_only)
    assert store.info().count == 1
    with pytest.raises(UsageError, match="cannot be written to") as caught:
        store.upsert(batch(["b"]))
    assert caught.value.exit_code == 2
    store.close()
    with pytest.raises(UsageError, match="cannot be written to"):
        embedded(read_only).create(info("shoes"))
    assert store.fingerprint() == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_is_called_that(small_disk: Path) -> None:
    store = embedded(small_disk / "chroma")
    store.create(info("shoes", dim=256))
    with pytest.raises(DiskFullError) as caught:
        for start in range(0, 20_000, 500):
            items = [Item(str(start + i), {"text": "x" * 100}) for i in range(500)]
            store.upsert(EmbeddedBatch(items, vectors(500, 256, seed=start)))
    assert caught.value.exit_code == 1
    store.close()


def test_a_path_and_a_url_are_too_much() -> None:
    with pytest.raises(ValidationError, match="not both"):
        ChromaStore.Options(path=Path("a"), url="http://127.0.0.1:1")
    with pytest.raises(ValidationError):
        ChromaStore.Options(url="127.0.0.1:8000")
