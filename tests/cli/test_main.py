"""The error boundary: exit codes, one line per mistake, JSON errors, bugs, pipes, terminals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from embclust.cli import index as index_command
from embclust.errors import (
    DiskFullError,
    EmbclustError,
    FrozenError,
    InterruptedRun,
    ModelNotCachedError,
    TooManyFailuresError,
    UsageError,
    WorkspaceLockedError,
)
from tests.cli.running import fresh, good, index_texts, run, texts


def test_the_version_and_the_help_are_results() -> None:
    assert good("--version").out.startswith("embclust ")
    shown = good("--help")
    assert "index" in shown.out
    assert shown.err == ""
    assert "--retry-failed" in good("index", "--help").out


@pytest.mark.parametrize("arguments", [(), ("config",)])
def test_nothing_asked_for_shows_the_help_and_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("Usage: embclust")
    assert "Commands:\n" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("idnex",), ("No such command 'idnex'",)),
        (("index", "--txet", "a"), ("No such option: --txet",)),
        (("index", "a.csv", "b.csv"), ("unexpected extra argument", "b.csv")),
        (("index", "--limit", "many"), ("'--limit'", "valid integer")),
        (("cluster", "--k"), ("'--k' requires an argument",)),
        (("plot", "--dims", "x"), ("--dims x", "--dims both")),
        (("plot", "--dims", "4"), ("--dims 4", "2 or 3")),
        (("drop",), ("Missing argument",)),
        (("list", "--set", "nonsense"), ("--set nonsense", "no value")),
        (("list", "--set", "cluster.kk=3"), ("cluster.kk", "Did you mean 'k'?")),
        (("list", "--set", "clutser.k=3"), ("clutser", "Did you mean 'cluster'?")),
        (("list", "--set", "plot.max_points=few"), ("plot.max_points", "'few'", "--set")),
        (("list", "--set", "cluster.kind=kmens"), ("'kmens'", "Did you mean 'kmeans'?")),
        (("list", "nowhere.yaml"), ("no config file 'nowhere.yaml'",)),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(
    arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    run(*arguments).refused(2, *words)


def test_a_setting_in_the_environment_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBCLUST_CLUSTR__K", "3")
    run("list").refused(2, "EMBCLUST_CLUSTR__K", "EMBCLUST_CLUSTER__K")
    monkeypatch.delenv("EMBCLUST_CLUSTR__K")
    monkeypatch.setenv("EMBCLUST_CLUSTER__K", "three")
    run("list").refused(2, "cluster.k", "'three'", "EMBCLUST_CLUSTER__K")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [b\n", ("bad.yaml:2", "YAML")),
        ("- a\n", ("bad.yaml", "a list")),
        ("sorce: {path: x}\n", ("sorce", "bad.yaml:1", "'source'")),
        ("source: {limit: some}\n", ("source.limit", "'some'", "bad.yaml")),
    ],
)
def test_a_bad_config_names_file_and_key(text: str, words: tuple[str, ...]) -> None:
    Path("bad.yaml").write_text(text)
    run("index", "bad.yaml").refused(2, *words)


def test_json_errors_have_the_same_code_and_nothing_else_on_stdout() -> None:
    ran = run("plot", "--collection", "x", "--json")
    ran.refused(2, "No collection named 'x'")
    assert ran.json == {
        "schema": 1,
        "error": {
            "type": "CollectionNotFoundError",
            "message": "No collection named 'x'.",
            "hint": "Existing collections: none.",
        },
        "exit_code": 2,
    }
    usage = run("plot", "--json", "--nope")
    assert usage.code == usage.json["exit_code"] == 2
    assert usage.json["error"]["type"] == "UsageError"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EmbclustError("Broken.", "Mend it."), 1),
        (DiskFullError("Broken.", "Mend it."), 1),
        (UsageError("Broken.", "Mend it."), 2),
        (TooManyFailuresError("Broken.", "Mend it."), 3),
        (ModelNotCachedError("Broken.", "Mend it."), 4),
        (FrozenError("Broken.", "Mend it."), 5),
        (WorkspaceLockedError("Broken.", "Mend it."), 75),
        (InterruptedRun(signal.SIGTERM), 143),
        (InterruptedRun(signal.SIGHUP), 129),
    ],
)
def test_each_error_has_its_exit_code(
    error: EmbclustError, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(index_command, "load_settings", fail)
    ran = run("index", "t.csv", "--json")
    ran.refused(code, error.message, error.hint)
    assert ran.json["error"]["type"] == type(error).__name__
    assert ran.json["exit_code"] == code


def test_a_bug_shows_where_it_is_and_exits_70(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("off by one")

    monkeypatch.setattr(index_command, "load_settings", fail)
    ran = run("index", "t.csv", "--json")
    assert ran.code == ran.json["exit_code"] == 70
    assert "Traceback" in ran.err
    assert "ZeroDivisionError: off by one" in ran.err.splitlines()[-1]
    assert "bug" in ran.err.splitlines()[-1]


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(index_command, "load_settings", fail)
    run("index", "t.csv").refused(130, "Stopped")


@pytest.mark.parametrize("arguments", [("--debug", "plot"), ("plot", "--debug")])
def test_debug_shows_the_traceback_of_a_mistake(arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert "Traceback" in ran.err
    assert "UsageError" in ran.err
    assert ran.err.splitlines()[-1].startswith("Error: There is no collection")


def test_control_characters_reach_no_terminal() -> None:
    ran = run("plot", "--collection", "a\x1b[31m[/x]\nb\x07")
    ran.refused(2, "'a[31m[/x] b'")
    assert "\x1b" not in ran.err
    assert "\x07" not in ran.err


def test_the_reader_of_the_output_may_leave() -> None:
    texts(Path("t.csv"))
    reader, writer = os.pipe()
    os.close(reader)  # as `embclust list | true` may find it
    done = subprocess.run(
        [sys.executable, "-m", "embclust", "list"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    work = [sys.executable, "-m", "embclust", "index", "t.csv", "--prefix", "again_"]
    index = subprocess.run(
        [*work, "--id", "id", "--text", "title", "--set", "encoders.text.kind=hashing"],
        stdout=subprocess.DEVNULL,
        stderr=writer,
        check=False,
    )
    os.close(writer)
    assert index.returncode == 0
    # Nobody reads the progress; the work is done all the same.
    assert "again_title" in good("list").out


def test_a_name_that_the_terminal_cannot_show_is_no_bug() -> None:
    Path("t.csv").write_text("id,größe→\n1,a\n2,b\n", encoding="utf-8")
    assert good("index", "t.csv", "--id", "id", "--text", "größe→", "--prefix", "sizes_",
                "--set", "encoders.text.kind=hashing").code == 0  # fmt: skip
    ran = fresh("list", env={"PYTHONIOENCODING": "latin-1"})
    assert ran.code == 0, ran.err
    assert "größe?" in ran.out


def test_help_imports_nothing_heavy() -> None:
    heavy = ["torch", "open_clip", "sentence_transformers", "timm", "chromadb", "sklearn"]
    heavy += ["openTSNE", "plotly", "openai", "numpy", "pyarrow", "PIL", "httpx"]
    program = (
        "import sys; from embclust.cli import main; code = main(sys.argv[1:]);"
        f" print(sorted(set({heavy}) & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    for arguments in (["--help"], ["plot", "--help"]):
        ran = fresh(*arguments, program=program)
        assert ran.code == 0
        assert ran.err == "[]\n"


def test_a_workspace_that_is_a_file() -> None:
    table = Path("t.csv")
    table.write_text("id,title\n1,a\n")
    for command in (("list",), ("plot",), ("gc",), ("drop", "x")):
        run(*command, "--workspace", table).refused(2, "t.csv is not a folder")
    index_texts(table, "--workspace", table).refused(2, "t.csv is not a folder")


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a read-only file system")
def test_a_read_only_workspace() -> None:
    Path("t.csv").write_text("id,title\n1,a\n")
    index_texts("t.csv", "--workspace", "/sys/embclust").refused(2, "/sys/embclust", "read-only")


SWALLOWED = """
import os, signal, sys, time, types, weakref

class Thing: ...

def callback(_):
    os.kill(os.getpid(), signal.{name})
    for _ in range(100): pass  # the handler runs in here, where no exception gets out

def work(*_, **__):
    thing = Thing()
    kept = weakref.ref(thing, callback)
    del thing
    time.sleep(30)
    return 0

import embclust.__main__ as entry
if {early}:
    class Finder:
        def find_spec(self, name, *_):
            if name == "embclust.cli": work()
    sys.meta_path.insert(0, Finder())
else:
    import embclust.cli.main
    sys.modules["embclust.cli.main"].app = work
sys.exit(entry.main())
"""


@pytest.mark.parametrize(
    ("name", "early", "code"),
    [("SIGINT", False, 130), ("SIGTERM", False, 143), ("SIGINT", True, 130)],
)
def test_a_signal_is_not_lost_where_python_ignores_exceptions(
    name: str, early: bool, code: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED.format(name=name, early=early), "list"],
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr
