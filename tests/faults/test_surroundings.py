"""Hostile current folders, no network, a second run, another encoder, many rows."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.fault_server import FaultServer
from tests.faults.bench import ROOT, Bench
from tests.faults.invariant import assert_done_once, assert_invariant
from tests.faults.test_bad_rows import photo_arguments, write_table

SHARED = ROOT / "../shared"
UNSHARE = ["unshare", "--net", "--map-root-user"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.add(120)
    bench.write()
    return bench


def no_network() -> list[str]:
    """What to put before a command so that it has no network at all; skips where impossible."""
    for command in (UNSHARE, UNSHARE[:2]):
        if (
            shutil.which("unshare")
            and subprocess.run([*command, "true"], check=False).returncode == 0
        ):
            return command
    pytest.skip("no network namespace can be made here")


# --- the current folder ---------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp1252", pytest.param("utf-8", marks=pytest.mark.faults)])
def test_a_hostile_current_folder_has_no_effect(bench: Bench, encoding: str) -> None:
    text = """
        CHROMA_API_IMPL=chromadb.api.fastapi.FastAPI
        CHROMA_SERVER_HOST=127.0.0.1
        CHROMA_SERVER_HTTP_PORT=1
        EMBCLUST_DEVICE=mps
        EMBCLUST_STORE__KIND=memory
        # é ü €
    """
    (bench.folder / ".env").write_bytes(textwrap.dedent(text).encode(encoding))
    bench.index()
    assert_invariant(bench)
    bench.run("check", "--full")
    (bench.workspace / "chroma" / "chroma.sqlite3").write_bytes(b"")
    assert "rebuilt from the ledger" in str(bench.index().json["warnings"]), "the probe's child too"
    assert_invariant(bench)


# --- again ----------------------------------------------------------------------------------


def test_the_second_run_does_nothing(tmp_path: Path, fault_server: FaultServer) -> None:
    bench = Bench(tmp_path)
    cells = [(str(n), f"{fault_server.url}/ok/{n}.jpg?noise={n + 1}&size=64") for n in range(40)]
    write_table(bench.table, cells)
    arguments = photo_arguments(
        bench.table,
        *("--set", "encoders.image.kind=tests.faults.counting:CountingEncoder"),
        *("--set", f"encoders.image.log={bench.log}"),
    )
    draw = ("plot", "--k", "3")
    bench.environment["SOURCE_DATE_EPOCH"] = "1700000000"
    assert bench.run(*arguments).counts["indexed"] == 40
    page = Path(bench.run(*draw).json["page"])
    first, hits = page.read_bytes(), sum(fault_server.hits.values())
    counts = bench.run(*arguments).counts
    assert (counts["unchanged"], counts["count"]) == (40, 40)
    bench.run(*draw)
    assert page.read_bytes() == first
    assert (hits, sum(fault_server.hits.values())) == (40, 40)
    assert bench.encoded().total() == 40


@pytest.mark.faults
def test_the_same_table_gives_the_same_page_anywhere(tmp_path: Path) -> None:
    pages = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        bench = Bench(tmp_path / name, environment={"SOURCE_DATE_EPOCH": "1700000000"})
        bench.add(300)
        bench.write()
        bench.index()
        pages.append(Path(bench.run("plot", "--k", "5").json["page"]).read_bytes())
    assert pages[0] == pages[1]


# --- refused before any work ----------------------------------------------------------------


def test_another_encoder_is_refused_until_reencode(bench: Bench) -> None:
    bench.index()
    bench.generation = 2
    done = bench.index(expect=5)
    for words in ("generation=1", "generation=2", "--reencode"):
        assert words in done.err
    bench.generation = 1
    assert_invariant(bench)
    bench.generation = 2
    assert bench.index("--reencode").counts["indexed"] == 120
    assert_invariant(bench)
    assert_done_once(bench, 120)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--set", "store.kind=croma"), "Did you mean 'chroma'?"),
        (
            (
                "--set",
                "encoders.image.kind=open_clip",
                "--image",
                "brand",
                "--set",
                "encoders.image.model=ViT-B-33/openai",
            ),
            "ViT-B-32",
        ),
        (("--text", "titel"), "title"),
        (("--prune", "--limit", "5"), "--limit"),
        (("--max-failures", "many"), "many"),
    ],
)
def test_a_usage_error_comes_before_any_work(
    bench: Bench, more: tuple[str, ...], words: str
) -> None:
    done = bench.index(*more, expect=2)
    assert words in done.err
    assert done.json["exit_code"] == 2
    assert len(done.err.strip().splitlines()) == 1, "one line, no traceback"
    assert bench.encoded().total() == 0


# --- no network -----------------------------------------------------------------------------


@pytest.mark.parametrize("offline", [True, False])
def test_a_model_that_is_not_there(tmp_path: Path, offline: bool) -> None:
    """Cold cache: said in under 5 s, with the way to get it. Offline by setting, or in fact."""
    bench = Bench(tmp_path)
    bench.add(5)
    bench.write()
    bench.environment["HF_HOME"] = str(tmp_path / "empty")
    if offline:
        bench.environment["HF_HUB_OFFLINE"] = "1"
    model = ("--set", "encoders.text.kind=sentence_transformers")
    name = ("--set", "encoders.text.model=BAAI/bge-small-en-v1.5")
    given = ["index", str(bench.table), "--id", "id", "--text", "title", *model, *name]
    command = [*([] if offline else no_network()), *bench.command(*given)]
    slack = min(bench.run("config", "show").seconds for _ in range(2))
    began = time.monotonic()
    done = subprocess.run(
        command, capture_output=True, text=True, env=bench.env(), cwd=tmp_path, check=False
    )
    took = time.monotonic() - began
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert "BAAI/bge-small-en-v1.5" in done.stderr
    assert took < 5 + slack
    assert not (bench.workspace / "chroma").exists()


AUDIT = """
import os, sys
def hook(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect"):
        with open(os.environ["SOCKET_LOG"], "a") as file:
            file.write(f"{event} {arguments!r}\\n")
sys.addaudithook(hook)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    ["none", pytest.param("fashion-clip", marks=pytest.mark.faults)],
)
def test_a_whole_run_without_a_network(tmp_path: Path, model: str) -> None:
    """index, cluster, name and plot make no name look-up and no connection."""
    bench = Bench(tmp_path)
    bench.add(40)
    bench.write()
    arguments = bench.index_arguments()
    if model == "fashion-clip":
        weights = SHARED / "models" / "fashion-clip"
        if not weights.exists():
            pytest.skip("needs the model in ../shared")
        arguments = ["index", str(bench.table), "--id", "id", "--text", "title"]
        arguments += ["--set", "encoders.text.kind=open_clip"]
        arguments += ["--set", f"encoders.text.model=local-dir:{weights.resolve()}"]
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(AUDIT)
    log = tmp_path / "sockets.log"
    environment = {**bench.env(), "SOCKET_LOG": str(log)}
    environment["PYTHONPATH"] = f"{tmp_path / 'site'}:{ROOT}"
    seen = subprocess.run(
        [sys.executable, "-c", "import socket; socket.getaddrinfo('localhost', 80)"],
        env=environment,
        check=False,
    )
    assert seen.returncode == 0
    assert "getaddrinfo" in log.read_text(), "the listener works"
    log.unlink()
    for given in (arguments, ["plot", "--k", "3"], ["check", "--full"]):
        done = subprocess.run(
            [*no_network(), *bench.command(*given)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert not log.exists(), log.read_text()


# --- scale ----------------------------------------------------------------------------------


@pytest.mark.faults
def test_a_hundred_thousand_rows(tmp_path: Path) -> None:
    """Beyond every limit of Chroma's on rows in one call; memory stays bounded."""
    bench = Bench(tmp_path)
    with bench.table.open("w") as file:
        file.write("id,title\n")
        file.writelines(f"r{n},shoe {n} of {n % 977}\n" for n in range(100_000))
    arguments = ["index", str(bench.table), "--id", "id", "--text", "title"]
    arguments += ["--set", "encoders.text.kind=hashing", "--set", "encoders.text.dim=512"]
    for given in (
        arguments,
        ["rebuild-store"],
        ["check", "--full"],
        ["plot", "--k", "10", "--set", "project.kind=pca"],
    ):
        probe = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); print("
        probe += "resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"
        probe += "; sys.exit(code)"
        done = subprocess.run(
            [sys.executable, "-c", probe, *bench.command(*given)],
            capture_output=True,
            text=True,
            env=bench.env(),
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        kilobytes = int(done.stderr.splitlines()[-1])
        print(given[0], kilobytes // 1000, "MB")
        assert kilobytes < 2_000_000
