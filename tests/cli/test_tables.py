"""Bad tables at the command line: what is refused before any work, and what is only counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from embclust import plugins
from embclust.data import Item
from embclust.protocols import Store
from tests.cli.running import HASHING, good, index_texts, run, write_csv

ROWS = "".join(f"{n},thing {n},x\n" for n in range(20))
MANY = "".join(f"{n},thing {n},x\n" for n in range(300))
HEAD = "id,title,k\n"


def stored(collection: str, workspace: str = ".embclust") -> dict[str, Item]:
    """The rows as the vector store has them."""
    folder = Path(workspace) / "chroma"
    store: Store = plugins.build("store", "chroma", {}, collection=collection, folder=folder)
    try:
        return {item.id: item for batch in store.scan() for item in batch.items}
    finally:
        store.close()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", b"", ("empty.csv", "no rows")),
        ("header.csv", HEAD.encode(), ("header.csv", "no rows")),
        (
            "cp1252.csv",
            (HEAD + "1,caf\xe9,x\n").encode("cp1252"),
            ("0xe9", "offset 16", "source.encoding"),
        ),
        ("quote.csv", (HEAD + '1,"open,x\n' + ROWS).encode(), ("line 2", "quote")),
        ("header_twice.csv", b"id,title,title\n1,a,b\n", ("'title'", "more than once")),
        ("twice.csv", b"id,title\n1,a\n2,c\n1,b\n", ("Lines 2 and 4", "'1'", "on_duplicate")),
        ("cut.parquet", b"PAR1abcdef", ("cut.parquet", "Parquet")),
        ("workbook.xlsx", b"PK\x03\x04abc", ("workbook.xlsx", "CSV")),
        ("list.json", b'[{"id": 1, "title": "a"}]', ("list.json", "one object per line")),
    ],
)
def test_a_table_that_cannot_be_used(name: str, content: bytes, words: tuple[str, ...]) -> None:
    Path(name).write_bytes(content)
    index_texts(name).refused(2, *words)
    assert good("list").out == ""


def test_a_table_that_is_not_there_is_said_first() -> None:
    Path("styles.csv").write_text("id,title\n1,a\n")
    Path("folder").mkdir()
    # Also before the missing model of `--image`, and before "no column was named".
    run("index", "style.csv", "--image", "x").refused(2, "no table", "style.csv", "'styles.csv'?")
    run("index", "style.csv").refused(2, "no table")
    run("index", "folder", "--text", "title").refused(2, "folder", "directory")
    run("index").refused(2, "source.path")
    run("index", "styles.csv").refused(2, "No column to embed", "--image", "init")


@pytest.mark.parametrize(
    ("option", "column", "words"),
    [
        ("--text", "titel", ("'titel'", "Did you mean 'title'?")),
        ("--id", "sku", ("'sku'", "source.id_field", "Columns: id, title")),
        ("--image", "picture=images/{nmae}.jpg", ("nmae",)),
        ("--text", "", ("''",)),
    ],
)
def test_a_column_that_is_not_there(option: str, column: str, words: tuple[str, ...]) -> None:
    Path("t.csv").write_text("id,title,name\n1,a,b\n")
    index_texts("t.csv", option, column).refused(2, *words)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bom.csv", b"\xef\xbb\xbf" + (HEAD + ROWS).encode()),
        ("utf16.csv", (HEAD + ROWS).encode("utf-16")),
        ("semicolon.csv", (HEAD + ROWS).replace(",", ";").encode()),
        ("tab.csv", (HEAD + ROWS).replace(",", "\t").encode()),
        ("bar.csv", (HEAD + ROWS).replace(",", "|").encode()),
        ("blank-lines.csv", (HEAD + ROWS.replace("\n", "\n\n")).encode()),
        ("windows.csv", (HEAD + ROWS).replace("\n", "\r\n").encode()),
    ],
)
def test_a_table_in_another_dress(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    ran = index_texts(name, "--json")
    assert (ran.code, ran.counts["indexed"]) == (0, 20), ran.err
    assert stored("title")["7"].fields == {"id": "7", "title": "thing 7", "k": "x"}


def test_what_cannot_be_told_is_named_by_hand() -> None:
    Path("t.csv").write_bytes((HEAD + "1,caf\xe9,x\n").encode("cp1252"))
    assert index_texts("t.csv", "--set", "source.encoding=cp1252").code == 0
    assert stored("title")["1"].fields["title"] == "café"


@pytest.mark.parametrize("bad", ["300,a,b,c,d", "300,a"])
def test_a_bad_line_is_left_out_and_reported(bad: str) -> None:
    Path("t.csv").write_text(HEAD + MANY + bad + "\n")
    ran = index_texts("t.csv", "--json")
    assert ran.code == 0
    assert (ran.counts["rows"], ran.counts["indexed"], ran.json["rejected_rows"]) == (300, 300, 1)
    failures = Path(ran.json["failures_file"]).read_text().splitlines()
    assert json.loads(failures[0])["line"] == 302
    run("index", "t.csv").refused(2)
    again = index_texts("t.csv", "--json", "--set", "source.max_bad_rows=0")
    again.refused(2, "max_bad_rows")
    assert again.json["exit_code"] == 2


def test_jsonl_with_bad_lines_and_numbers() -> None:
    lines = [json.dumps({"id": n, "title": f"thing {n}"}) for n in range(200)]
    lines += ["{oops", "[" * 3000, '{"id": 200, "title": "x", "a": NaN, "b": 1e999, "c": 1.5}']
    Path("t.jsonl").write_text("\n".join(lines))
    ran = index_texts("t.jsonl", "--json", "--set", "source.max_bad_rows=2")
    assert (ran.code, ran.counts["indexed"], ran.json["rejected_rows"]) == (0, 201, 2), ran.err
    assert stored("title")["200"].fields == {"id": 200, "title": "x", "c": 1.5}
    assert any("'a'" in warning for warning in ran.json["warnings"])


def test_cells_that_no_store_takes() -> None:
    row: dict[str, Any] = {"id": "x", "title": "a\ud800b\x00c", "none": None, "flag": True}
    row |= {
        "#x": "1",
        "$y": "2",
        "": "3",
        "chroma:z": "4",
        "embclust:empty": "5",
        "list": [1, "a"],
        "nested": {"k": 1},
    }
    Path("t.jsonl").write_text(json.dumps(row) + '\n{"id": "2", "title": "z"}\n')
    ran = index_texts("t.jsonl", "--json")
    assert (ran.code, ran.counts["indexed"]) == (0, 2)
    said = " ".join(ran.json["warnings"])
    assert "'#x' -> 'x'" in said
    assert "U+FFFD" in said
    assert "Control characters" in said
    fields = stored("title")["x"].fields
    assert fields["title"] == "a\ufffdbc"
    assert fields["flag"] is True
    assert "none" not in fields
    renamed = [fields[name] for name in ("x", "y", "chroma_z", "embclust_empty")]
    assert renamed == ["1", "2", "4", "5"]
    assert json.loads(str(fields["list"])) == [1, "a"]
    assert json.loads(str(fields["nested"])) == {"k": 1}
    assert good("plot", "--k", "1", "--json").json["points"] == 2


def test_a_cell_of_200_kilobytes_is_kept_whole() -> None:
    text = "word " * 40_000
    write_csv(Path("t.csv"), [{"id": "1", "title": text}, {"id": "2", "title": "b"}])
    assert index_texts("t.csv").code == 0
    assert stored("title")["1"].fields["title"] == text


def test_ids_are_text_as_they_stand_there() -> None:
    Path("t.csv").write_text("id,title\n007,a\n7,b\n1e3,c\n1000,d\n123456789012345678901,e\n")
    assert index_texts("t.csv", "--json").counts["indexed"] == 5
    assert set(stored("title")) == {"007", "7", "1e3", "1000", "123456789012345678901"}


def test_without_ids_a_row_is_its_content() -> None:
    Path("t.csv").write_text("title\na\nb\nb\n")
    command = ("index", "t.csv", "--text", "title", *HASHING, "--json")
    first = good(*command)
    assert (first.counts["indexed"], first.json["duplicates"]) == (2, 1)
    assert any("No id column" in warning for warning in first.json["warnings"])
    ids = set(stored("title"))
    again = good(*command)
    assert again.counts["unchanged"] == 2
    assert set(stored("title")) == ids


def test_the_same_row_twice_is_merged_and_counted() -> None:
    Path("t.csv").write_text("id,title\n1,a\n1,a\n2,b\n")
    ran = index_texts("t.csv", "--json")
    assert (ran.counts["rows"], ran.counts["indexed"], ran.json["duplicates"]) == (2, 2, 1)
    Path("t.csv").write_text("id,title\n1,a\n1,other\n2,b\n")
    first = index_texts("t.csv", "--json", "--set", "source.on_duplicate=first")
    assert (first.counts["unchanged"], first.json["duplicates"]) == (2, 1)
    suffixed = index_texts("t.csv", "--json", "--set", "source.on_duplicate=suffix")
    assert (suffixed.counts["indexed"], suffixed.counts["unchanged"]) == (1, 2)
    assert stored("title")["1-2"].fields["title"] == "other"


def test_a_column_that_went_away_is_gone_from_the_store() -> None:
    Path("t.csv").write_text("id,title,season\n1,a,summer\n2,b,winter\n")
    index_texts("t.csv")
    assert stored("title")["1"].fields["season"] == "summer"
    Path("t.csv").write_text("id,title\n1,a\n2,b\n")
    assert index_texts("t.csv", "--json").counts["updated"] == 2
    assert stored("title")["1"].fields == {"id": "1", "title": "a"}
    assert good("check", "--full").code == 0


def test_a_name_that_chroma_does_not_take_is_shown() -> None:
    Path("t.csv").write_text("id,große Größe,title\n1,a,b\n2,c,d\n", encoding="utf-8")
    more = ("--text", "große Größe", "--prefix", "my shop ", "--json")
    ran = index_texts("t.csv", *more)
    assert ran.code == 0, ran.err
    names = {one["field"]: one["collection"] for one in ran.json["collections"]}
    assert names["title"].startswith("my-shop-title-")
    said = " ".join(ran.json["warnings"])
    for field, collection in names.items():
        assert f"'{field}' goes to collection '{collection}'" in said
        assert good("plot", "--collection", collection, "--k", "1", "--json").json["points"] == 2
    run("plot", "--collection", "my shop title").refused(2, *names.values())


def test_rows_with_nothing_to_embed() -> None:
    Path("t.csv").write_text("id,title,other\n1,,x\n2, ,y\n")
    ran = index_texts("t.csv", "--json")
    assert (ran.code, ran.counts["missing"], ran.counts["count"]) == (0, 2, 0)
    failures = Path(ran.json["failures_file"]).read_text()
    assert failures.count("nothing to embed") == 2
    run("plot").refused(2, "'title' has no rows")
