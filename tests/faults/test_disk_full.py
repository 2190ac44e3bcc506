"""The disk fills up at some moment: exit 1, and with room again the same command completes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fault_server import jpeg
from tests.faults.bench import Bench
from tests.faults.invariant import assert_done_once, assert_invariant

ENOUGH = 103_000_000
"""Bytes. Below 100 MB nothing is begun at all."""

Mount = Callable[[int], Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Gives small file systems in memory; skips where that is not permitted."""
    mounted: list[Path] = []

    def make(size: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting a tmpfs is not permitted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    if shutil.which("mount") is None:
        pytest.skip("there is no `mount` here")
    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def bench_on(disk: Path, home: Path) -> Bench:
    """A bench whose workspace is on the small disk; table and log are elsewhere."""
    bench = Bench(home)
    (disk / "workspace").mkdir(exist_ok=True)
    if not bench.workspace.exists():
        bench.workspace.symlink_to(disk / "workspace")
    return bench


# From no room at all to room for the ledger and a part of the store.
FREE = [0, 1_200_000, 3_500_000]
MORE = [60_000, 150_000, 300_000, 600_000, 900_000, 1_800_000, 2_500_000]


@pytest.mark.parametrize(
    "leave", [*FREE, *(pytest.param(n, marks=pytest.mark.faults) for n in MORE)]
)
def test_the_disk_fills_up_while_indexing(mount: Mount, tmp_path: Path, leave: int) -> None:
    disk = mount(ENOUGH + 7_000_000)
    bench = bench_on(disk, tmp_path)
    bench.add(3000, words=12)
    bench.write()
    balloon = disk / "balloon"
    fill = ("--set", f"encoders.text.fill={balloon}", "--set", f"encoders.text.leave={leave}")
    done = bench.index(*fill, expect=1)
    assert "No space left" in done.err
    assert done.json["error"]["type"] == "DiskFullError"
    assert "again" in done.json["error"]["hint"]
    balloon.unlink()
    # What was encoded, but found no room, is encoded again; nothing else.
    bench.index()
    assert_invariant(bench)
    assert_done_once(bench, 1)


def test_too_little_room_to_begin_with(mount: Mount, tmp_path: Path) -> None:
    bench = bench_on(mount(50_000_000), tmp_path)
    bench.add(10)
    bench.write()
    done = bench.index(expect=1)
    assert "100 MB" in done.err
    assert bench.encoded().total() == 0


def test_thumbnails_find_no_room(mount: Mount, tmp_path: Path) -> None:
    disk = mount(ENOUGH)
    bench = bench_on(disk, tmp_path)
    for number in range(120):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(160, noise=number + 1))
    bench.table.write_text("\n".join(["id,photo", *(f"{i},{i}.jpg" for i in range(120))]))
    balloon = disk / "balloon"
    kind = "encoders.image.kind=tests.faults.counting:CountingEncoder"
    arguments = ["index", str(bench.table), "--id", "id", "--image", "photo", "--set", kind]
    arguments += ["--set", f"encoders.image.log={bench.log}"]
    arguments += ["--set", "encoders.image.batch_size=8"]
    fill = [f"encoders.image.fill={balloon}", "encoders.image.leave=60000"]
    done = bench.run(*arguments, "--set", fill[0], "--set", fill[1], expect=1)
    assert done.json["error"]["type"] == "DiskFullError"
    assert "disk is full" in done.err
    balloon.unlink()
    assert bench.run(*arguments).counts["count"] == 120
    assert not bench.run("check", "--full").json["collections"][0]["differences"]
    assert_done_once(bench, 1)


def test_a_disk_that_became_read_only(mount: Mount, tmp_path: Path) -> None:
    disk = mount(ENOUGH + 4_000_000)
    bench = bench_on(disk, tmp_path)
    bench.add(50)
    bench.write()
    bench.index()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    bench.add(1)
    bench.write()
    done = bench.index(expect=2)
    assert "read-only" in done.err
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    bench.index()
    assert_invariant(bench)
