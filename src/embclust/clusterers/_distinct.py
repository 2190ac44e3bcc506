"""Which rows a graph is made of: every distinct row once, or a sample that hardly changes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embclust.clusterers._graph import nearest_rows, vote

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import Labels, Vectors

__all__ = ["Chosen", "choose", "describe", "sample_warning", "spread"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """`rows`: indices of the rows to cluster, ascending. `sampled`: not all distinct ones.

    `distinct`: index of the first of each distinct row; `same_as`: for every row, which of them
    it equals.
    """

    rows: NDArray[np.intp]
    distinct: NDArray[np.intp]
    same_as: NDArray[np.intp]

    @property
    def sampled(self) -> bool:
        """Whether there are more distinct rows than were chosen."""
        return len(self.rows) < len(self.distinct)


def choose(vectors: Vectors, limit: int, seed: int) -> Chosen:
    """Choose each distinct row once (many copies would be a cluster by themselves).

    Above `limit` those with the smallest hashes are taken, which is as good as drawing them, and
    takes the same ones again when the table has grown a little (Broder, "On the resemblance and
    containment of documents", 1997).
    """
    key = seed.to_bytes(8, "little")
    hashes = np.array([_hash(row, key) for row in vectors], dtype=np.uint64)
    _, first, same_as = np.unique(hashes, return_index=True, return_inverse=True)
    # np.unique sorts by hash, so the first of its list are the sample.
    taken = np.sort(first[:limit])
    return Chosen(taken, first, same_as)


def _hash(row: NDArray[np.float32], key: bytes) -> int:
    content = (row + np.float32(0)).tobytes()  # minus zero is zero
    return int.from_bytes(hashlib.blake2b(content, digest_size=8, key=key).digest(), "little")


def spread(vectors: Vectors, chosen: Chosen, labels: Labels, k: int, neighbours: int) -> Labels:
    """Return the labels of all rows, int32 (n,), from those of the chosen ones.

    A row that was not chosen joins the cluster most of its nearest chosen rows are in.
    """
    known = np.full(len(vectors), -1, dtype=np.int32)
    known[chosen.rows] = labels
    if chosen.sampled:
        missing = chosen.distinct[known[chosen.distinct] < 0]
        base = vectors[chosen.rows]
        near = nearest_rows(vectors[missing], base, min(neighbours, len(base)), same=False)
        known[missing] = vote(labels, near, k)
    everything: Labels = known[chosen.distinct][chosen.same_as]
    return everything


def sample_warning(chosen: Chosen, kind: str) -> list[str]:
    """Return the line that tells the user that not every row was clustered by itself."""
    if not chosen.sampled:
        return []
    done = f"{len(chosen.rows):,} of {len(chosen.distinct):,} different rows"
    line = (
        f"{kind} clustered a sample of {done}; the others joined their nearest neighbours' "
        "clusters (cluster.graph_rows)."
    )
    return [line]


def describe(chosen: Chosen) -> dict[str, Any]:
    """Return what `details` says about the rows that were clustered."""
    return {"distinct_rows": len(chosen.distinct), "clustered_rows": len(chosen.rows)}
