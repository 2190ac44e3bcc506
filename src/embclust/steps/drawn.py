"""Which rows are drawn where there are too many for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import Clustering

    Rows = NDArray[np.intp]

__all__ = ["choose_rows"]

_LEAST: Final = 50
"""A cluster keeps so many rows, if it has them and there is room, however small its share is."""
_FINEST: Final = {2: 128, 3: 32}
"""Squares or cubes along each side of the map, to tell dense from sparse places by."""


def choose_rows(clustering: Clustering, coords: NDArray[np.float32], most: int) -> Rows:
    """Return the rows to draw, sorted: all, or exactly `most` of them; the same every time.

    `coords`: float32 (n, 2 or 3), the map. Every cluster, and the noise, gets its share of the
    places, small ones somewhat more. Within one the map is cut into squares or cubes; every one
    that has points keeps some, in proportion to the square root of how many it has, so that
    sparse regions stay and dense ones thin out. Medoids are always drawn.
    """
    n = len(clustering.clusters)
    if n <= most:
        return np.arange(n)
    medoids = np.array(sorted(clustering.medoids.values()), dtype=np.intp)
    numbers, group = np.unique(clustering.clusters, return_inverse=True)
    sizes = np.bincount(group)
    if len(numbers) > most:
        largest = np.sort(np.argsort(-sizes, kind="stable")[:most])
        firsts = {int(group[row]): int(row) for row in range(n - 1, -1, -1)}
        firsts |= {int(group[row]): int(row) for row in medoids.tolist()}
        return np.array(sorted(firsts[index] for index in largest.tolist()), dtype=np.intp)
    least = np.minimum(sizes, max(1, min(_LEAST, most // (2 * len(numbers)))))
    shares = _divide(sizes, sizes.astype(float), least, most)
    rng = np.random.default_rng(0)
    # The order in which the rows of one place are taken: the medoids, then by chance.
    turn = rng.permutation(n)
    turn[medoids] = -1
    chosen = [
        _thin(np.flatnonzero(group == index), coords, turn, share)
        for index, share in enumerate(shares.tolist())
    ]
    return np.sort(np.concatenate(chosen))


def _thin(rows: Rows, coords: NDArray[np.float32], turn: Rows, share: int) -> Rows:
    """`share` of the rows, from every place of the map that has some."""
    if share >= len(rows):
        return rows
    cell, sizes = _places(coords[rows], share)
    order = np.lexsort((turn[rows], cell))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.arange(len(rows)) - np.repeat(starts, sizes)
    keeps = _divide(sizes, np.sqrt(sizes), np.ones_like(sizes), share)
    # The medoid's place keeps at least one, and the medoid is the first to be taken.
    kept: Rows = rows[order[rank < np.repeat(keeps, sizes)]]
    return kept


def _places(coords: NDArray[np.float32], most: int) -> tuple[Rows, Rows]:
    """Each point's square or cube, numbered, and how many points each has; at most `most`."""
    low, high = coords.min(axis=0), coords.max(axis=0)
    width = float((high - low).max()) or 1.0
    side = _FINEST[coords.shape[1]]
    while True:
        at = np.minimum(((coords - low) / width * side).astype(np.int64), side - 1)
        flat = np.ravel_multi_index(tuple(at.T), (side,) * coords.shape[1])
        _, cell, sizes = np.unique(flat, return_inverse=True, return_counts=True)
        if len(sizes) <= most:
            return cell, sizes
        side //= 2


def _divide(sizes: Rows, weights: NDArray[np.float64], least: Rows, total: int) -> Rows:
    """Whole shares that add up to `total`, by weight, from `least` to `sizes` each.

    `least` must add up to at most `total`, `sizes` to at least that.
    """
    low, high = 0.0, float((sizes / weights).max())
    for _ in range(60):
        middle = (low + high) / 2
        if np.clip(middle * weights, least, sizes).sum() <= total:
            low = middle
        else:
            high = middle
    exact = np.clip(low * weights, least, sizes)
    shares = np.floor(exact).astype(np.intp)
    order = np.argsort(shares - exact, kind="stable")  # the largest fraction first
    open_ = order[shares[order] < sizes[order]]
    shares[open_[: total - int(shares.sum())]] += 1
    return shares
