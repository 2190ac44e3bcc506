"""SIGINT, SIGTERM and SIGHUP in every stage: a quick and clean end, and the way on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault_server import FaultServer
from tests.faults.bench import Bench, Done, finish, grown, locked, touched, until
from tests.faults.invariant import assert_done_once, assert_invariant

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def every(first: signal.Signals) -> list[object]:
    """One signal in every run, all three in the long one."""
    rest = [pytest.param(one, marks=pytest.mark.faults) for one in SIGNALS if one is not first]
    return [first, *rest]


def interrupt(
    process: subprocess.Popen[str],
    when: Callable[[], bool],
    signum: signal.Signals,
    times: int = 1,
) -> Done:
    """Send the signal once the moment is there; the end must come within 10 s."""
    assert until(when, process), "it ended before it could be interrupted"
    for _ in range(times):
        process.send_signal(signum)
        time.sleep(0.1)
    done = finish(process, 128 + signum)
    assert done.seconds < 10
    return done


def assert_adds_up(done: Done) -> dict[str, int]:
    """The report of what was done is whole."""
    report = done.json
    assert report["exit_code"] == done.code
    counts: dict[str, int] = report["collections"][0]
    parts = ("indexed", "reused", "updated", "unchanged", "missing", "failed", "pending")
    assert sum(counts[part] for part in parts) == counts["rows"]
    return counts


@pytest.mark.parametrize("signum", every(signal.SIGINT))
def test_while_encoding(tmp_path: Path, signum: signal.Signals) -> None:
    bench = Bench(tmp_path, delay=0.6)
    bench.add(1600)
    bench.write()
    counts = assert_adds_up(
        interrupt(bench.start(*bench.index_arguments()), grown(bench.log), signum)
    )
    assert counts["pending"] > 1200, "it stops after the batch in hand, not after what waits"
    assert counts["indexed"] == counts["count"] > 0
    bench.delay = 0
    assert bench.index().counts["unchanged"] == counts["count"]
    assert_invariant(bench)
    # Nothing that was encoded is thrown away, so nothing is encoded twice.
    assert assert_done_once(bench, 0) == 0


@pytest.mark.parametrize("signum", every(signal.SIGTERM))
def test_while_downloading(
    tmp_path: Path, fault_server: FaultServer, signum: signal.Signals
) -> None:
    table = tmp_path / "t.csv"
    lines = [f"{i},{fault_server.url}/ok/{i}.jpg?delay=0.3&noise={i + 1}" for i in range(300)]
    lines += [f"s{i},{fault_server.url}/slow-body/{i}.jpg" for i in range(20)]
    table.write_text("\n".join(["id,photo", *lines]))
    bench = Bench(tmp_path)
    process = bench.start(
        *("index", str(table), "--id", "id", "--image", "photo"),
        *("--set", "encoders.image.kind=hashing", "--set", "images.allow_private_hosts=true"),
    )
    done = interrupt(process, lambda: sum(fault_server.hits.values()) > 40, signum)
    counts = assert_adds_up(done)
    assert counts["pending"] > 100
    assert counts["failed"] == 0, "what was cut off is pending, not failed"
    assert fault_server.settled(), "no connection stays open"


@pytest.mark.parametrize("signum", every(signal.SIGHUP))
def test_while_the_store_is_written(tmp_path: Path, signum: signal.Signals) -> None:
    bench = Bench(tmp_path)
    bench.add(5000)
    bench.write()
    process = bench.start(*bench.index_arguments())
    counts = assert_adds_up(interrupt(process, touched(bench.workspace / "chroma"), signum))
    assert counts["indexed"] == 5000
    done = bench.index()
    assert done.json["warnings"] == [], "a store that was closed in order is trusted"
    assert_invariant(bench)
    assert assert_done_once(bench, 0) == 0


@pytest.mark.parametrize("times", [2, pytest.param(3, marks=pytest.mark.faults)])
def test_asked_more_than_once(tmp_path: Path, times: int) -> None:
    bench = Bench(tmp_path, delay=1)
    bench.add(320)
    bench.write()
    process = bench.start(*bench.index_arguments())
    done = interrupt(process, grown(bench.log), signal.SIGINT, times)
    if times == 2:
        assert_adds_up(done)
    else:
        assert done.json["exit_code"] == 130
    bench.delay = 0
    bench.index()
    assert_invariant(bench)


@pytest.mark.faults
@pytest.mark.parametrize("signum", SIGNALS)
def test_while_the_store_is_rebuilt(tmp_path: Path, signum: signal.Signals) -> None:
    bench = Bench(tmp_path)
    bench.add(5000)
    bench.write()
    bench.index()
    process = bench.start("rebuild-store")
    interrupt(process, touched(bench.workspace / "chroma"), signum)
    bench.index()
    assert_invariant(bench)
    assert assert_done_once(bench, 0) == 0


@pytest.mark.parametrize("signum", every(signal.SIGTERM))
def test_while_clustering(tmp_path: Path, signum: signal.Signals) -> None:
    bench = Bench(tmp_path)
    bench.add(60)
    bench.write()
    bench.index()
    bench.run("cluster", "--k", "3")
    before = results(bench)
    begun = tmp_path / "begun"
    slow = ("--set", "cluster.kind=tests.faults.slow:SlowClusterer", "--set")
    process = bench.start("cluster", *slow, f"cluster.begun={begun}")
    done = interrupt(process, begun.exists, signum)
    assert done.json["error"]["type"] == "InterruptedRun"
    assert done.json["exit_code"] == done.code
    assert results(bench) == before


@pytest.mark.parametrize("signum", every(signal.SIGINT))
def test_while_drawing(tmp_path: Path, signum: signal.Signals) -> None:
    bench = Bench(tmp_path)
    bench.add(60)
    bench.write()
    bench.index()
    page = Path(bench.run("plot", "--k", "3", "--set", "project.kind=pca").json["page"])
    before = page.read_bytes()
    begun = tmp_path / "begun"
    slow = ("--set", "project.kind=tests.faults.slow:SlowProjector", "--set")
    process = bench.start("plot", *slow, f"project.begun={begun}")
    done = interrupt(process, begun.exists, signum)
    assert done.json["exit_code"] == done.code
    assert page.read_bytes() == before, "the old page is intact"
    assert [path.name for path in page.parent.glob(".*.tmp")] == []
    done = bench.run("plot", *slow, f"project.begun={begun}", "--set", "project.seconds=0")
    assert Path(done.json["page"]).read_bytes() != before


@pytest.mark.parametrize("times", [3, pytest.param(40, marks=pytest.mark.faults)])
def test_in_the_very_first_moments(tmp_path: Path, times: int) -> None:
    bench = Bench(tmp_path)
    bench.add(20)
    bench.write()
    for number in range(times):
        process = bench.start(*bench.index_arguments())
        # From here on Python is up and turns SIGINT into KeyboardInterrupt.
        until(lambda number=process.pid: b"embclust" in cmdline(number), process)  # type: ignore[misc]
        time.sleep(0.15 + 0.9 * number / times)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
        if "Could not import runpy module" in err:
            continue  # a busy machine: Python itself was not up yet, nothing of ours had begun
        assert "Traceback" not in err, err
        assert process.returncode in (130, -signal.SIGINT, 0)
    bench.index()
    assert_invariant(bench)


def test_ctrl_c_goes_to_the_whole_group_and_harms_no_store(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add(1200)
    bench.write()
    bench.index()
    for path in (bench.workspace / "chroma").glob("*/*.bin"):
        os.utime(path)  # touched, so that it is looked into
    process = subprocess.Popen(
        [*bench.command(*bench.index_arguments())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=bench.env(),
        cwd=bench.folder,
        process_group=0,
    )
    until(lambda: b"_probe" in children(process.pid), process)
    os.killpg(process.pid, signal.SIGINT)
    done = finish(process, 130)
    assert done.json["warnings"] == []
    assert not list(bench.workspace.glob("chroma.damaged-*"))
    assert bench.index().json["warnings"] == []


@pytest.mark.faults
def test_nohup_is_respected(tmp_path: Path) -> None:
    bench = Bench(tmp_path, delay=0.1)
    bench.add(200)
    bench.write()
    process = subprocess.Popen(
        ["nohup", *bench.command(*bench.index_arguments())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=bench.env(),
        cwd=bench.folder,
    )
    until(locked(bench.workspace), process)
    process.send_signal(signal.SIGHUP)
    assert finish(process).counts["indexed"] == 200


def results(bench: Bench) -> dict[str, bytes]:
    """The files of the collection's results."""
    folder = bench.workspace / "collections" / "title"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def children(pid: int) -> bytes:
    """The command lines of a process's children."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return b" ".join(cmdline(int(child)) for child in path.read_text().split())
    except OSError:
        return b""
