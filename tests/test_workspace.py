from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from embclust.errors import DiskFullError, EmbclustError, UsageError, WorkspaceLockedError
from embclust.workspace import Workspace, created_at, json_bytes, write_whole

HOLD = """
import subprocess, sys, time
from pathlib import Path
from embclust.workspace import Workspace
with Workspace(Path(sys.argv[1])).lock():
    if sys.argv[2] == "child":
        child = subprocess.Popen(["sleep", "60"])
        print(child.pid, flush=True)
    else:
        print("held", flush=True)
    time.sleep(float(sys.argv[3]))
"""


def hold(root: Path, what: str = "", seconds: float = 60) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root), what, str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "w")


@pytest.fixture
def holder(workspace: Workspace) -> Iterator[subprocess.Popen[str]]:
    process, _ = hold(workspace.root)
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_told_who_holds_the_workspace(
    workspace: Workspace, holder: subprocess.Popen[str]
) -> None:
    began = time.monotonic()
    with pytest.raises(WorkspaceLockedError) as caught, workspace.lock():
        pass
    assert time.monotonic() - began < 1
    assert caught.value.exit_code == 75
    assert f"process {holder.pid} " in str(caught.value)
    assert "--wait SECONDS" in str(caught.value)


def test_others_can_see_who_works_here_without_the_lock(
    workspace: Workspace, holder: subprocess.Popen[str]
) -> None:
    found = workspace.holder()
    assert found is not None
    assert f"process {holder.pid}" in found
    holder.kill()
    holder.wait()
    assert workspace.holder() is None, "its note is still there, but it is gone"
    with workspace.lock():
        assert workspace.holder() is None, "this process is no other"
    assert workspace.holder() is None
    assert Workspace(workspace.root / "nowhere").holder() is None


def test_kill_9_frees_the_lock(workspace: Workspace, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with workspace.lock():
        noted = json.loads(workspace.lock_path.read_text())
        assert noted["pid"] == os.getpid()
        assert noted["start"] <= time.time()
        assert "command" in noted
    assert workspace.lock_path.read_text() == ""


def test_waiting_gets_the_lock_once_it_is_free(workspace: Workspace) -> None:
    process, _ = hold(workspace.root, seconds=0.5)
    with workspace.lock(wait=20):
        process.wait()
    process.communicate()
    assert process.returncode == 0


def test_waiting_in_vain_ends_in_time(workspace: Workspace, holder: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    with pytest.raises(WorkspaceLockedError, match=r"waited 0\.5 s"), workspace.lock(wait=0.5):
        pass
    assert 0.5 <= time.monotonic() - began < 2
    assert holder.poll() is None


def test_a_program_started_inside_does_not_hold_the_lock_on(workspace: Workspace) -> None:
    process, child = hold(workspace.root, "child")
    try:
        process.kill()
        process.wait()
        os.kill(int(child), 0)  # it is still there
        with workspace.lock():
            pass
    finally:
        os.kill(int(child), signal.SIGKILL)
        process.communicate()


def test_the_lock_can_be_taken_again_after_an_error(workspace: Workspace) -> None:
    with pytest.raises(RuntimeError), workspace.lock():
        raise RuntimeError
    with workspace.lock():
        pass


def test_a_file_in_place_of_the_workspace_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("")
    for root in (tmp_path / "w", tmp_path / "w" / "inside"):
        with pytest.raises(UsageError, match="is not a folder"), Workspace(root).lock():
            pass


def test_a_workspace_that_cannot_be_written_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write anywhere, so the answer of the system is put in its mouth.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UsageError, match="read-only") as caught:
        Workspace(tmp_path).create()
    assert caught.value.exit_code == 2


@pytest.mark.skipif(not Path("/proc/sys").is_dir(), reason="needs Linux's /proc")
def test_a_read_only_file_system_is_a_usage_error() -> None:
    with pytest.raises(EmbclustError) as caught:
        Workspace(Path("/proc/embclust")).create()
    assert "/proc/embclust" in caught.value.message


def test_places(workspace: Workspace) -> None:
    root = workspace.root
    assert workspace.ledger_path == root / "ledger.sqlite"
    assert workspace.thumbs_path == root / "thumbs.sqlite"
    assert workspace.store_folder == root / "chroma"
    assert workspace.collection_folder("fashion_imageUrl") == root / "collections/fashion_imageUrl"
    assert workspace.free_bytes() > 0


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", "a\0b", ".hidden", "/etc"])
def test_a_name_cannot_lead_out_of_the_workspace(workspace: Workspace, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a collection's name"):
        workspace.collection_folder(name)


def test_long_names_get_folders_of_their_own(workspace: Workspace) -> None:
    one, other = (workspace.collection_folder("c" * 500 + end) for end in "ab")
    assert one != other
    one.mkdir(parents=True)
    assert one.parent == workspace.root / "collections"


def test_a_file_is_replaced_whole_and_keeps_the_users_mode(tmp_path: Path) -> None:
    path = tmp_path / "out" / "a.json"
    path.parent.mkdir()
    write_whole(path, b"old")
    write_whole(path, b"x" * 1_000_000)
    assert path.read_bytes() == b"x" * 1_000_000
    assert [found.name for found in path.parent.iterdir()] == ["a.json"]
    other = tmp_path / "plain"
    other.write_text("")
    assert path.stat().st_mode == other.stat().st_mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "far" / "file")
    write_whole(link, b"content")
    assert link.is_symlink()
    assert (tmp_path / "far" / "file").read_bytes() == b"content"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out" / "a.bin"
    path.parent.mkdir()
    write_whole(path, b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        with pytest.raises(DiskFullError) as caught:
            write_whole(path, b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.exit_code == 1
    assert str(path) in caught.value.message
    assert path.read_bytes() == b"old"
    assert [found.name for found in path.parent.iterdir()] == ["a.bin"]


def test_no_space_on_a_real_small_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root on Linux")
    try:
        write_whole(disk / "a", b"old")
        with pytest.raises(DiskFullError, match="No space left"):
            write_whole(disk / "a", b"x" * 200_000)
        assert (disk / "a").read_bytes() == b"old"
        assert [found.name for found in disk.iterdir()] == ["a"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_place_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(EmbclustError, match="No such file or directory"):
        write_whole(tmp_path / "none" / "a", b"")


def test_json_is_sorted_ends_in_a_newline_and_survives_surrogates() -> None:
    raw = json_bytes({"b": "\ud800 é 😀", "a": [1]})
    assert raw.endswith(b"\n")
    assert raw.index(b'"a"') < raw.index(b'"b"')
    assert json.loads(raw) == {"a": [1], "b": "\ufffd é 😀"}
    with pytest.raises(ValueError):
        json_bytes(float("nan"))


def test_the_date_comes_from_source_date_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert created_at() == "1970-01-02T00:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        created_at()
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert created_at() > "2025"
