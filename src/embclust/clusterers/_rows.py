"""What every clusterer needs: a check of its input, and the centres of a labelling."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from embclust.errors import UsageError
from embclust.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from embclust.data import Labels, Vectors

__all__ = [
    "K",
    "centres_of",
    "check_rows",
    "fewer_are_fine",
    "fixed_k",
    "polished",
    "renumber",
    "unit",
    "usable",
]

K = Annotated[int, Field(ge=1)] | Literal["auto"]
"""How many clusters; `auto` leaves it to the step, which tries several and builds with one."""


def fixed_k(k: int | Literal["auto"], rows: int) -> int:
    """Return k for so many rows. Raises UsageError when it is more, or still `auto`."""
    if k == "auto":
        raise UsageError("cluster.k is auto, which only `embclust cluster` and `plot` can settle.")
    if rows < k:
        raise UsageError(
            f"cluster.k is {k}, but there are only {counted(rows, 'row')}.",
            f"Ask for at most {counted(rows, 'cluster')} with --k.",
        )
    return k


def check_rows(vectors: NDArray[Any]) -> Vectors:
    """Return the rows as float32 (n, d) in C order.

    Raises UsageError when there is no row, the shape is wrong, or a value is not finite.
    """
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise UsageError(f"Vectors to cluster must be of shape (n, d), not {vectors.shape}.")
    if len(vectors) == 0:
        raise UsageError(
            "There is nothing to cluster: the collection has no rows.", "Index some rows first."
        )
    if not np.isfinite(vectors).all():
        raise UsageError(
            "Vectors to cluster must be finite, and some contain NaN or Inf.",
            "Encode those rows again with `embclust index --reencode`.",
        )
    return np.ascontiguousarray(vectors, dtype=np.float32)


def usable(start: Vectors | None, k: int, rows: Vectors) -> Vectors | None:
    """Return the last centres if there are as many as now, of the rows' length; else None."""
    return start if start is not None and start.shape == (k, rows.shape[1]) else None


@contextmanager
def fewer_are_fine() -> Iterator[None]:
    """Keep scikit-learn's k-means from warning of fewer distinct rows than clusters.

    That is no fault of the caller: fewer clusters come back.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def unit(rows: NDArray[Any]) -> Vectors:
    """Return the rows scaled to length one, float32; a row without a length stays zero."""
    rows = rows.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Vectors = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0).astype(
        np.float32
    )
    return scaled


def centres_of(vectors: Vectors, labels: Labels) -> Vectors:
    """Return the unit mean of each cluster, float32 (k, d), for dense labels 0..k-1.

    Where the rows of a cluster cancel out (opposite directions), its first row stands for it.
    """
    k = int(labels.max(initial=-1)) + 1
    if k == 0:
        return np.empty((0, vectors.shape[1]), dtype=np.float32)
    order = np.argsort(labels, kind="stable")
    firsts = np.searchsorted(labels[order], np.arange(k))
    sums = np.add.reduceat(vectors[order], firsts, axis=0, dtype=np.float64)
    for cluster in np.flatnonzero(np.linalg.norm(sums, axis=1) < 1e-6):
        sums[cluster] = vectors[np.argmax(labels == cluster)]
    return unit(sums)


def renumber(labels: NDArray[Any], by_size: bool) -> Labels:
    """Return the labels as dense int32 0..k-1; -1 stays.

    Numbered by size, largest first (ties: the one whose first row comes first), or, without
    `by_size`, in their old order with the gaps closed.
    """
    found, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    keep = found >= 0
    found, first, sizes = found[keep], first[keep], sizes[keep]
    order = np.lexsort((first, -sizes)) if by_size else np.arange(len(found))
    table = np.full(int(labels.max(initial=-1)) + 2, -1, dtype=np.int32)
    table[found[order]] = np.arange(len(found), dtype=np.int32)
    dense: Labels = table[labels]  # label -1 reads the last entry, which is -1
    return dense


def polished(rows: Vectors, centres: Vectors, rounds: int) -> Labels:
    """Move on from k-means to spherical k-means: every row with its most similar centre.

    Dhillon and Modha, "Concept decompositions for large sparse text data using clustering", 2001.
    It starts near a k-means optimum, so a few rounds at the borders are enough. Labels are of the
    centres given, int32 (n,); a centre that no row is nearest to has none.
    """
    labels = np.full(len(rows), -1, dtype=np.int32)
    centres = unit(centres)
    for _ in range(rounds):
        nearest = np.argmax(rows @ centres.T, axis=1).astype(np.int32)
        if np.array_equal(nearest, labels):
            break
        labels = nearest
        taken = np.unique(labels)
        # A centre that no row is nearest to stays where it is.
        centres[taken] = centres_of(rows, renumber(labels, by_size=False))
    return labels
