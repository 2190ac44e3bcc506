"""Nearest points by comparing all, the same ones on any number of threads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]

__all__ = ["nearest", "nearest_others"]

_CHUNK_ROWS: Final = 1024


def nearest(points: Floats, among: Floats, count: int) -> tuple[Floats, Rows]:
    """Return distances and rows of the `count` nearest of `among`, (n, count), nearest first.

    scikit-learn shares one search out by how many threads there are, and which of several equally
    near points it returns depends on that: here every chunk is searched by one thread.
    """
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(among)

    def of_chunk(start: int) -> tuple[Floats, Rows]:
        with threadpool_limits(limits=1, user_api="openmp"):  # holds for the calling thread only
            found: tuple[Floats, Rows] = search.kneighbors(points[start : start + _CHUNK_ROWS])
            return found

    starts = range(0, len(points), _CHUNK_ROWS)
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(of_chunk, starts))
    distances, rows = zip(*parts, strict=True)
    return np.concatenate(distances), np.concatenate(rows)


def nearest_others(points: Floats, count: int) -> tuple[Floats, Rows]:
    """Return the same for each of the points among the others."""
    n = len(points)
    distances, rows = nearest(points, points, count + 1)
    own = rows == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True  # hidden behind points on the very same spot
    return distances[~own].reshape(n, count), rows[~own].reshape(n, count)
