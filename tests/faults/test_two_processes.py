"""Two commands at once: the second is told so, the first is left alone, readers see a snapshot."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.bench import Bench, finish, grown, kill, until
from tests.faults.invariant import assert_done_once, assert_invariant


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.add(100)
    bench.write()
    bench.index()
    bench.add(600)
    bench.write()
    return bench


def start_and_hold(bench: Bench) -> tuple[subprocess.Popen[str], Path]:
    """An `index` that stays in its first batch until the file is removed."""
    hold = bench.folder / "hold"
    hold.touch()
    first = bench.start(*bench.index_arguments("--set", f"encoders.text.hold={hold}"))
    assert until(grown(bench.log), first)
    return first, hold


def test_the_second_is_refused_at_once_and_the_first_goes_on(bench: Bench) -> None:
    first, hold = start_and_hold(bench)
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
    hold.unlink()
    done = finish(first)
    assert done.counts["indexed"] == 600
    assert_invariant(bench)
    assert assert_done_once(bench, 0) == 0


def test_the_second_may_wait(bench: Bench) -> None:
    first, hold = start_and_hold(bench)
    second = bench.start(*bench.index_arguments("--wait", "120"))
    time.sleep(1)
    hold.unlink()
    assert finish(first).counts["indexed"] == 600
    assert finish(second).counts["unchanged"] == 700
    assert_invariant(bench)


def test_waiting_has_an_end(bench: Bench) -> None:
    first, _ = start_and_hold(bench)
    began = time.monotonic()
    second = bench.index("--wait", "0.5", expect=75)
    assert "waited 0.5 s" in second.err
    assert 0.5 < time.monotonic() - began < 30
    kill(first)
    bench.index()  # a lock dies with its holder
    assert_invariant(bench)
