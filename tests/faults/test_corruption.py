"""Whatever happens to the store's files: it is found, said, and mended from the ledger."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embclust.stores._client import close_client, open_embedded
from embclust.stores._folder import segment_folders
from tests.faults.bench import Bench
from tests.faults.counting import DIM
from tests.faults.invariant import assert_done_once, assert_invariant

INDEX = ["data_level0.bin", "header.bin", "index_metadata.pickle", "length.bin", "link_lists.bin"]
N = 1200  # Chroma writes its index from 1,000 rows on


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("clean"))
    bench.add(N)
    bench.write()
    bench.index()
    assert segment(bench).is_dir()
    return bench


@pytest.fixture
def bench(clean: Bench, tmp_path: Path) -> Iterator[Bench]:
    """A copy of a workspace that was left clean, with the files' times."""
    folder = tmp_path / "copy"
    shutil.copytree(clean.folder, folder)
    yield Bench(folder, dict(clean.rows))
    shutil.rmtree(folder)


def segment(bench: Bench) -> Path:
    (found,) = segment_folders(bench.workspace / "chroma")
    return found


def cut(name: str, keep: float) -> Callable[[Bench], None]:
    def damage(bench: Bench) -> None:
        path = segment(bench) / name
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])

    return damage


def remove(name: str) -> Callable[[Bench], None]:
    def damage(bench: Bench) -> None:
        (segment(bench) / name).unlink()

    return damage


def zero_header(bench: Bench) -> None:
    path = segment(bench) / "header.bin"
    path.write_bytes(bytes(path.stat().st_size))


def no_segment(bench: Bench) -> None:
    shutil.rmtree(segment(bench))


def no_database(bench: Bench) -> None:
    (bench.workspace / "chroma" / "chroma.sqlite3").unlink()


DAMAGES: dict[str, Callable[[Bench], None]] = {
    "pickle empty": cut("index_metadata.pickle", 0),
    "pickle half": cut("index_metadata.pickle", 0.5),
    "pickle gone": remove("index_metadata.pickle"),
    "level0 cut": cut("data_level0.bin", 0.6),
    "header zero": zero_header,
    "segment gone": no_segment,
    "database gone": no_database,
    "links torn": cut("link_lists.bin", 0.5),
    "links empty": cut("link_lists.bin", 0),
}
WAYS = ("index", "index changed", "check")
FEW = [
    ("pickle empty", "index"),
    ("level0 cut", "index changed"),
    ("links torn", "index"),
    ("links torn", "check"),
    ("segment gone", "index changed"),
    ("database gone", "index"),
]
ALL = [pytest.param(name, way, marks=pytest.mark.faults) for name in DAMAGES for way in WAYS]


@pytest.mark.parametrize(("name", "way"), [*FEW, *ALL])
def test_a_damage_is_found_said_and_mended(bench: Bench, name: str, way: str) -> None:
    DAMAGES[name](bench)
    if way == "check":
        done = bench.run("check", expect=1)
        (said,) = done.json["collections"][0]["differences"]
        assert said.startswith("the store "), "it is not even opened"
        assert "rebuild-store" in done.err
        bench.run("rebuild-store")
    else:
        if way == "index changed":
            bench.rows["r00003"] = {"title": "quite another title", "brand": "b3"}
            bench.write()
        done = bench.index()
        (said,) = [text for text in done.json["warnings"] if "rebuilt from the ledger" in text]
        assert said in done.err
        assert list(bench.workspace.glob("chroma.damaged-*")), "the old one is kept"
    assert_invariant(bench)
    assert assert_done_once(bench, 0) == 0
    assert len(bench.encoded()) == N + (way == "index changed"), "a rebuild needs no encoder"


def emptied(found: Any) -> None:
    found.delete(ids=["r00007"])


def added_to(found: Any) -> None:
    found.add(ids=["theirs"], embeddings=[[1.0] + [0.0] * (DIM - 1)])


def relabelled(found: Any) -> None:
    found.update(ids=["r00007"], metadatas=[{"brand": "another"}])


def turned(found: Any) -> None:
    found.update(ids=["r00007"], embeddings=[[1.0] + [0.0] * (DIM - 1)])


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("change", [emptied, added_to, relabelled, turned])
def test_other_contents_are_found_said_and_mended(
    bench: Bench, change: Callable[[Any], None], changed: bool
) -> None:
    bench.index()  # the rows are this copy's table's from now on, for --prune
    client = open_embedded(bench.workspace / "chroma", "default_tenant", "default_database")
    try:
        change(client.get_collection("title", embedding_function=None))
    finally:
        close_client(client)
    if changed:  # rows that wait to be synced are no difference
        bench.rows["r00003"] = {"title": "quite another title", "brand": "b3"}
        del bench.rows["r00004"]
        bench.write()
    done = bench.index(*(["--prune"] if changed else []))
    (said,) = [text for text in done.json["warnings"] if "rebuilt from the ledger" in text]
    assert "differs from the ledger" in said
    assert list(bench.workspace.glob("chroma.damaged-*")), "the old one is kept"
    assert_invariant(bench)


def test_a_touched_store_is_looked_at_once(bench: Bench) -> None:
    (bench.workspace / "chroma" / "chroma.sqlite3").touch()
    first, second = bench.index(), bench.index()
    assert "Check the store" in first.err
    assert "rebuilt" not in str(first.json["warnings"])
    assert "Check the store" not in second.err
    assert_invariant(bench)


@pytest.mark.faults
def test_check_reads_a_healthy_store_and_leaves_it_alone(bench: Bench) -> None:
    assert bench.run("check", "--full").json["collections"][0]["vectors_compared"] == N
    assert "rebuilt" not in str(bench.index().json["warnings"])
    assert_invariant(bench)


def test_drop_and_rebuild_work_on_a_torn_store(bench: Bench) -> None:
    DAMAGES["pickle empty"](bench)
    bench.run("rebuild-store")
    assert_invariant(bench)
    DAMAGES["level0 cut"](bench)
    assert bench.run("gc").json["stores"] == 1, "what was put aside does not stay for ever"
    assert not list(bench.workspace.glob("chroma.damaged-*"))
    bench.run("drop", "title")
    assert bench.run("list").json["collections"] == []
    counts = bench.index().counts
    assert (counts["reused"], counts["count"]) == (N, N), "its vectors stay until gc"
    assert_invariant(bench)


def test_a_store_of_another_chromadb_is_kept_and_made_anew(bench: Bench) -> None:
    marker = bench.workspace / "chroma" / ".embclust-store.json"
    marker.write_text(json.dumps({"schema": 1, "chromadb": "0.4.1"}))
    before = (bench.workspace / "chroma" / "chroma.sqlite3").read_bytes()
    done = bench.index()
    assert "0.4.1" in str(done.json["warnings"])
    (kept,) = bench.workspace.glob("chroma.damaged-*")
    assert (kept / "chroma.sqlite3").read_bytes() == before, "never migrated in place"
    assert_invariant(bench)


@pytest.mark.faults
@pytest.mark.parametrize("name", ["chroma.sqlite3", *INDEX])
def test_flipped_bytes_are_found_or_harmless(bench: Bench, name: str) -> None:
    """A hundred times per file: I holds after the next run, and no run crashes."""
    rng = np.random.default_rng(len(name))
    chroma = bench.workspace / "chroma"
    kept = bench.folder / "kept"
    shutil.copytree(chroma, kept)
    ledger = (bench.workspace / "ledger.sqlite").read_bytes()
    path = segment(bench) / name if name in INDEX else chroma / name
    found = 0
    for _ in range(100):
        data = bytearray(path.read_bytes())
        for position in rng.integers(len(data), size=8):
            data[position] ^= int(rng.integers(1, 256))
        path.write_bytes(data)
        found += "rebuilt from the ledger" in str(bench.index().json["warnings"])
        assert_invariant(bench)
        for old in bench.workspace.glob("chroma*"):
            shutil.rmtree(old)
        shutil.copytree(kept, chroma)
        (bench.workspace / "ledger.sqlite").write_bytes(ledger)
    print(f"{name}: {found} of 100 found and rebuilt, the others were harmless")
