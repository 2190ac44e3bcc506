"""Checks the shape and finiteness of vectors and brings them to unit length: the only place.

Everything downstream (ledger, clusterers, the map) relies on float32 rows of length one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust.errors import EmbclustError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import Vectors

__all__ = ["MIN_NORM", "bad_rows", "unit_rows"]

MIN_NORM: Final = 1e-6
"""A row shorter than this has no direction worth keeping."""

_UNIT_TOLERANCE: Final = 1e-6
_CHUNK_ROWS: Final = 8192
"""Lengths are computed in float64, a chunk at a time, so that no float64 copy of all is made."""


def bad_rows(vectors: NDArray[Any], dim: int | None = None) -> dict[int, str]:
    """Return row index -> reason for every row that cannot be brought to unit length.

    `vectors`: any real dtype, (n, d). Raises EmbclustError when it has another shape, or d is
    not `dim`: that concerns the whole array, not single rows.
    """
    _check_shape(vectors, dim)
    bad: dict[int, str] = {}
    for start, chunk in _chunks(vectors):
        lengths = _lengths(chunk)
        for offset in np.flatnonzero(~(np.isfinite(lengths) & (lengths >= MIN_NORM))):
            bad[start + int(offset)] = _reason(chunk[offset])
    return bad


def unit_rows(vectors: NDArray[Any], dim: int | None = None) -> Vectors:
    """Return the rows as float32 (n, d) of unit length, in C order.

    Rows that are of unit length already are kept bit for bit, so doing it twice changes nothing.
    Raises EmbclustError for a wrong shape, and for the first row `bad_rows` would name.
    """
    _check_shape(vectors, dim)
    unit = np.empty(vectors.shape, dtype=np.float32)
    for start, chunk in _chunks(vectors):
        lengths = _lengths(chunk)
        bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths >= MIN_NORM)))
        if bad.size:
            row = int(bad[0])
            raise EmbclustError(
                f"Vector {start + row} of {len(vectors)} cannot be used: {_reason(chunk[row])}.",
                "Rows without a usable vector must be left out.",
            )
        is_unit = np.abs(lengths - 1.0) <= _UNIT_TOLERANCE
        unit[start : start + len(chunk)] = chunk / np.where(is_unit, 1.0, lengths)[:, None]
    return unit


def _check_shape(vectors: NDArray[Any], dim: int | None) -> None:
    if vectors.dtype.kind not in "fiu":
        raise EmbclustError(f"Vectors must be real numbers, not {vectors.dtype}.")
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise EmbclustError(f"Vectors must be of shape (n, d), not {vectors.shape}.")
    if dim is not None and vectors.shape[1] != dim:
        raise EmbclustError(
            f"Vectors have {vectors.shape[1]} dimensions, expected {dim}.",
            "Was the collection made by another encoder?",
        )


def _chunks(vectors: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    for start in range(0, len(vectors), _CHUNK_ROWS):
        yield start, vectors[start : start + _CHUNK_ROWS].astype(np.float64)


def _lengths(chunk: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Euclidean lengths; NaN or Inf where a row is not finite."""
    # Scaled by the largest value first: squaring 1e200 would overflow.
    largest = np.abs(chunk).max(axis=1)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths: NDArray[np.float64] = scale * np.linalg.norm(chunk / scale[:, None], axis=1)
    return lengths


def _reason(row: NDArray[np.float64]) -> str:
    if np.isnan(row).any():
        return "the vector contains NaN"
    if np.isinf(row).any():
        return "the vector contains Inf"
    return "the vector has no length"
