"""What all formats share: ids, windows, bad rows, columns, templates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from embclust.errors import InputTableError, SettingsError
from embclust.rows import Rejected, Row, row_hash
from tests.rows.helpers import items, open_at, read


@pytest.fixture
def shirts(tmp_path: Path) -> Path:
    path = tmp_path / "shirts.csv"
    path.write_text("sku,title,imageUrl,folder\n1,Red shirt,a.jpg,men\n2,Blue shirt,,../x\n")
    return path


def test_a_missing_table_names_its_neighbour_or_the_hint(shirts: Path) -> None:
    with pytest.raises(InputTableError, match=r"There is no table .*Did you mean 'shirts.csv'"):
        open_at(shirts.with_name("shirt.csv"))
    with pytest.raises(InputTableError, match="Download it from there"):
        open_at(shirts.with_name("shirt.csv"), hint="Download it from there.")
    with pytest.raises(InputTableError, match="no folder"):
        open_at(shirts.parent / "nowhere" / "t.csv")
    with pytest.raises(InputTableError, match="no table"):
        open_at(shirts / "t.csv")
    with pytest.raises(InputTableError, match=r"cannot be opened|no table"):
        open_at(Path("x" * 5_000))
    with pytest.raises(SettingsError, match=r"source\.path is not set"):
        open_at(None)  # type: ignore[arg-type]


def test_a_pipe_is_no_table(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(InputTableError, match="not a regular file"):
        open_at(tmp_path / "t.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_table_that_may_not_be_read(shirts: Path) -> None:
    shirts.chmod(0)
    with pytest.raises(InputTableError, match="cannot be read: Permission denied"):
        open_at(shirts)


def test_a_workbook_is_named_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"PK\x03\x04rest")
    with pytest.raises(InputTableError, match="workbook"):
        open_at(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"id_field": "SKU "}, r"no column 'SKU ' \(source\.id_field\).*Did you mean 'sku'"),
        ({"images": ["imageURL"]}, r"'imageURL' \(fields\.images\).*'imageUrl'"),
        ({"texts": ["titel"]}, r"'titel' \(fields\.texts\).*'title'"),
        ({"texts": ["zzzz"]}, "Columns: sku, title, imageUrl, folder"),
    ],
)
def test_an_absent_column_names_the_nearest(
    shirts: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputTableError, match=message):
        open_at(shirts, **settings)


def test_a_renamed_column_is_known_as_id_and_explained_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("#id,$t\n1,x\n")
    table = open_at(path, id_field="#id", images={"p": "{#id}.jpg"})
    good, _ = read(table)
    assert good[0].item.id == "1"
    assert good[0].item.fields == {"id": "1", "t": "x", "p": "1.jpg"}
    with pytest.raises(InputTableError, match="called 't' here"):
        open_at(path, texts=["$t"])


def test_without_an_id_column_the_id_is_a_hash_of_the_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("a,b\n1,x\n2,y\n")
    other.write_text("b,a,c\ny,2,\nx,1,\n")
    table = open_at(one)
    first, _ = read(table)
    ids = [row.item.id for row in first]
    assert ids == [item.id for item in items(one)]
    assert len(set(ids)) == 2
    assert all(len(each) == 32 for each in ids)
    # Neither the order of rows and columns nor an empty column changes them.
    assert sorted(item.id for item in items(other)) == sorted(ids)
    assert "No id column" in table.warnings[0]


def test_rows_without_an_id_get_a_stable_one_and_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,t\n1,a\n,b\n  ,c\n")
    table = open_at(path, id_field="id")
    good, _ = read(table)
    assert [len(row.item.id) for row in good] == [1, 32, 32]
    assert good[1].item.id != good[2].item.id
    assert [row.item.id for row in good] == [row.item.id for row in read(table)[0]]
    assert table.warnings == [
        "Rows without a value in the id column 'id': 2; their ids are hashes of their content."
    ]


def test_ids_are_one_short_clean_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    long = "x" * 600
    path.write_text(f'id\n 7 \n"a\nb"\n{long}1\n{long}2\ne\x00f\n')
    ids = [item.id for item in items(path, id_field="id")]
    assert ids[:2] == ["7", "a b"]
    assert ids[4] == "ef"
    assert ids[2] != ids[3]
    assert [len(each) for each in ids[2:4]] == [512, 512]


def test_rows_without_any_value_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,t\n1,a\n,\n , \n2,b\n")
    table = open_at(path, id_field="id")
    good, bad = read(table)
    assert ([row.item.id for row in good], bad) == (["1", "2"], [])
    assert table.warnings == ["Rows without any value, passed over: 2."]


def test_start_and_limit_count_every_row_after_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,t\n0,a\n1,b,bad\n\n2,c\n3,d\n4,e\n")
    good, bad = read(open_at(path, id_field="id", start=1, limit=3))
    assert [row.item.id for row in good] == ["2", "3"]
    assert [each.line for each in bad] == [3]
    good, bad = read(open_at(path, id_field="id", start=2, limit=1))
    assert ([row.item.id for row in good], bad) == (["2"], [])
    with pytest.raises(InputTableError, match=r"source\.start = 9 leaves no rows"):
        read(open_at(path, start=9))


def with_bad_rows(path: Path, good: int, bad: int) -> Path:
    path.write_text("id,t\n" + "x,y,z\n" * bad + "".join(f"{i},a\n" for i in range(good)))
    return path


def test_a_percentage_of_bad_rows_counts_from_100_rows_on(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    assert len(read(open_at(with_bad_rows(path, 19, 1)))[1]) == 1
    assert len(read(open_at(with_bad_rows(path, 990, 10)))[1]) == 10
    with pytest.raises(InputTableError, match=r"11 of 1000 rows cannot be read.*line 2: 3 fields"):
        read(open_at(with_bad_rows(path, 989, 11)))
    assert len(read(open_at(path, max_bad_rows="2%"))[1]) == 11
    assert len(read(open_at(path, max_bad_rows=11))[1]) == 11


def test_a_number_of_bad_rows_stops_at_once(tmp_path: Path) -> None:
    table = open_at(with_bad_rows(tmp_path / "t.csv", 10, 5), max_bad_rows=2)
    seen: list[Row | Rejected] = []
    with pytest.raises(InputTableError, match="3 rows cannot be read"):
        seen.extend(table.rows())
    assert all(isinstance(each, Rejected) for each in seen)
    assert len(seen) == 2


def test_a_table_of_bad_rows_only(tmp_path: Path) -> None:
    with pytest.raises(InputTableError, match="no row can be read: line 2"):
        read(open_at(with_bad_rows(tmp_path / "t.csv", 0, 5)))


def test_a_template_makes_a_column(shirts: Path) -> None:
    table = open_at(shirts, id_field="sku", images={"picture": "images/{folder}/{sku}.jpg"})
    good, _ = read(table)
    assert good[0].item.fields["picture"] == "images/men/1.jpg"
    assert "picture" not in good[1].item.fields  # its folder is ../x
    assert table.columns == ["sku", "title", "imageUrl", "folder", "picture"]
    assert table.warnings == [
        "'picture': 1 paths left out that would climb out of the folder ('..')."
    ]


def test_a_template_wins_over_the_column_and_a_hole_stays_one(shirts: Path) -> None:
    found = items(shirts, id_field="sku", images={"imageUrl": "https://cdn/{title}.jpg"})
    assert found[0].fields["imageUrl"] == "https://cdn/Red%20shirt.jpg"
    found = items(shirts, id_field="sku", images={"title": "{imageUrl}", "imageUrl": None})
    assert [item.fields.get("title") for item in found] == ["a.jpg", None]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("images/{skus}.jpg", "needs a column 'skus'.*Did you mean 'sku'"),
        ("images/sku.jpg", "names no column"),
        ("images/{sku", "cannot be read"),
        ("images/{sku:>5}.jpg", "format"),
        ("images/{}.jpg", "needs a column ''"),
    ],
)
def test_templates_that_cannot_work(shirts: Path, template: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        open_at(shirts, images={"picture": template})


def test_the_source_has_a_name(shirts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shirts.parent)
    table = open_at(Path("shirts.csv"))
    assert table.name == str(shirts.resolve())
    assert table.folder == shirts.parent
    assert open_at(shirts, name="catalogue").name == "catalogue"


def test_row_hash_sees_content_and_nothing_else(shirts: Path) -> None:
    one, two = items(shirts, id_field="sku")
    assert len(row_hash(one)) == 16
    assert row_hash(one) != row_hash(two)
    backwards = type(one)("other id", dict(reversed(one.fields.items())))
    assert row_hash(backwards) == row_hash(one)
    assert row_hash(type(one)("x", {"a": 1})) != row_hash(type(one)("x", {"a": "1"}))
