"""`embclust index`: what is done with each row, from the first run to a collection's end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from embclust.workspace import Workspace
from tests.cli.running import (
    COUNTS,
    HASHING,
    fresh,
    good,
    index_texts,
    run,
    texts,
    things,
    write_csv,
)
from tests.fault_server import FaultServer

TABLE = Path("t.csv")
KEYS = {"collection", "field", "rows", *COUNTS, "gone", "count"}


def counts(*more: object, table: Path = TABLE) -> dict[str, int]:
    """Index the table's texts; the counts that are not zero."""
    ran = index_texts(table, "--json", *more)
    assert ran.code == 0, ran.err
    return {name: ran.counts[name] for name in (*COUNTS, "gone", "count") if ran.counts[name]}


def test_the_report_has_the_promised_keys_and_adds_up() -> None:
    write_csv(TABLE, things(range(7)))
    ran = index_texts(TABLE, "--json")
    report = ran.json
    promised = {"schema", "collections", "duplicates", "rejected_rows", "seconds"}
    promised |= {"items_per_second", "failures_file", "exit_code"}
    assert promised <= set(report)
    assert set(report["collections"][0]) == KEYS
    assert ran.counts["rows"] == ran.counts["indexed"] == ran.counts["count"] == 7
    assert (report["exit_code"], report["failures_file"], report["duplicates"]) == (0, None, 0)
    assert report["seconds"] > 0
    assert report["items_per_second"] > 0
    assert "Next: embclust plot --collection title" in ran.err


def test_without_json_the_summary_is_the_result() -> None:
    write_csv(TABLE, things(range(7)))
    ran = index_texts(TABLE)
    heads, row = (line.split() for line in ran.out.splitlines())
    assert heads[:4] == ["collection", "rows", "indexed", "reused"]
    assert row == ["title", "7", "7", "0", "0", "0", "0", "0", "0", "0", "7"]


def test_a_table_over_time() -> None:
    rows = things(range(30))
    write_csv(TABLE, rows)
    assert counts() == {"indexed": 30, "count": 30}
    assert counts() == {"unchanged": 30, "count": 30}
    rows[0]["colour"] = "crimson"  # another column
    rows[1]["title"] = "something else"  # the text itself
    rows[2]["title"] = rows[3]["title"]  # a text that is known
    rows[4]["title"] = ""
    rows += things([30])
    write_csv(TABLE, rows[:5] + rows[6:])
    changed = {"indexed": 2, "reused": 1, "updated": 1, "unchanged": 25, "missing": 1, "gone": 1}
    assert counts() == {**changed, "count": 30}
    assert counts() == {"unchanged": 29, "missing": 1, "gone": 1, "count": 30}
    assert counts("--prune") == {"unchanged": 29, "missing": 1, "gone": 1, "count": 29}
    assert counts() == {"unchanged": 29, "missing": 1, "count": 29}
    assert good("check", "--full").code == 0


def test_a_part_of_the_table() -> None:
    write_csv(TABLE, things(range(30)))
    assert counts("--start", 10, "--limit", 5) == {"indexed": 5, "count": 5}
    assert counts("--limit", 12) == {"indexed": 10, "unchanged": 2, "count": 15}
    assert counts("--limit", 99) == {"indexed": 15, "unchanged": 15, "count": 30}
    for bad in (("--limit", 0), ("--limit", -1), ("--start", -1)):
        index_texts(TABLE, *bad).refused(2, "source.", str(bad[1]))
    index_texts(TABLE, "--start", 30).refused(2, "no rows")


def test_what_prune_refuses() -> None:
    texts(TABLE)
    write_csv(TABLE, things(range(20)))
    for part in (("--limit", 5), ("--start", 5)):
        index_texts(TABLE, "--prune", *part).refused(2, "--prune", "--limit")
    ran = index_texts(TABLE, "--prune", "--json")
    ran.refused(5, "10 of the 30 rows", "--yes")
    assert ran.json["error"]["type"] == "RefusedError"
    assert counts() == {"unchanged": 20, "gone": 10, "count": 30}
    assert counts("--prune", "--yes") == {"unchanged": 20, "gone": 10, "count": 20}


def test_prune_does_not_take_unreadable_rows_for_gone_ones() -> None:
    texts(TABLE)
    write_csv(TABLE, things(range(29)))
    with TABLE.open("a") as file:
        file.write("p29,one,field,too,many\n")
    index_texts(TABLE, "--prune").refused(5, "could not be read", "--yes")
    assert counts()["count"] == 30


def test_two_tables_in_one_collection_prune_their_own_rows_only() -> None:
    write_csv(TABLE, things(range(10)))
    other = write_csv(Path("other.csv"), things(range(8, 20)))
    assert counts() == {"indexed": 10, "count": 10}
    ran = index_texts(other, "--json")
    assert (ran.counts["indexed"], ran.counts["unchanged"], ran.counts["count"]) == (10, 2, 20)
    assert "2 rows of 'title' came from another table before" in " ".join(ran.json["warnings"])
    assert counts("--prune", table=other) == {"unchanged": 12, "count": 20}


def test_a_table_that_was_renamed_keeps_its_rows_and_can_prune_them() -> None:
    write_csv(Path("monday.csv"), things(range(30)))
    assert counts(table=Path("monday.csv")) == {"indexed": 30, "count": 30}
    tuesday = write_csv(Path("tuesday.csv"), things(range(30)))
    assert counts(table=tuesday) == {"unchanged": 30, "count": 30}
    write_csv(tuesday, things(range(28)))
    assert counts("--prune", table=tuesday) == {"unchanged": 28, "gone": 2, "count": 28}


def test_another_encoder_is_refused_before_any_work() -> None:
    texts(TABLE)
    other = ("--set", "encoders.text.dim=64")
    ran = index_texts(TABLE, *other)
    ran.refused(5, "dim=256", "dim=64", "--reencode")
    assert "Read the table" not in ran.err
    assert counts("--reencode", *other) == {"indexed": 30, "count": 30}
    assert counts(*other) == {"unchanged": 30, "count": 30}
    index_texts(TABLE).refused(5, "dim=64")
    assert good("check", "--full").code == 0
    assert good("list", "--json").json["collections"][0]["dim"] == 64


def test_an_encoder_change_half_way_mixes_nothing() -> None:
    texts(TABLE)
    other = ("--set", "encoders.text.dim=64")
    assert counts("--reencode", "--limit", 10, *other) == {"indexed": 10, "count": 10}
    assert good("plot", "--k", 2, "--json").json["points"] == 10
    assert good("check", "--full").code == 0
    assert counts(*other) == {"indexed": 20, "unchanged": 10, "count": 30}
    assert good("plot", "--json").json["points"] == 30


def test_reencode_redoes_what_is_there() -> None:
    texts(TABLE)
    assert counts("--reencode") == {"indexed": 30, "count": 30}


def test_both_kinds_of_fields_in_one_pass(fault_server: FaultServer) -> None:
    rows = [
        {**row, "photo": f"{fault_server.url}/ok/{n}.jpg?noise={n + 1}", "back": ""}
        for n, row in enumerate(things(range(12)))
    ]
    for row in rows[:4]:
        row["back"] = row["photo"]  # the same address in two columns
    rows[11]["photo"] = rows[0]["photo"]  # and in two rows
    write_csv(TABLE, rows)
    fields = ("--image", "photo", "--image", "back", "--text", "colour", "--prefix", "shop_")
    private = ("--set", "images.allow_private_hosts=true")
    ran = index_texts(TABLE, *fields, *private, "--json")
    assert ran.code == 0, ran.err
    found = {one["collection"]: one for one in ran.json["collections"]}
    assert set(found) == {"shop_photo", "shop_back", "shop_title", "shop_colour"}
    assert (found["shop_photo"]["indexed"], found["shop_photo"]["reused"]) == (11, 1)
    assert (found["shop_back"]["reused"], found["shop_back"]["missing"]) == (4, 8)
    assert (found["shop_colour"]["indexed"], found["shop_colour"]["reused"]) == (3, 9)
    assert sum(fault_server.hits.values()) == 11
    again = index_texts(TABLE, *fields, *private, "--json")
    assert again.code == 0
    assert sum(fault_server.hits.values()) == 11


def pictures(server: FaultServer, good_ones: int, bad_ones: int) -> tuple[object, ...]:
    """Write a table of pictures some of which the server does not have; the command."""
    addresses = [f"{server.url}/ok/{n}.jpg?noise={n + 1}" for n in range(good_ones)]
    addresses += [f"{server.url}/status/404/{n}.jpg" for n in range(bad_ones)]
    write_csv(TABLE, [{"id": n, "photo": address} for n, address in enumerate(addresses)])
    private = ("--set", "images.allow_private_hosts=true")
    return ("index", TABLE, "--id", "id", "--image", "photo", *HASHING, *private, "--json")


def test_failed_pictures_are_counted_and_told(fault_server: FaultServer) -> None:
    command = pictures(fault_server, 58, 2)
    ran = good(*command)
    assert (ran.counts["indexed"], ran.counts["failed"], ran.counts["count"]) == (58, 2, 58)
    told = Path(ran.json["failures_file"]).read_text()
    assert told.count("404") >= 2
    hits = sum(fault_server.hits.values())
    again = good(*command, "--retry-failed")
    assert again.counts["failed"] == 2
    assert sum(fault_server.hits.values()) == hits, "a 404 is not tried again"
    plotted = good("plot", "--k", 3, "--json").json
    assert (plotted["points"], plotted["thumbnails"]) == (58, 58)


@pytest.mark.parametrize(
    ("allowed", "code"), [("2", 0), ("1", 3), ("0", 3), ("4%", 0), ("3%", 3), (None, 0)]
)
def test_how_many_rows_may_fail(allowed: str | None, code: int, fault_server: FaultServer) -> None:
    command = pictures(fault_server, 58, 2)
    ran = run(*command, *(("--max-failures", allowed) if allowed else ()))
    assert ran.code == ran.json["exit_code"] == code
    assert ran.counts["indexed"] == 58, "what can be indexed is indexed"


def test_max_failures_is_checked_first() -> None:
    write_csv(TABLE, things(range(3)))
    index_texts(TABLE, "--max-failures", "lots").refused(2, "'lots'", "5%")
    index_texts(TABLE, "--max-failures", "lots%").refused(2, "'lots%'", "5%")


def test_nothing_at_all_succeeds(fault_server: FaultServer) -> None:
    command = pictures(fault_server, 0, 200)
    ran = run(*command)
    assert ran.code == 3
    assert ran.counts["pending"] > 0
    assert "all failed alike" in " ".join(ran.json["warnings"])


@pytest.fixture
def held() -> Iterator[Workspace]:
    """The default workspace, in use."""
    texts(TABLE)
    workspace = Workspace(Path(".embclust"))
    with workspace.lock():
        yield workspace


def test_a_workspace_in_use(held: Workspace) -> None:
    ran = index_texts(TABLE, "--json")
    ran.refused(75, str(held.root), "--wait")
    assert ran.json["error"]["type"] == "WorkspaceLockedError"
    started = time.monotonic()
    index_texts(TABLE, "--wait", 0.5).refused(75, "waited 0.5 s")
    assert time.monotonic() - started >= 0.5
    for command in (("drop", "title"), ("gc",), ("check",), ("rebuild-store",)):
        run(*command).refused(75)
    # What only reads the ledger does not wait.
    assert good("list", "--json").json["collections"][0]["count"] == 30
    assert good("plot", "--k", 3, "--json").json["points"] == 30


def test_a_store_that_is_torn_is_made_again() -> None:
    rows = things(range(30))
    write_csv(TABLE, rows)
    assert counts() == {"indexed": 30, "count": 30}
    torn = [file for file in Path(".embclust/chroma").rglob("*") if file.is_file()]
    assert torn
    for file in torn:
        if file.name == "chroma.sqlite3":
            file.write_bytes(file.read_bytes()[:5000])
    assert run("check").code == 1
    ran = index_texts(TABLE, "--json")
    assert (ran.code, ran.counts["unchanged"]) == (0, 30)
    assert "rebuilt from the ledger" in " ".join(ran.json["warnings"])
    assert good("check", "--full").code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("image.model=ViT-B-33",), ("ViT-B-33", "Nearest: ViT-B-32")),
        (("image.model=ViT-B-32", "image.pretrained=opnai"), ("opnai", "Nearest: openai")),
        (("image.model=local-dir:nowhere",), ("nowhere",)),
        (("image.kind=timm", "image.model=resnet51"), ("resnet51", "resnet50")),
        (("image.kind=hashng",), ("hashng", "'hashing'")),
        (("image.kind=nowhere.at:All",), ("nowhere",)),
    ],
)
def test_a_model_that_does_not_exist(options: tuple[str, ...], words: tuple[str, ...]) -> None:
    write_csv(TABLE, things(range(3)))
    sets = [part for option in options for part in ("--set", f"encoders.{option}")]
    run("index", TABLE, "--image", "title", *sets).refused(2, *words)


def test_a_model_that_is_not_on_this_machine(tmp_path: Path) -> None:
    write_csv(TABLE, things(range(3)))
    program = (
        "import sys; from embclust.cli import main; code = main(sys.argv[1:]);"
        " assert 'torch' not in sys.modules; sys.exit(code)"
    )
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "no models")}
    for option in ("--text", "--image"):
        started = time.monotonic()
        arguments = ("index", TABLE, option, "title", "--json")
        ran = fresh(*arguments, env=environment, program=program)
        ran.refused(4, "not in the cache", "HF_HUB_OFFLINE", "HF_HOME")
        assert ran.json["error"]["type"] == "ModelNotCachedError"
        assert time.monotonic() - started < 30  # 5 s on an idle machine; without torch it is 1


def test_a_store_that_may_not_be_written_to_is_found_before_any_work() -> None:
    write_csv(TABLE, things(range(3)))
    Path("papers").mkdir()
    Path("papers/letter.txt").write_text("Dear Sir")
    ran = index_texts(TABLE, "--set", "store.path=papers")
    ran.refused(5, "papers", "store.path")
    assert "Read the table" not in ran.err
    index_texts(TABLE, "--set", "store.kind=chrome").refused(2, "'chrome'", "'chroma'")


def test_a_server_that_does_not_answer_loses_nothing() -> None:
    write_csv(TABLE, things(range(3)))
    down = ("--set", "store.url=http://127.0.0.1:9", "--set", "store.retries=0")
    index_texts(TABLE, *down).refused(4, "127.0.0.1:9", "store.url")
    assert counts() == {"unchanged": 3, "count": 3}
    assert good("check", "--full").code == 0
