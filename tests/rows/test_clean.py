"""The cleaning gate: whatever goes in, what comes out is safe for every sink."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embclust.rows.clean import Cleaner, clean_fields


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (" kept ", " kept "),
        ("x" * 5_000_000, "x" * 5_000_000),
        ("a\x00\x1b\x7fb\t\r\n", "ab\t\r\n"),
        ("\ud800", "\ufffd"),
        (True, True),
        (2**63 - 1, 2**63 - 1),
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        (1.5, 1.5),
        (decimal.Decimal("1.10"), "1.10"),
        (dt.date(2024, 5, 6), "2024-05-06"),
        (dt.datetime(2024, 5, 6, 7, 8, tzinfo=dt.UTC), "2024-05-06T07:08:00+00:00"),
        (dt.time(7, 8), "07:08:00"),
        (dt.timedelta(minutes=1), 60.0),
        ([1, "a", None], '[1,"a",null]'),
        ((1, 2.5), "[1,2.5]"),
        ({"b", "a"}, '["a","b"]'),
        ({"é": [dt.date(2024, 1, 1)], 1: b"x"}, '{"é":["2024-01-01"],"1":null}'),
        ([], "[]"),
        ({}, "{}"),
    ],
)
def test_what_becomes_of_a_value(value: object, expected: object) -> None:
    (found,) = clean_fields({"k": value}).values()
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("value", [None, "", " \n", "\x00", math.nan, math.inf, -math.inf, b"x"])
def test_what_is_left_out(value: object) -> None:
    assert clean_fields({"k": value, "other": 1}) == {"other": 1}


def test_an_integer_too_long_to_spell_out() -> None:
    assert str(clean_fields({"k": 10**5_000})["k"]).startswith("0x")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (" a ", "a"),
        ("", "unnamed"),
        ("#", "unnamed"),
        ("#x", "x"),
        ("$ #x", "x"),
        ("chroma:x", "chroma_x"),
        ("#chroma:x", "chroma_x"),
        ("_embclust", "embclust"),
        ("_embclust_x", "embclust_x"),
        ("_private", "_private"),
        ("a\x00b", "ab"),
        ("\ud800", "\ufffd"),
        ("price $", "price $"),
    ],
)
def test_what_becomes_of_a_name(name: str, expected: str) -> None:
    assert clean_fields({name: 1}) == {expected: 1}


def test_collisions_lose_nothing() -> None:
    assert clean_fields({"#x": 1, "x": 2, "$x": 3, "x_2": 4}) == {
        "x_3": 1,
        "x": 2,
        "x_4": 3,
        "x_2": 4,
    }


def test_counts_are_told_once_per_column() -> None:
    cleaner = Cleaner(["a", "#b"])
    for _ in range(3):
        cleaner.fields({"a": math.nan, "#b": b"x", "c": "\x00y"})
    assert cleaner.warnings() == [
        "Columns renamed: '#b' -> 'b'.",
        "Column 'a': 3 values left out (not a finite number).",
        "Column 'b': 3 values left out (binary).",
        "Control characters removed from cells: 3.",
    ]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(categories=None) | st.sampled_from("\ud800\udfff\x00\x1b"))
    | st.binary()
    | st.dates()
    | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


# Drawing from all of Unicode is slow the first time: Hypothesis makes its tables then.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(st.characters(categories=None)), anything, max_size=8))
def test_any_row_comes_out_safe(raw: dict[str, Any]) -> None:
    fields = clean_fields(raw)
    for name, value in fields.items():
        assert name
        assert name == name.strip()
        assert not name.startswith(("#", "$", "chroma:", "_embclust"))
        assert type(value) in (str, int, float, bool)
        assert not isinstance(value, float) or math.isfinite(value)
        assert isinstance(value, bool) or not isinstance(value, int) or -(2**63) <= value < 2**63
    text = json.dumps(fields, ensure_ascii=False, allow_nan=False)
    assert json.loads(text.encode("utf-8")) == fields
    assert not {chr(code) for code in (*range(9), 11, 12, *range(14, 32), 127)} & set(
        "".join(map(str, fields.values()))
    )
    assert clean_fields(fields) == fields, "clean values stay as they are"
