from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from embclust.data import Item, Skipped
from embclust.errors import DiskFullError, EncoderMismatchError, UsageError
from embclust.ledger import Collection, Ledger, open_ledger
from embclust.staging import Cell, Done, Staging, Target


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    opened = open_ledger(tmp_path / "ledger.sqlite", create=True)
    assert opened is not None
    return opened


def fill(ledger: Ledger, ids: list[str], dim: int = 4, encoder: str = "e") -> Collection:
    """Index these ids, each with a vector of its own, as one run would."""
    collection = ledger.ensure_collection("c", "title", "text", encoder)
    target = Target(0, "title", "text", collection)
    rng = np.random.default_rng(0)
    with Staging(ledger) as staging:
        for line, item_id in enumerate(ids, 2):
            staging.add(Item(item_id, {"title": item_id}), line, [Cell(f"text:{item_id}")], "error")
        staging.end()
        staging.compare(
            [target], ledger.source("t.csv"), retry_failed=False, refresh=False, reencode=False
        )
        staging.plan_jobs("text")
        jobs = list(staging.jobs())
        vectors = rng.normal(size=(len(jobs), dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if jobs:
            keys = [job.source_key.encode() for job in jobs]
            done = [Done(job.source_key, key, True) for job, key in zip(jobs, keys, strict=True)]
            ledger.pin_encoder(collection.encoder, dim, None)
            staging.finish("text", done, [], (keys, vectors))
    found = ledger.collection("c")
    assert found is not None
    return found


def test_opening_to_read_creates_nothing(tmp_path: Path) -> None:
    assert open_ledger(tmp_path / "no" / "ledger.sqlite") is None
    assert not (tmp_path / "no").exists()


def test_what_was_written_is_read_back_sorted_by_id_and_bit_exact(ledger: Ledger) -> None:
    collection = fill(ledger, ["b", "a", "c"])
    again = ledger.embeddings(collection)
    assert again.ids == ["a", "b", "c"]
    assert again.fields == [{"title": "a"}, {"title": "b"}, {"title": "c"}]
    stored = ledger.rows("SELECT vector FROM vectors ORDER BY content_key")
    assert [row.tobytes() for row in again.vectors] == [blob for (blob,) in stored]


def test_another_encoder_is_refused_until_reencode(ledger: Ledger) -> None:
    fill(ledger, ["a"])
    with pytest.raises(EncoderMismatchError, match=r"made by e, not by other.*--reencode"):
        ledger.ensure_collection("c", "title", "text", "other")
    changed = ledger.ensure_collection("c", "title", "text", "other", reencode=True)
    assert ledger.counts(changed) == {"stale": 1}
    assert ledger.embeddings(changed).ids == []


def test_other_weights_under_the_same_name_are_refused(ledger: Ledger) -> None:
    collection = ledger.ensure_collection("c", "title", "text", "e")
    ledger.pin_encoder(collection.encoder, 4, "sha256:1")
    ledger.pin_encoder(collection.encoder, 4, "sha256:1")
    with pytest.raises(EncoderMismatchError, match="other weights"):
        ledger.pin_encoder(collection.encoder, 4, "sha256:2")
    with pytest.raises(EncoderMismatchError, match="8 dimensions"):
        ledger.pin_encoder(collection.encoder, 8, None)


def test_changes_after_a_cursor_end_with_whole_commits(ledger: Ledger) -> None:
    collection = fill(ledger, [f"a{i}" for i in range(5)])
    collection = fill(ledger, [f"a{i}" for i in range(5)] + ["b1", "b2", "b3"])
    first = ledger.changes(collection, 0, 2)
    assert {change.item.id for change in first} == {f"a{i}" for i in range(5)}
    rest = ledger.changes(collection, first[-1].change, 100)
    assert {change.item.id for change in rest} == {"b1", "b2", "b3"}
    assert ledger.changes(collection, rest[-1].change, 100) == []
    assert ledger.last_change(collection) == rest[-1].change


def test_a_failed_transaction_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match="stop"), ledger.transaction():
        ledger.db.execute("INSERT INTO sources (name) VALUES ('x')")
        raise RuntimeError("stop")
    assert ledger.rows("SELECT count(*) FROM sources") == [(0,)]


def test_a_full_disk_says_so_and_keeps_what_was_committed(ledger: Ledger) -> None:
    fill(ledger, ["a"], dim=512)
    pages = ledger.rows("PRAGMA page_count")[0][0]
    ledger.rows(f"PRAGMA max_page_count = {pages + 2}")
    more = [f"n{i}" for i in range(200)]
    with pytest.raises(DiskFullError, match="No space left"):
        fill(ledger, more, dim=512)
    ledger.rows("PRAGMA max_page_count = 1000000")
    assert ledger.embeddings(fill(ledger, [], dim=512)).ids == ["a"]
    assert len(ledger.embeddings(fill(ledger, ["a", *more], dim=512)).ids) == 201


def test_a_newer_schema_and_a_broken_file_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    opened = open_ledger(path, create=True)
    assert opened is not None
    opened.db.execute("PRAGMA user_version = 99")
    opened.close()
    with pytest.raises(UsageError, match="newer embclust"):
        open_ledger(path)
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(UsageError, match="no readable ledger"):
        open_ledger(path)


def test_failures_are_kept_with_their_reason(ledger: Ledger) -> None:
    collection = ledger.ensure_collection("c", "photo", "image", "e")
    target = Target(0, "photo", "image", collection)
    with Staging(ledger) as staging:
        staging.add(Item("a", {"photo": "x"}), 2, [Cell("url:x")], "error")
        staging.end()
        staging.compare([target], 1, retry_failed=False, refresh=False, reencode=False)
        staging.plan_jobs("image")
        skipped = Skipped("a", "photo", "fetch", "http 503", True, 5)
        staging.finish("image", [], [("url:x", skipped)], None)
    assert ledger.failures(collection) == [skipped]


_WRITER = """
import sys
from pathlib import Path
import numpy as np
from tests.test_ledger import fill
from embclust.ledger import open_ledger
ledger = open_ledger(Path(sys.argv[1]), create=True)
for n in range(1, 100000):
    fill(ledger, [f"r{i}" for i in range(n * 20)])
    print(n * 20, flush=True)
"""


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.35])
def test_kill_9_loses_nothing_that_was_committed(tmp_path: Path, delay: float) -> None:
    path = tmp_path / "ledger.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert writer.stdout is not None
    said = [int(writer.stdout.readline())]
    time.sleep(delay)
    writer.send_signal(signal.SIGKILL)
    said += [int(line) for line in writer.stdout.read().split()]
    writer.stdout.close()
    writer.wait()
    ledger = open_ledger(path)
    assert ledger is not None
    collection = ledger.collection("c")
    assert collection is not None
    found = ledger.embeddings(collection)
    assert len(found.ids) >= said[-1]
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
    assert ledger.rows("PRAGMA integrity_check") == [("ok",)]


def test_a_reader_is_not_blocked_by_a_writer(ledger: Ledger) -> None:
    collection = fill(ledger, ["a"])
    with ledger.transaction():
        ledger.db.execute("INSERT INTO sources (name) VALUES ('x')")
        reader = sqlite3.connect(ledger.path, timeout=0.1)
        count = reader.execute(
            "SELECT count(*) FROM rows WHERE collection = ?", (collection.id,)
        ).fetchone()
        reader.close()
    assert count == (1,)


WRITER = """
import sys
from pathlib import Path
from embclust.ledger import open_ledger
from tests.test_ledger import fill
for n in range(1, 60):
    ledger = open_ledger(Path(sys.argv[1]), create=True)
    fill(ledger, [f"r{i:05d}" for i in range(n * 100)])
    ledger.close()
"""


def test_rows_that_another_process_adds_meanwhile_do_not_show_halfway(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = open_ledger(path, create=True)
    assert ledger is not None
    fill(ledger, ["r00000"])
    root = Path(__file__).parents[1]
    paths = os.pathsep.join([str(root), str(root / "src")])
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], env={**os.environ, "PYTHONPATH": paths}
    ) as writer:
        sizes = set()
        while writer.poll() is None:
            collection = ledger.collection("c")
            assert collection is not None
            found = ledger.embeddings(collection)
            assert len(found.ids) == len(found.vectors) == len(found.fields)
            assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
            sizes.add(len(found.ids))
    assert writer.returncode == 0
    assert len(sizes) > 3, "it was read while it grew"
