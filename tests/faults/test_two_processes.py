"""Two commands at once: the second is told so, the first is left alone, readers see a snapshot."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.bench import Bench, finish, grown, until
from tests.faults.invariant import assert_done_once, assert_invariant


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.add(100)
    bench.write()
    bench.index()
    bench.add(600)
    bench.write()
    bench.delay = 0.5
    return bench


def start_and_wait(bench: Bench) -> subprocess.Popen[str]:
    first = bench.start(*bench.index_arguments())
    assert until(grown(bench.log), first)
    return first


def test_the_second_is_refused_at_once_and_the_first_goes_on(bench: Bench) -> None:
    first = start_and_wait(bench)
    # What starting Python and importing costs is this machine's affair, not the lock's.
    starting = min(bench.run("config", "show").seconds for _ in range(2))
    quickest = 60.0
    for arguments in (bench.index_arguments(), ["check"], ["rebuild-store"], ["gc"]):
        second = bench.run(*arguments, expect=75)
        assert f"process {first.pid} " in second.err
        assert "--wait" in second.err
        assert second.json["exit_code"] == 75
        quickest = min(quickest, second.seconds)
    assert quickest - starting < 1
    shown = bench.run("list").json["collections"]
    assert shown[0]["count"] >= 100, "commands that only read the ledger are not kept waiting"
    assert first.poll() is None, "the first is still at it"
    done = finish(first)
    assert done.counts["indexed"] == 600
    assert_invariant(bench)
    assert assert_done_once(bench, 0) == 0


def test_the_second_may_wait(bench: Bench) -> None:
    bench.delay = 0.1
    first = start_and_wait(bench)
    second = bench.index("--wait", "60")
    done = finish(first)
    assert done.counts["indexed"] == 600
    assert second.counts["unchanged"] == 700
    assert_invariant(bench)


def test_waiting_has_an_end(bench: Bench) -> None:
    first = start_and_wait(bench)
    began = time.monotonic()
    second = bench.index("--wait", "0.5", expect=75)
    assert "waited 0.5 s" in second.err
    assert 0.5 < time.monotonic() - began < 30
    first.kill()
    first.communicate()
    bench.delay = 0
    bench.index()  # a lock dies with its holder
    assert_invariant(bench)
