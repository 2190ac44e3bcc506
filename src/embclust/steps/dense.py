"""From an algorithm's dense labels 0..k-1, which end here, to clusters with stable numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from embclust.data import NOISE, Clustering, Embeddings
from embclust.errors import EmbclustError
from embclust.steps.matching import Matching, match_clusters
from embclust.vectors import bad_rows, unit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import Labels, Vectors

__all__ = ["checked", "nearest", "numbered", "ordered"]

_CHUNK_ROWS: Final = 8192


def checked(
    kind: str, vectors: Vectors, labels: NDArray[np.int32], centres: Vectors
) -> tuple[Labels, Vectors]:
    """Hold a plug-in to its contract; centres come back as unit rows."""
    k = len(centres)
    if labels.shape != (len(vectors),) or labels.min() < NOISE or labels.max() >= k:
        raise EmbclustError(
            f"The clusterer '{kind}' returned labels of shape {labels.shape} for "
            f"{len(vectors)} rows and {k} centres.",
            "Labels must be one per row, 0..k-1 or -1.",
        )
    if not k:
        return labels.astype(np.int32), np.zeros((0, vectors.shape[1]), dtype=np.float32)
    unusable = bad_rows(centres, dim=vectors.shape[1])
    if unusable:
        # Members that cancel out have no mean direction: the first of them stands for all.
        centres = np.array(centres, dtype=np.float32)
        for label in unusable:
            members = np.flatnonzero(labels == label)
            centres[label] = vectors[members[0] if members.size else 0]
    return labels.astype(np.int32), unit_rows(centres)


def ordered(labels: Labels, centres: Vectors) -> tuple[Labels, Vectors]:
    """Renumber dense labels by size, largest first, ties by smallest id; drop empty ones."""
    sizes = np.bincount(labels[labels != NOISE], minlength=len(centres))
    first = np.full(len(centres) + 1, len(labels))  # the last: noise
    present, rows = np.unique(labels, return_index=True)
    first[present] = rows
    order = np.lexsort((first[:-1], -sizes))
    order = order[sizes[order] > 0]
    place = np.full(len(centres) + 1, NOISE, dtype=np.int32)  # the last: noise
    place[order] = np.arange(len(order), dtype=np.int32)
    return place[labels], centres[order]


def numbered(
    embeddings: Embeddings,
    labels: Labels,
    centres: Vectors,
    old: Clustering | None,
    next_number: int,
) -> tuple[Clustering, Matching | None]:
    """Give ordered dense labels their stable numbers; 0..k-1 when there is no `old` run."""
    matching = None
    numbers = list(range(len(centres)))
    if old is not None:
        matching = match_clusters(old, embeddings.ids, labels, centres, next_number)
        numbers = matching.numbers
    order = np.argsort(numbers, kind="stable")
    clusters = np.array([*numbers, NOISE], dtype=np.int32)[labels]
    distances = _distances(embeddings.vectors, labels, centres)
    medoids = {}
    for label in order.tolist():
        members = np.flatnonzero(labels == label)
        medoids[numbers[label]] = int(members[np.argmin(distances[members])])
    clustering = Clustering(
        ids=embeddings.ids,
        clusters=clusters,
        numbers=[numbers[label] for label in order],
        centres=centres[order],
        distances=distances,
        medoids=medoids,
    )
    return clustering, matching


def _distances(vectors: Vectors, labels: Labels, centres: Vectors) -> NDArray[np.float32]:
    """Return cosine distances to the own centre; noise: to the nearest, 1.0 if there is none.

    Rounded to 1e-6, below which sums differ between machines: equals are then equal, and the
    smallest id is the medoid.
    """
    if not len(centres):
        return np.ones(len(vectors), dtype=np.float32)
    closest = nearest(vectors, centres)
    own = np.where(labels == NOISE, closest, labels)
    distances = np.empty(len(vectors), dtype=np.float64)
    for begin in range(0, len(vectors), _CHUNK_ROWS):
        chunk = slice(begin, begin + _CHUNK_ROWS)
        left, right = vectors[chunk].astype(np.float64), centres[own[chunk]].astype(np.float64)
        distances[chunk] = 1.0 - np.einsum("ij,ij->i", left, right)
    return np.clip(np.round(distances, 6), 0.0, 2.0).astype(np.float32)


def nearest(vectors: Vectors, centres: Vectors) -> NDArray[np.intp]:
    """Return, per row, the index of the nearest centre."""
    index = np.empty(len(vectors), dtype=np.intp)
    for begin in range(0, len(vectors), _CHUNK_ROWS):
        chunk = slice(begin, begin + _CHUNK_ROWS)
        index[chunk] = (vectors[chunk] @ centres.T).argmax(axis=1)
    return index
