"""The neighbour graph of a table: who is near whom by cosine, and how many friends they share."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import Labels, Vectors

    Sparse = Any  # scipy.sparse.csr_array, which has no types

__all__ = ["affinity", "joined", "linked", "nearest_rows", "neighbours_for", "vote"]

_CELLS: Final = 8_000_000
"""So many similarities are held at once per thread (32 MB, and twice that to sort them)."""
_FLOOR: Final = 0.3
"""What two neighbours without a shared one weigh. Shared ones alone leave texts in pieces, equal
weights blur pictures; see docs/clustering.md for the figures."""


def neighbours_for(rows: int, k: int, wanted: int) -> int:
    """Return how many neighbours to look at: at most half of what an average cluster holds."""
    return min(wanted, max(3, rows // (2 * k)), rows - 1)


def nearest_rows(queries: Vectors, base: Vectors, count: int, *, same: bool) -> NDArray[np.intp]:
    """Return the `count` rows of `base` most similar to each query, intp (n, count), by index.

    Exact, in blocks of fixed size, so that the number of threads changes nothing. With `same`
    the queries are the base, and no row is its own neighbour. Call it with BLAS on one thread.
    """
    step = max(1, _CELLS // len(base))
    found = np.empty((len(queries), count), dtype=np.intp)

    def look(begin: int) -> None:
        likeness = queries[begin : begin + step] @ base.T
        if same:
            own = np.arange(len(likeness))
            likeness[own, begin + own] = -np.inf
        np.negative(likeness, out=likeness)
        if count < len(base):
            part = np.argpartition(likeness, count - 1, axis=1)[:, :count]
        else:
            part = np.tile(np.arange(count), (len(likeness), 1))
        found[begin : begin + step] = np.sort(part, axis=1)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for _ in pool.map(look, range(0, len(queries), step)):
            pass
    return found


def joined(neighbours: NDArray[np.intp]) -> Sparse:
    """Return who has whom as a neighbour, csr (n, n) of ones."""
    from scipy.sparse import csr_array

    n, count = neighbours.shape
    own = np.repeat(np.arange(n), count)
    return csr_array((np.ones(n * count), (own, neighbours.ravel())), shape=(n, n))


def affinity(neighbours: NDArray[np.intp]) -> Sparse:
    """Return the symmetric weights of the shared-neighbour graph, float64 csr (n, n).

    Two rows are joined when one is among the other's neighbours, and weigh what share of their
    neighbours they have in common (Jarvis and Patrick, "Clustering using a similarity measure
    based on shared near neighbors", 1973; as a Jaccard index, and on top of a floor). It counts
    half when only one has the other as a neighbour, so that rows near everything (hubs) weigh
    less.
    """
    from scipy.sparse import eye_array

    n, count = neighbours.shape
    graph = joined(neighbours)
    around = (graph + eye_array(n, format="csr")).tocsr()
    mutual = ((graph + graph.T) / 2).tocsr()
    # Only the pairs that are joined are counted: all pairs that share one would be many more.
    mutual.sort_indices()
    left = np.repeat(np.arange(n), np.diff(mutual.indptr))
    shared = _shared(around, left, mutual.indices)
    jaccard = shared / (2 * (count + 1) - shared)
    mutual.data *= jaccard + _FLOOR
    return mutual


def _shared(around: Sparse, left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    """Return how many entries the rows left[i] and right[i] of a 0/1 matrix have in common."""
    shared = np.empty(len(left))
    for begin in range(0, len(left), 500_000):
        part = slice(begin, begin + 500_000)
        shared[part] = around[left[part]].multiply(around[right[part]]).sum(axis=1)
    return shared


def linked(graph: Sparse, rows: Vectors) -> tuple[Sparse, int]:
    """Return the graph with its pieces joined, and how many pieces there were.

    Each piece gets an edge of usual weight to the most similar row outside, until all hang
    together (Boruvka's way to a spanning tree). Unconnected pieces would each take a cluster,
    however small.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pieces, piece_of = connected_components(graph, directed=False)
    before = int(pieces)
    while pieces > 1:
        small = np.flatnonzero(piece_of != np.bincount(piece_of).argmax())
        other, likeness = _nearest_outside(rows, piece_of, small)
        order = np.lexsort((small, -likeness, piece_of[small]))
        firsts = np.unique(piece_of[small][order], return_index=True)[1]
        ours, theirs = small[order][firsts], other[order][firsts]
        weight = np.full(len(ours), np.median(graph.data))
        edges = coo_array((weight, (ours, theirs)), shape=graph.shape).tocsr()
        # Two pieces may have chosen the same edge.
        graph = graph.maximum(edges.maximum(edges.T)).tocsr()
        pieces, piece_of = connected_components(graph, directed=False)
    return graph, before


def _nearest_outside(
    rows: Vectors, piece_of: NDArray[np.int32], members: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return, for each member, the most similar row of another piece, and the similarity."""
    other = np.empty(len(members), dtype=np.intp)
    likeness = np.empty(len(members), dtype=np.float32)
    step = max(1, _CELLS // len(rows))
    for begin in range(0, len(members), step):
        part = members[begin : begin + step]
        found = rows[part] @ rows.T
        found[piece_of[part][:, None] == piece_of[None, :]] = -np.inf
        other[begin : begin + step] = found.argmax(axis=1)
        likeness[begin : begin + step] = found.max(axis=1)
    return other, likeness


def vote(labels: Labels, neighbours: NDArray[np.intp], k: int) -> Labels:
    """Return the label most of each row's neighbours have, int32; ties go to the smaller one."""
    votes = np.zeros((len(neighbours), k), dtype=np.int32)
    for column in neighbours.T:
        votes[np.arange(len(votes)), labels[column]] += 1
    winner: Labels = votes.argmax(axis=1).astype(np.int32)
    return winner
