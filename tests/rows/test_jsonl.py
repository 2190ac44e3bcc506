"""JSON lines: line by line, bad lines by their number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from embclust.errors import InputTableError
from tests.rows.helpers import items, open_at, read


def write(folder: Path, *lines: Any, name: str = "t.jsonl") -> Path:
    path = folder / name
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def test_values_keep_their_types(tmp_path: Path) -> None:
    row = {"id": 7, "t": "a b", "price": 7.5, "new": True, "tags": ["x", 1], "o": {"é": None}}
    (item,) = items(write(tmp_path, row), id_field="id", texts=["t"])
    assert item.id == "7"
    assert item.fields == row | {"tags": '["x",1]', "o": '{"é":null}'}


def test_ids_that_are_numbers_are_their_plain_text(tmp_path: Path) -> None:
    path = write(tmp_path, *({"id": value} for value in (7, 7.0, "007", True, 2**70)))
    found = [item.id for item in items(path, id_field="id")]
    assert found == ["7", "7.0", "007", "true", str(2**70)]


def test_bad_lines_are_rejected_by_number(tmp_path: Path) -> None:
    deep = '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"
    long_number = '{"a": ' + "1" * 5_000 + "}"
    path = write(tmp_path, '{"a": 1}', "", '{"a": }', "[1, 2]", deep, long_number, '{"a": 2}', "3")
    good, bad = read(open_at(path))
    assert [row.line for row in good] == [1, 7]
    assert [(each.line, each.reason) for each in bad] == [
        (3, "invalid JSON: Expecting value at character 7"),
        (4, "no JSON object but a list"),
        (5, "invalid JSON: nested too deep"),
        (6, "invalid JSON: a number with too many digits"),
        (8, "no JSON object but a int"),
    ]


def test_what_json_cannot_mean_is_left_out_and_counted(tmp_path: Path) -> None:
    nested: Any = "x"
    for _ in range(70):
        nested = [nested]
    path = write(
        tmp_path,
        '{"id": 1, "a": NaN, "b": 1e999, "c": -Infinity, "d": [NaN, 1], "e": 18446744073709551616}',
        {"id": 2, "a": nested, "f": None, "g": "", "h": "  "},
    )
    table = open_at(path, id_field="id")
    good, _ = read(table)
    assert good[0].item.fields == {"id": 1, "d": "[null,1]", "e": "18446744073709551616"}
    assert good[1].item.fields == {"id": 2}
    assert table.warnings == [
        "Column 'a': 1 value left out (nested deeper than 64 levels).",
        "Column 'a': 1 value left out (not a finite number).",
        "Column 'b': 1 value left out (not a finite number).",
        "Column 'c': 1 value left out (not a finite number).",
        "Column 'd': 1 value left out (not a finite number).",
    ]


def test_lone_surrogates_become_the_replacement_character(tmp_path: Path) -> None:
    line = r'{"id": "\ud800x", "t": "a\udfffb \ud83d\ude00", "l": ["\ud800"], "\udc00k": "v"}'
    table = open_at(write(tmp_path, line), id_field="id")
    good, _ = read(table)
    assert good[0].item.id == "\ufffdx"
    assert good[0].item.fields == {
        "id": "\ufffdx",
        "t": "a\ufffdb 😀",
        "l": '["\ufffd"]',
        "\ufffdk": "v",
    }
    assert "Broken characters replaced by U+FFFD: 3." in table.warnings


def test_the_last_of_two_equal_keys_counts(tmp_path: Path) -> None:
    assert items(write(tmp_path, '{"a": 1, "a": 2}'))[0].fields == {"a": 2}


def test_columns_are_the_union_of_keys(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": 1}, {"b": 2}, {"a": 3, "c": 4})
    assert open_at(path).columns == ["a", "b", "c"]


def test_a_column_that_comes_late_is_found(tmp_path: Path) -> None:
    rows = [{"a": i} for i in range(1_500)]
    path = write(tmp_path, *rows, {"late": "here"})
    table = open_at(path, texts=("late",))
    good, _ = read(table)
    assert good[-1].item.fields == {"late": "here"}
    assert table.columns == ["a", "late"]
    with pytest.raises(InputTableError, match=r"no column 'lite'.*fields\.texts"):
        open_at(path, texts=("lite",))


def test_byte_order_mark_utf16_and_ndjson(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        path = tmp_path / "t.ndjson"
        path.write_text('{"t": "é"}\n', encoding=encoding)
        assert items(path)[0].fields == {"t": "é"}


@pytest.mark.parametrize("text", ['[{"a": 1}]', "a,b\n1,2\n", "[\n]\n"])
def test_what_is_no_json_lines_says_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputTableError, match="not JSON lines: line 1"):
        open_at(write(tmp_path, text))


def test_a_json_list_by_another_name(tmp_path: Path) -> None:
    with pytest.raises(InputTableError, match="one JSON list"):
        open_at(write(tmp_path, '[{"a": 1}]', name="t.json"))
    assert items(write(tmp_path, '{"a": 1}', name="t.json"))[0].fields == {"a": 1}


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(InputTableError, match="no rows"):
        open_at(write(tmp_path, "", ""))


def test_names_that_collide_do_so_the_same_in_every_row(tmp_path: Path) -> None:
    path = write(tmp_path, {"#x": 1}, {"#x": 2, "x": 3}, {"x": 4})
    assert [item.fields for item in items(path)] == [{"x_2": 1}, {"x_2": 2, "x": 3}, {"x": 4}]
