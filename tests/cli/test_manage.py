"""`embclust list`, `drop`, `init`, `config show` and `config schema`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import good, index_texts, run, texts, things, write_csv

TABLE = Path("t.csv")


def test_list_says_what_is_there() -> None:
    empty = good("list")
    assert empty.out == ""
    assert "No collections in .embclust" in empty.err
    assert not Path(".embclust").exists(), "looking makes nothing"
    assert good("list", "--json").json["collections"] == []
    texts(TABLE)
    index_texts(TABLE, "--prefix", "b_", "--limit", 5)
    good("name", "--collection", "title", "--k", 3)
    one, other = good("list", "--json").json["collections"]
    assert (one["collection"], one["field"], one["count"]) == ("b_title", "title", 5)
    assert (one["clusters"], one["names"]) == (0, [])
    assert (other["collection"], other["count"], other["clusters"]) == ("title", 30, 3)
    assert other["encoder"].startswith("hashing")
    assert other["dim"] == 256
    assert len(other["names"]) == 3
    lines = good("list").out.splitlines()
    assert lines[0].split() == ["collection", "field", "encoder", "rows", "clusters", "names"]
    assert lines[1].startswith("b_title")
    assert other["names"][0] in lines[2]


def test_list_names_what_is_broken_and_shows_the_rest() -> None:
    texts(TABLE)
    index_texts(TABLE, "--prefix", "b_")
    good("name", "--collection", "title", "--k", 3)
    good("name", "--collection", "b_title", "--k", 3)
    Path(".embclust/collections/title/names.json").write_text("{")
    ran = good("list", "--json")
    assert [len(one["names"]) for one in ran.json["collections"]] == [3, 0]
    [problem] = ran.json["warnings"]
    assert "title/names.json is not valid JSON" in problem
    assert problem in good("list").err


def test_where_every_cell_was_empty_nothing_is_missing_from_the_store() -> None:
    write_csv(TABLE, [{"id": n, "title": " "} for n in range(3)])
    assert index_texts(TABLE, "--json").counts["missing"] == 3
    ran = good("check", "--full", "--json")
    assert ran.json["collections"][0]["differences"] == []
    assert good("rebuild-store", "--json").json["collections"][0]["count"] == 0
    texts(TABLE)
    again = index_texts(TABLE, "--json")
    assert (again.counts["unchanged"], again.json["warnings"]) == (30, [])
    assert good("check", "--full", "--json").json["collections"][0]["store_rows"] == 30


def test_drop_removes_a_collection_whole_and_it_can_come_back() -> None:
    texts(TABLE)
    index_texts(TABLE, "--prefix", "other_")
    good("plot", "--collection", "title", "--k", 3)
    ran = good("drop", "title", "--json")
    assert (ran.json["collection"], ran.json["dropped"]) == ("title", True)
    assert not Path(".embclust/collections/title").exists()
    for command in (("plot", "--collection", "title"), ("drop", "title")):
        run(*command).refused(2, "No collection named 'title'", "other_title")
    run("check", "--collection", "title").refused(2, "No collection named 'title'")
    again = index_texts(TABLE, "--json")
    assert again.counts["reused"] == 30, "the vectors stay until gc"
    assert good("plot", "--collection", "title", "--k", 3, "--json").json["points"] == 30
    assert good("check", "--full").code == 0


def test_gc_drops_what_no_row_uses() -> None:
    texts(TABLE)
    assert good("gc", "--json").json["vectors"] == 0
    good("drop", "title")
    assert good("gc", "--json").json["vectors"] == 30
    assert index_texts(TABLE, "--json").counts["indexed"] == 30


def test_drop_where_the_store_is_gone() -> None:
    texts(TABLE)
    Path(".embclust/chroma").rename("elsewhere")
    assert good("drop", "title").code == 0
    assert good("list", "--json").json["collections"] == []


def test_an_unreadable_ledger_is_said_and_left_alone() -> None:
    texts(TABLE)
    ledger = Path(".embclust/ledger.sqlite")
    for beside in Path(".embclust").glob("ledger.sqlite-*"):
        beside.unlink()
    ledger.write_bytes(b"garbage" * 100)
    for command in (("list",), ("plot",), ("drop", "title"), ("gc",)):
        run(*command).refused(2, "ledger.sqlite", "backup")
    index_texts(TABLE).refused(2, "ledger.sqlite")
    assert ledger.read_bytes() == b"garbage" * 100


def test_init_writes_a_config_that_index_takes() -> None:
    address = "https://shop.example/{}.jpg"
    rows = [{**row, "photo": address.format(row["id"])} for row in things(range(40))]
    write_csv(TABLE, rows)
    config = Path(good("init", TABLE).out.strip())
    assert config.resolve() == Path("t.yaml").resolve()
    text = config.read_text()
    assert "id_field: id" in text
    assert "photo" in text
    assert "title" in text
    assert text.count("#") > 3, "it is commented"
    run("init", TABLE).refused(5, "t.yaml", "--out")
    assert good("init", TABLE, "--out", "new/x.yaml", "--json").json["config"].endswith("x.yaml")
    run("init", TABLE, "--out", "t.csv/x.yaml").refused(2, "t.csv", "another place")
    texts_only = Path("texts.csv")
    write_csv(texts_only, things(range(40)))
    good("init", texts_only)
    ran = good("index", "texts.yaml", "--set", "encoders.text.kind=hashing", "--json")
    assert ran.counts["indexed"] == 40
    assert good("plot", "--k", 3, "--json").json["points"] == 40


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("nowhere.csv", ("no table", "nowhere.csv")),
        ("empty.csv", ("empty.csv", "no rows")),
        ("cut.parquet", ("cut.parquet",)),
        (".", ("directory",)),
    ],
)
def test_init_of_what_is_no_table(table: str, words: tuple[str, ...]) -> None:
    Path("empty.csv").write_text("")
    Path("cut.parquet").write_bytes(b"PAR1")
    run("init", table).refused(2, *words)
    assert not list(Path().glob("*.yaml"))


def test_config_show_says_where_each_value_is_from(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("x.yaml").write_text("cluster: {k: 7}\nproject: {dims: 2}\n")
    monkeypatch.setenv("EMBCLUST_PROJECT__DIMS", "3")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-1234567890")
    name = ("--set", "name.kind=openai", "--set", "name.model=m")
    ran = good("config", "show", "x.yaml", "--set", "cluster.seed=5", *name, "--json")
    found = ran.json["settings"]
    assert found["cluster.k"]["from"] == "x.yaml"
    assert str(found["cluster.k"]["value"]) == "7"
    assert "EMBCLUST_PROJECT__DIMS" in found["project.dims"]["from"]
    assert "--set" in found["cluster.seed"]["from"]
    assert found["keep_runs"]["from"] == "default"
    plain = good("config", "show", "x.yaml", *name)
    assert "canary" not in ran.out + ran.err + plain.out + plain.err
    assert plain.out.splitlines()[0].split() == ["setting", "value", "from"]


def test_config_show_knows_what_a_collection_remembers() -> None:
    texts(TABLE)
    good("cluster", "--k", 3)
    found = good("config", "show", "--collection", "title", "--json").json["settings"]
    assert str(found["cluster.k"]["value"]) == "3"
    assert "title" in found["cluster.k"]["from"]
    assert "default" in good("config", "show", "--json").json["settings"]["cluster.k"]["from"]
    run("config", "show", "--collection", "titel").refused(2, "'titel'", "title")


def test_config_schema_is_a_json_schema() -> None:
    schema = json.loads(good("config", "schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    sections = {"source", "fields", "encoders", "images", "store", "cluster", "project", "plot"}
    assert sections <= set(schema["properties"])


def test_an_index_elsewhere_is_forgotten_by_the_next_one() -> None:
    write_csv(TABLE, things(range(5)))
    assert index_texts(TABLE, "--set", "store.path=shared-store").code == 0
    assert good("check").code == 0
    assert index_texts(TABLE).code == 0
    found = good("config", "show", "--collection", "title", "--json").json["settings"]
    assert found["store.path"]["from"] == "default"
    assert good("check", "--full").code == 0


def test_init_reads_another_encoding() -> None:
    Path("t.csv").write_bytes("id,title\n1,Schuh für groß\n2,Hut für klein\n".encode("cp1252"))
    run("init", "t.csv").refused(2, "not UTF-8")
    run("init", "t.csv", "--encoding", "nonsense").refused(2, "nonsense")
    assert "cp1252" in Path(good("init", "t.csv", "--encoding", "cp1252").out.strip()).read_text()
