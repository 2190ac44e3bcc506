"""Canaries in URLs, keys and tokens: found in nothing that is printed or kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault_server import FaultServer
from tests.faults.bench import Bench, Done, finish, grown, kill, until
from tests.faults.test_bad_rows import photo_arguments

CANARY = "CaNaRy7x"


def assert_nowhere(folder: Path, done: list[Done]) -> int:
    """No file below a folder and no output holds a canary; returns how many files it was."""
    for one in done:
        assert CANARY not in one.out
        assert CANARY not in one.err
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = [path.name for path in files if CANARY.encode() in path.read_bytes()]
    assert found == []
    return len(files)


@pytest.fixture
def bench(tmp_path: Path, fault_server: FaultServer) -> Bench:
    host = f"127.0.0.1:{fault_server.port}"
    cells = [
        f"http://{host}/signed/1.jpg?X-Amz-Signature={CANARY}1&X-Amz-Credential={CANARY}2",
        f"http://bob:{CANARY}3@{host}/ok/2.jpg?noise=2",
        f"http://{host}/ok/3.jpg?noise=3&token={CANARY}4",
        f"http://{host}/ok/4.jpg?noise=4&sig={CANARY}5#access_token={CANARY}6",
        f"http://bob:{CANARY}7@{host}/auth/5.jpg",
        f"http://{host}/status/500/6.jpg?api_key={CANARY}8",
        f"http://bob:{CANARY}9@{host}/body/html/7.jpg?sig={CANARY}10",
        f"http://bob:{CANARY}11@127.0.0.1:1/8.jpg",
        f"http://{host}/redirect/9.jpg?to=http://bob:{CANARY}12@127.0.0.1:1/x?sig={CANARY}13",
    ]
    lines = [
        f"{n},{cell},see {cell} for more,http://u:{CANARY}14@example.com/?key={CANARY}15"
        for n, cell in enumerate(cells)
    ]
    table = tmp_path / "given" / "t.csv"
    table.parent.mkdir()
    table.write_text("\n".join(["id,photo,text,link", *lines]))
    return Bench(
        tmp_path,
        environment={
            "EMBCLUST_NAME__API_KEY": f"{CANARY}16",
            "OPENAI_API_KEY": f"{CANARY}17",
            "EMBCLUST_STORE__TOKEN": f"{CANARY}18",
        },
    )


def arguments(bench: Bench) -> list[str]:
    table = bench.folder / "given" / "t.csv"
    more = ("--text", "text", "--set", "encoders.text.kind=hashing", "--max-failures", "9")
    return photo_arguments(table, *more)


def test_from_the_table_to_the_page(bench: Bench, fault_server: FaultServer) -> None:
    done = [bench.run(*arguments(bench))]
    first = done[0].counts
    assert (first["indexed"], first["failed"]) == (4, 5), "signed ones are fetched"
    signed = [one for one in fault_server.requests if one.path.startswith("/signed")]
    assert CANARY in signed[0].target, "the server gets the secret"
    done.append(bench.run(*arguments(bench), "--retry-failed", "--refresh"))
    done.append(bench.run("check", "--full"))
    done.append(bench.run("config", "show"))
    draw = ("plot", "--collection", "photo", "--k", "2", "--set", "project.kind=pca")
    ask = ("--set", "name.kind=openai", "--set", "name.model=m", "--set", "name.retries=0")
    base = f"name.base_url=http://bob:{CANARY}19@127.0.0.1:1/v1"
    done.append(bench.run(*draw, *ask, "--set", base, expect=None))
    texts = ("--text-field", "text", "--text-field", "link", "--text-field", "photo")
    there = ("--set", "name.base_url=http://127.0.0.1:1/v1")
    done.append(bench.run(*draw, *ask, *there, *texts))
    page = Path(done[-1].json["page"]).read_text(encoding="utf-8")
    assert "***@" in page, "the page's data can be searched"
    assert "bob:" not in page
    assert assert_nowhere(bench.workspace, done) > 8


def test_after_a_kill_the_write_ahead_log_is_clean_too(bench: Bench) -> None:
    table = bench.folder / "given" / "t.csv"
    with table.open("a") as file:
        for n in range(100, 300):
            file.write(f"\n{n},,http://u:{CANARY}{n}@h/?sig={CANARY},red shoe {n} {CANARY[:0]}")
    slow = ("--set", "encoders.text.kind=tests.faults.counting:CountingEncoder")
    pace = ("--set", "encoders.text.delay=0.2", "--set", f"encoders.text.log={bench.log}")
    process = bench.start(*arguments(bench), *slow, *pace)
    assert until(grown(bench.log), process)
    done = kill(process)
    assert (bench.workspace / "ledger.sqlite-wal").exists()
    assert_nowhere(bench.workspace, [done])


def test_a_debug_run_shows_the_way_but_not_the_secrets(bench: Bench) -> None:
    process = bench.start("--debug", *arguments(bench))
    assert_nowhere(bench.workspace, [finish(process)])
