from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embclust.page.columns import (
    MAX_COLUMNS,
    MAX_TEXT,
    codes_base64,
    encode_columns,
    int16_base64,
)

if TYPE_CHECKING:
    from embclust.data import Scalar

DTYPES = {"u8": "u1", "u16": "<u2", "u32": "<u4"}


def decoded(codes: dict[str, str]) -> list[int]:
    numbers: list[int] = np.frombuffer(
        base64.b64decode(codes["data"]), dtype=DTYPES[codes["type"]]
    ).tolist()
    return numbers


def one(values: list[Scalar | None]) -> dict[str, Any]:
    records, _ = encode_columns({"c": values}, [])
    return records[0]


def test_repeated_text_is_coded_most_frequent_first() -> None:
    record = one(["b", "a", "b", None, "", "b", "a", "c", "c"])
    assert record["kind"] == "category"
    assert record["values"] == ["b", "a", "c"]
    assert decoded(record["codes"]) == [0, 1, 0, 3, 3, 0, 1, 2, 2]


def test_mostly_different_text_stays_text() -> None:
    record = one([f"text {i}" for i in range(9)] + [None])
    assert record == {
        "name": "c",
        "kind": "text",
        "values": [*(f"text {i}" for i in range(9)), None],
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5, None], [1, 2.5, None]),
        (["2011", "2012", ""], [2011, 2012, None]),
        (["0.5", "-3", "7"], [0.5, -3, 7]),
        ([1.0, float("nan"), float("inf")], [1.0, None, None]),
    ],
)
def test_numbers_and_what_prints_as_one_are_numbers(
    values: list[Scalar | None], expected: list[float | None]
) -> None:
    assert one(values) == {"name": "c", "kind": "number", "values": expected}


@pytest.mark.parametrize(
    "values",
    [["007", "008"], ["1e3", "5"], ["1,000", "2"], [True, False], [2**60, 1], ["nan", "1"]],
)
def test_what_would_not_survive_as_a_number_is_none(values: list[Scalar | None]) -> None:
    assert one(values)["kind"] == "category"


def test_text_fields_lead_and_empty_columns_are_left_out() -> None:
    columns: dict[str, list[Scalar | None]] = {
        "first": ["x", "x"],
        "empty": [None, ""],
        "title": ["y", "z"],
    }
    records, notes = encode_columns(columns, ["title", "unknown"])
    assert [record["name"] for record in records] == ["title", "first"]
    assert notes == []


def test_five_thousand_columns_and_a_huge_cell_are_cut_and_said() -> None:
    columns: dict[str, list[Scalar | None]] = {f"c{i}": ["v", "w"] for i in range(5000)}
    columns["c0"] = ["x" * 100_000, "y"]
    records, notes = encode_columns(columns, ["c4999"])
    assert len(records) == MAX_COLUMNS
    assert records[0]["name"] == "c4999"
    assert max(len(value) for value in records[1]["values"]) == MAX_TEXT
    assert any("40 of 5000 columns" in note for note in notes)
    assert any(note.startswith("1 cell") for note in notes)


@pytest.mark.parametrize(
    ("top", "kind"), [(255, "u8"), (256, "u16"), (65535, "u16"), (65536, "u32")]
)
def test_codes_take_the_smallest_type(top: int, kind: str) -> None:
    codes = codes_base64([0, top])
    assert codes["type"] == kind
    assert decoded(codes) == [0, top]


def test_positions_keep_their_shape_within_a_65534th() -> None:
    coords = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32) * [5, 1, 0.1] + 100
    raw = np.frombuffer(base64.b64decode(int16_base64(coords.astype(np.float32))), "<i2")
    back = raw.reshape(-1, 3) / 32767
    half = np.ptp(coords, axis=0).max() / 2
    middle = (coords.min(axis=0) + coords.max(axis=0)) / 2
    assert np.abs(back * half + middle - coords).max() <= half / 32767


@pytest.mark.parametrize("coords", [np.zeros((0, 3)), np.zeros((1, 2)), np.ones((4, 3))])
def test_no_points_one_point_and_equal_points_have_positions(coords: np.ndarray[Any, Any]) -> None:
    raw = base64.b64decode(int16_base64(coords.astype(np.float32)))
    assert raw == bytes(2 * coords.size)
