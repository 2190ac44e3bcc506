"""Whatever bytes a table holds: rows in = good + rejected + blank, and no errors but ours."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

from embclust.errors import EmbclustError
from embclust.rows import Rejected, Row, Table
from tests.rows.helpers import open_at, read

PIECES = [
    *("a", "id", "x y", ",", ",", ",", ";", "\t", "|", '"', '"', '""', "\n", "\n", "\r\n", "\r"),
    *("", " ", "\x00", "\x1b[0m", "é", "日本", "😀", "\ufeff", "\u2028", "\x85", "007", "1e999"),
    *("{", "}", "[", "]", ":", '"a":', "null", "NaN", "-Infinity", "true", '{"a": 1}', '{"a": "'),
    *('"\\ud800"', "\\u0000", "\\", "#x", "$", "chroma:", "_embclust", "1" * 40, '{"b": [1, {}]}'),
]


def soup(dice: random.Random) -> bytes:
    """A few lines of what tables are made of, in any order; at times damaged further."""
    text = "".join(dice.choices(PIECES, k=dice.randint(0, 60)))
    data = text.encode(dice.choice(["utf-8"] * 8 + ["utf-8-sig", "utf-16"]))
    if dice.random() < 0.15 and data:
        at = dice.randrange(len(data))
        data = data[:at] + bytes(dice.randbytes(dice.randint(0, 3))) + data[at + 1 :]
    return data


def check(path: Path, **settings: Any) -> str:
    """Read it: the counts add up, or the error is one of ours, with a message on one line."""
    try:
        table = open_at(path, max_bad_rows="100%", **settings)
        good, bad = read(table)
    except EmbclustError as caught:
        error = caught
    else:
        check_rows(table, good, bad)
        return "read"
    assert error.message
    assert "\n" not in str(error).strip()
    return "error"


def check_rows(table: Table, good: list[Row], bad: list[Rejected]) -> None:
    """The counts add up, no line comes twice, and every sink can write the values."""
    assert table.read == len(good) + len(bad) + table.blank_rows
    assert len({row.line for row in good} | {each.line for each in bad}) == len(good) + len(bad)
    for row in good:
        assert row.item.id
        json.dumps(row.item.fields, ensure_ascii=False, allow_nan=False).encode()
        row.item.id.encode()


def run_soup(folder: Path, cases: int, seed: int) -> None:
    dice = random.Random(seed)
    outcomes = {"error": 0, "read": 0}
    for number in range(cases):
        name = ("t.csv", "t.jsonl")[number % 2]
        path = folder / name
        path.write_bytes(soup(dice))
        outcomes[check(path)] += 1
    assert min(outcomes.values()) > cases // 20, "both ways out were taken"


def test_soup(tmp_path: Path) -> None:
    run_soup(tmp_path, 1_500, seed=0)


@pytest.mark.slow
def test_more_soup(tmp_path: Path) -> None:
    run_soup(tmp_path, 10_000, seed=1)


def damaged(dice: random.Random, rows: list[list[str]]) -> tuple[str, set[int]]:
    """CSV text with some rows ragged, and the numbers of those rows."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "t", "u"])
    ragged = set()
    for number, row in enumerate(rows):
        if dice.random() < 0.1:
            ragged.add(number)
            extra = ["extra"] * dice.randint(1, 3)
            writer.writerow(row + extra if dice.random() < 0.5 else row[:2])
        else:
            writer.writerow(row)
    return out.getvalue(), ragged


def test_ragged_rows_are_rejected_and_no_others(tmp_path: Path) -> None:
    dice = random.Random(2)
    cells = ["x", "a,b", 'say "hi"', "two\nlines", "", " ", "é", "1.50", "\t"]
    path = tmp_path / "t.csv"
    for _ in range(150):
        rows = [
            [str(i), dice.choice(cells), dice.choice(cells)] for i in range(dice.randint(2, 60))
        ]
        text, ragged = damaged(dice, rows)
        if len(ragged) == len(rows):
            continue
        path.write_text(text, encoding="utf-8", newline="")
        good, bad = read(open_at(path, id_field="id", max_bad_rows="100%"))
        assert len(bad) == len(ragged)
        expected = [row for number, row in enumerate(rows) if number not in ragged]
        assert [row.item.id for row in good] == [row[0] for row in expected]
        for row, (_, t, u) in zip(good, expected, strict=True):
            assert row.item.fields.get("t", "").strip() == t.strip()  # type: ignore[union-attr]
            assert row.item.fields.get("u", "").strip() == u.strip()  # type: ignore[union-attr]
