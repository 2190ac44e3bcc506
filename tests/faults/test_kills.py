"""Kill -9 at any moment: nothing is lost, nothing is done twice, the store equals the ledger."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from embclust.ledger import open_ledger
from tests.fault_server import FaultServer
from tests.faults.bench import Bench, grown, kill, locked, touched, until
from tests.faults.invariant import assert_done_once, assert_invariant

SMALL_OR_FULL = [4, pytest.param(50, marks=pytest.mark.faults)]
ROUNDS_AT_FLUSH = [2, pytest.param(40, marks=pytest.mark.faults)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, delay=0.01)


def change(bench: Bench, rng: random.Random) -> None:
    """New rows, other brands (fields only) and other titles (new vectors)."""
    bench.add(400)
    for item_id in rng.sample(sorted(bench.rows), 100):
        bench.rows[item_id] = {**bench.rows[item_id], "brand": f"new{rng.random()}"}
    for item_id in rng.sample(sorted(bench.rows), 50):
        bench.rows[item_id] = {**bench.rows[item_id], "title": f"a title of {rng.random()}"}
    bench.write()


def moments(bench: Bench) -> list[Callable[[], bool]]:
    """What to wait for before the random pause: the lock, a batch, the store's first write."""
    return [locked(bench.workspace), grown(bench.log), touched(bench.workspace / "chroma")]


@pytest.mark.parametrize("rounds", SMALL_OR_FULL)
def test_killed_at_random_moments(bench: Bench, rounds: int) -> None:
    rng = random.Random(rounds)
    kills = 0
    for number in range(rounds):
        if number % 2 == 0:
            change(bench, rng)
        process = bench.start(*bench.index_arguments())
        until(moments(bench)[number % 3], process)
        time.sleep(rng.uniform(0, 0.5))
        kills += kill(process).code == -9
    bench.index()
    assert kills > rounds / 2, "most of them were to be killed at work"
    assert_invariant(bench)
    again = assert_done_once(bench, kills)
    print(f"{kills} kills, {again} contents encoded again")
    # And all is quiet: the next run does nothing.
    counts = bench.index().counts
    assert (counts["unchanged"], counts["count"]) == (len(bench.rows), len(bench.rows))


@pytest.mark.parametrize("rounds", ROUNDS_AT_FLUSH)
def test_killed_while_chroma_flushes_its_index(bench: Bench, rounds: int) -> None:
    bench.add(1500)
    rng = random.Random(rounds)
    hit = rebuilt = 0
    for number in range(rounds):  # the first one meets a store that was never complete
        for item_id, row in bench.rows.items():
            bench.rows[item_id] = {**row, "brand": f"round {number}"}
        bench.write()
        process = bench.start(*bench.index_arguments())
        flushing = touched(bench.workspace / "chroma", "*/*.*")
        hit += until(flushing, process, poll=0.0005)
        time.sleep(rng.uniform(0, 0.02))
        kill(process)
        dirty = marked_dirty(bench)
        done = bench.index()
        assert ("rebuilt from the ledger" in str(done.json["warnings"])) == dirty
        rebuilt += dirty
        assert_invariant(bench)
    assert hit, "no kill met a flush"
    assert rebuilt > rounds / 3, "most of them were to be killed while the store was written"
    assert assert_done_once(bench, 0) == 0, "the vectors were in the ledger before any flush"


def marked_dirty(bench: Bench) -> bool:
    """Whether the ledger says that the store was being written."""
    ledger = open_ledger(bench.workspace / "ledger.sqlite")
    assert ledger is not None
    try:
        return ledger.rows("SELECT dirty FROM stores") == [(1,)]
    finally:
        ledger.close()


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.faults)])
def test_killed_while_downloading(tmp_path: Path, fault_server: FaultServer, rounds: int) -> None:
    bench = Bench(tmp_path)
    size = 160
    paths = [f"/ok/{i}.jpg" for i in range(size)]
    lines = [
        f"{i},{fault_server.url}{path}?noise={i + 1}&size=48&delay=0.05"
        for i, path in enumerate(paths)
    ]
    bench.table.write_text("\n".join(["id,photo", *lines]))
    arguments = ["index", str(bench.table), "--id", "id", "--image", "photo"]
    for name, value in (
        ("encoders.image.kind", "tests.faults.counting:CountingEncoder"),
        ("encoders.image.log", bench.log),
        ("encoders.image.batch_size", 8),
        ("images.allow_private_hosts", "true"),
    ):
        arguments += ["--set", f"{name}={value}"]
    kills = 0
    for number in range(rounds):
        process = bench.start(*arguments)
        if until(grown(bench.log), process):
            time.sleep(0.15 * (number % 4))
            kills += kill(process).code == -9
        else:
            process.communicate()
    counts = bench.run(*arguments).counts
    assert counts["count"] == size
    assert counts["indexed"] + counts["unchanged"] + counts["reused"] == size
    encoded = bench.encoded()
    assert len(encoded) == size
    assert sum(encoded.values()) - size <= kills * 4 * 8
    hits = sum(fault_server.hits[path] for path in paths)
    # Under way at a kill: 16 workers with a body each, what waits for the encoder, four batches.
    assert size <= hits <= size + kills * (2 * 16 + 2 * (2 * 8 + 4 * 4) + 4 * 8)
    assert not set(bench.run("check", "--full").json["collections"][0]["differences"])
    before = sum(fault_server.hits.values())
    assert bench.run(*arguments).counts["unchanged"] == size
    assert sum(fault_server.hits.values()) == before
