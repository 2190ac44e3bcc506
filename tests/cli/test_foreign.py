"""A Chroma store that another program wrote: clustered and plotted, and left as it is.

It is the layout of the older embedding-clusters program: a folder `chromadb`, the default l2
space, vectors of any length, no ledger.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import HASHING, good, index_texts, run, things, write_csv
from tests.fault_server import FaultServer

WRITER = """
import json, sys
import chromadb

client = chromadb.PersistentClient(path=sys.argv[1])
for name, rows in json.load(sys.stdin).items():
    collection = client.create_collection(name)
    collection.add(
        ids=[row["id"] for row in rows],
        embeddings=[row["vector"] for row in rows],
        metadatas=[row["fields"] for row in rows],
    )
"""
THEIRS = ("--set", "store.path=./chromadb")
STORE = Path("chromadb")
WHOLE = ("--collection", "fashion_imageUrl")


def write_collection(folder: Path, name: str, vectors: Any) -> None:
    """Write a collection as another program does; row n has the id rN."""
    rows = [
        {"id": f"r{n}", "vector": vector.tolist(), "fields": {"n": n}}
        for n, vector in enumerate(vectors)
    ]
    _write(folder, {name: rows})


def write_theirs(folder: Path, pictures: str = "") -> None:
    """Three directions, 90 rows, lengths from 1 to 300; a second, smaller collection."""
    rows = []
    for n in range(90):
        length = 1 + 299 * (n % 7) / 6
        vector = [length * (1.0 if n % 3 == axis else 0.01 * (n % 5)) for axis in range(8)]
        fields = {**things([n])[0], "imageUrl": f"{pictures}/ok/{n}.jpg?noise={n + 1}"}
        rows.append({"id": f"r{n}", "vector": vector, "fields": fields})
    _write(folder, {"fashion_imageUrl": rows, "fashion_name": rows[:5]})


def _write(folder: Path, content: dict[str, Any]) -> None:
    subprocess.run(
        [sys.executable, "-c", WRITER, str(folder)],
        input=json.dumps(content),
        text=True,
        check=True,
        capture_output=True,
    )


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file's time and content, every folder's time."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *folder.rglob("*")]
    }


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("theirs") / "chromadb"
    write_theirs(folder)
    return folder


@pytest.fixture
def untouched(theirs: Path, _isolated: None) -> Path:
    """`./chromadb` is their folder itself; a test may not change it."""
    STORE.symlink_to(theirs)
    return theirs


def test_it_is_clustered_named_and_plotted_and_stays_as_it_is(untouched: Path) -> None:
    before = state(untouched)
    report = good("cluster", *WHOLE, "--k", 3, *THEIRS, "--json").json
    assert (report["n"], report["k"]) == (90, 3)
    # By direction: by their lengths, as in the l2 space, the groups would be others.
    assert [one["size"] for one in report["clusters"]] == [30, 30, 30]
    names = good("name", *WHOLE, "--text-field", "title", *THEIRS, "--json").json["names"]
    assert {one["name"].lower().split()[0] for one in names} == {"red", "blue", "green"}
    plotted = good("plot", *WHOLE, *THEIRS, "--json").json
    assert (plotted["points"], plotted["drawn"], plotted["dims"]) == (90, 90, "both")
    assert Path(plotted["page"]).is_file()
    assert good("plot", *WHOLE, *THEIRS, "--frozen").code == 0
    flat = good("plot", *WHOLE, *THEIRS, "--dims", 2, "--k", 4, "--json")
    assert (flat.json["points"], flat.json["dims"]) == (90, 2)
    assert "cluster.k was 3, is 4" in flat.err
    assert state(untouched) == before


def test_what_it_was_shown_with_is_remembered(untouched: Path) -> None:
    good("plot", *WHOLE, *THEIRS, "--k", 3)
    [listed] = good("list", "--json").json["collections"]
    assert (listed["collection"], listed["count"], listed["clusters"]) == (WHOLE[1], 90, 3)
    assert (listed["field"], listed["encoder"], len(listed["names"])) == (None, None, 3)
    assert "another program" in good("list").out
    again = good("plot", *WHOLE, *THEIRS)
    for made in ("Clustering", "Naming", "Laying out"):
        assert made not in again.err


def test_a_collection_that_is_not_there_lists_what_is(untouched: Path) -> None:
    before = state(untouched)
    for command in ("cluster", "name", "plot"):
        ran = run(command, "--collection", "fashion_image", *THEIRS, "--json")
        ran.refused(2, "'fashion_image'", "fashion_imageUrl, fashion_name")
        assert ran.json["error"]["type"] == "CollectionNotFoundError"
    run("plot", *THEIRS).refused(2, "--collection")
    run("plot", *WHOLE, "--set", "store.path=./chroma").refused(2, "store.path", "no folder")
    Path("notes").mkdir()
    Path("notes/x.txt").write_text("x")
    run("plot", *WHOLE, "--set", "store.path=notes").refused(2, "notes", "no Chroma store")
    run("plot", *WHOLE, *THEIRS, "--k", 91).refused(2, "90 rows")
    assert state(untouched) == before


def test_nothing_of_ours_is_written_into_it(untouched: Path) -> None:
    before = state(untouched)
    write_csv(Path("t.csv"), things(range(5)))
    for prefix in ("fashion_", "mine_"):
        ran = index_texts("t.csv", "--prefix", prefix, *THEIRS)
        ran.refused(5, "another program", "store.path")
        assert "Texts" not in ran.err, "it is refused before any work"
    run("drop", "fashion_imageUrl", *THEIRS).refused(2, "No collection named")
    run("index", "t.csv", "--text", "title", *HASHING, *THEIRS).refused(5, "another program")
    assert state(untouched) == before


def test_its_pictures_are_fetched_for_the_map(fault_server: FaultServer, tmp_path: Path) -> None:
    write_theirs(tmp_path / "with pictures", fault_server.url)
    place = ("--set", f"store.path={tmp_path / 'with pictures'}")
    flags = (*WHOLE, *place, "--k", 3, "--image-field", "imageUrl", "--json")
    refused = good("plot", *flags).json
    assert refused["thumbnails"] == 0
    [said] = [text for text in refused["warnings"] if "could not be shown" in text]
    assert said.startswith("90 pictures could not be shown: ")
    assert "images.allow_private_hosts" in said, "and what to do about it"
    assert not fault_server.hits, "a private address is not asked"
    allowed = ("--set", "images.allow_private_hosts=true")
    for _ in range(2):
        assert good("plot", *flags, *allowed).json["thumbnails"] == 90
    assert sum(fault_server.hits.values()) == 90
