"""A Chroma server that is down, dies or is empty again: the ledger is complete all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embclust.stores.chroma import ChromaStore
from tests.faults.bench import Bench, finish, until
from tests.faults.counting import reference
from tests.faults.invariant import assert_done_once, assert_invariant
from tests.stores.chroma_server import free_port, running, start


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.add(3000)
    bench.write()
    return bench


def on(url: str) -> tuple[str, ...]:
    """Flags for a server that is not waited for long."""
    return ("--set", f"store.url={url}", "--set", "store.retries=1", "--set", "store.timeout=10")


def assert_on_server(bench: Bench, url: str) -> None:
    options = ChromaStore.Options(url=url)
    store = ChromaStore(options, collection="title", folder=bench.folder / "unused")
    rows = {
        item.id: (item.fields, vector)
        for batch in store.scan()
        for item, vector in zip(batch.items, batch.vectors, strict=True)
    }
    store.close()
    assert set(rows) == set(bench.rows)
    for item_id, (fields, vector) in rows.items():
        assert fields["brand"] == bench.rows[item_id]["brand"]
        assert np.abs(vector - reference(bench.rows[item_id]["title"])).max() <= 1e-5


def test_down_at_the_start_then_up(bench: Bench, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    done = bench.index(*on(url), expect=4)
    assert url in done.err
    assert done.json["error"]["type"] == "ServerError"
    assert_invariant(bench, store=False)
    server = start(tmp_path / "served", port)
    try:
        counts = bench.index(*on(url)).counts
        assert counts["unchanged"] == 3000
        assert_on_server(bench, url)
    finally:
        server.kill()
        server.wait()
    assert assert_done_once(bench, 0) == 0


def test_killed_in_the_middle_then_back(bench: Bench, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = start(tmp_path / "served", port)
    bench.delay = 0.02
    process = bench.start(*bench.index_arguments(*on(url)))
    database = tmp_path / "served" / "chroma.sqlite3"
    before = database.stat().st_size
    assert until(lambda: database.stat().st_size > before, process)
    server.kill()
    server.wait()
    done = finish(process, 4)
    assert done.json["error"]["type"] == "ServerError"
    assert_invariant(bench, store=False)
    server = start(tmp_path / "served", port)
    try:
        bench.index(*on(url))
        assert_on_server(bench, url)
    finally:
        server.kill()
        server.wait()
    assert assert_done_once(bench, 0) == 0


@pytest.mark.faults
def test_emptied_behind_our_back(bench: Bench, tmp_path: Path) -> None:
    with running(tmp_path / "one") as url:
        bench.index(*on(url))
        port = int(url.rpartition(":")[2])
    server = start(tmp_path / "two", port)
    try:
        bench.rows["r00000"] = {"title": "something else", "brand": "b0"}
        bench.write()
        bench.index(*on(url))
        assert_on_server(bench, url)
    finally:
        server.kill()
        server.wait()
