"""Principal components without a random start, and the frame every map is put into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embclust.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from embclust.data import Vectors

    Floats = NDArray[np.float64]

__all__ = ["check_input", "frame", "principal_components"]

_CHUNK_ROWS = 8192
"""Rows are brought to float64 a chunk at a time, so that no float64 copy of all is made."""


def check_input(vectors: NDArray[Any], dims: int) -> None:
    """Raise UsageError unless there are finite rows and dims is 2 or 3."""
    if dims not in (2, 3):
        raise UsageError(f"A map has 2 or 3 dimensions, not {dims}.", "Use --dims 2 or --dims 3.")
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise UsageError(
            f"There is nothing to lay out: the vectors are of shape {vectors.shape}.",
            "Index some rows first.",
        )
    if not np.isfinite(vectors).all():
        raise UsageError(
            "Vectors to lay out must be finite, and some contain NaN or Inf.",
            "Encode those rows again with `embclust index --reencode`.",
        )


def principal_components(vectors: Vectors, dims: int) -> Floats:
    """Return the rows on their first principal components, float64 (n, min(dims, n, d)).

    Exact (eigenvectors of the covariance), on one thread so that the last bits are the same on
    any number of cores. Of the two signs of a component the one is taken that makes the
    coordinate farthest from the origin positive. Components without variance are zero.
    """
    from threadpoolctl import threadpool_limits

    n, d = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64)
    with threadpool_limits(limits=1):
        if d <= n:
            covariance = np.zeros((d, d))
            for chunk in _chunks(vectors, mean):
                covariance += chunk.T @ chunk
            variances, axes = np.linalg.eigh(covariance)
            axes = axes[:, ::-1][:, :dims]
            scores = np.concatenate([chunk @ axes for chunk in _chunks(vectors, mean)])
        else:  # fewer rows than columns: the Gram matrix is the smaller of the two
            centred = vectors.astype(np.float64) - mean
            variances, axes = np.linalg.eigh(centred @ centred.T)
            scales = np.sqrt(np.maximum(variances[::-1][:dims], 0.0))
            scores = axes[:, ::-1][:, :dims] * scales
    variances = variances[::-1][: scores.shape[1]]
    # What is left of a direction without variance is rounding, of no meaning and no fixed sign.
    scores[:, variances <= 1e-9 * max(float(variances[0]), 1e-9)] = 0.0
    farthest = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    signed: Floats = scores * np.where(farthest < 0, -1.0, 1.0)
    return signed


def _chunks(vectors: Vectors, mean: Floats) -> Iterator[Floats]:
    for start in range(0, len(vectors), _CHUNK_ROWS):
        yield vectors[start : start + _CHUNK_ROWS].astype(np.float64) - mean


def frame(coords: Floats, dims: int) -> NDArray[np.float32]:
    """Centre the map on the origin and scale it so that it just fits into [-1, 1].

    Missing dimensions are filled with zeros: float32 (n, dims).
    """
    framed = np.zeros((len(coords), dims))
    framed[:, : coords.shape[1]] = coords - coords.mean(axis=0)
    largest = np.abs(framed).max()
    if largest > 0:
        framed /= largest
    return framed.astype(np.float32)
