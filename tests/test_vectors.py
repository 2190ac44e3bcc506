from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from embclust.errors import EmbclustError
from embclust.vectors import bad_rows, unit_rows

finite = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.floats(-1e300, 1e300, allow_subnormal=False),
)


@settings(deadline=None)
@given(finite)
def test_usable_rows_come_back_at_length_one_and_in_their_direction(rows: NDArray[Any]) -> None:
    bad = bad_rows(rows)
    good = np.delete(rows, list(bad), axis=0)
    unit = unit_rows(good)
    assert unit.dtype == np.float32
    assert unit.flags.c_contiguous
    assert np.allclose(np.linalg.norm(unit, axis=1), 1.0, atol=1e-6)
    largest = np.abs(good).max(axis=1, keepdims=True, initial=0)
    scaled = good / np.where(largest > 0, largest, 1)
    expected = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    assert np.allclose(unit, expected, atol=1e-5)


@settings(deadline=None)
@given(finite)
def test_doing_it_twice_changes_no_bit(rows: NDArray[Any]) -> None:
    once = unit_rows(np.delete(rows, list(bad_rows(rows)), axis=0))
    assert unit_rows(once).tobytes() == once.tobytes()


def test_bad_rows_are_named_with_their_reason() -> None:
    rows = np.ones((20_000, 4), dtype=np.float32)
    rows[3, 1] = np.nan
    rows[9000] = 0
    rows[9001] = 1e-8
    rows[19_999, 0] = -np.inf
    rows[19_999, 1] = np.inf
    assert bad_rows(rows) == {
        3: "the vector contains NaN",
        9000: "the vector has no length",
        9001: "the vector has no length",
        19_999: "the vector contains Inf",
    }
    with pytest.raises(EmbclustError, match=r"Vector 3 of 20000 cannot be used: .*NaN"):
        unit_rows(rows)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int64, np.uint8])
def test_vectors_of_any_real_type_are_normalised(dtype: type) -> None:
    unit = unit_rows(np.array([[3, 4], [0, 2]], dtype=dtype))
    assert unit == pytest.approx(np.array([[0.6, 0.8], [0.0, 1.0]]))


def test_the_input_is_not_changed() -> None:
    rows = np.array([[3.0, 4.0]], dtype=np.float32)
    unit_rows(rows)
    assert rows.tolist() == [[3.0, 4.0]]


@pytest.mark.parametrize(
    "vectors",
    [np.ones(3), np.ones((2, 0)), np.ones((1, 2, 3)), np.array([["a"]]), np.ones((1, 1), complex)],
)
def test_what_is_no_table_of_numbers_is_refused(vectors: NDArray[Any]) -> None:
    with pytest.raises(EmbclustError, match="Vectors must be"):
        bad_rows(vectors)
    with pytest.raises(EmbclustError, match="Vectors must be"):
        unit_rows(vectors)


def test_another_dimension_than_expected_is_refused() -> None:
    with pytest.raises(EmbclustError, match="8 dimensions, expected 9"):
        unit_rows(np.ones((2, 8)), dim=9)
    with pytest.raises(EmbclustError, match="8 dimensions, expected 9"):
        bad_rows(np.ones((2, 8)), dim=9)


def test_no_rows_are_fine() -> None:
    assert unit_rows(np.zeros((0, 5)), dim=5).shape == (0, 5)
    assert bad_rows(np.zeros((0, 5))) == {}
