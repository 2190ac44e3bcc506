"""Figures that say how well clusters hold together, in vector space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust.data import NOISE, Clustering, Embeddings

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SILHOUETTE_ROWS", "cluster_details", "silhouettes"]

SILHOUETTE_ROWS: Final = 5000
"""Above so many rows the silhouette is taken of a sample: it needs all pairs."""
_TYPICAL: Final = 5


def silhouettes(
    embeddings: Embeddings, clustering: Clustering, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the rows looked at and the cosine silhouette of each; none below two clusters.

    Noise is left out. The mean is scikit-learn's `silhouette_score(metric="cosine")`
    (Rousseeuw 1987).
    """
    rows = np.flatnonzero(clustering.clusters != NOISE)
    if len(rows) > SILHOUETTE_ROWS:
        chosen = np.random.default_rng(seed).choice(len(rows), SILHOUETTE_ROWS, replace=False)
        rows = rows[np.sort(chosen)]
    labels = clustering.clusters[rows]
    if not 2 <= len(np.unique(labels)) < len(rows):
        return rows[:0], np.zeros(0)
    from sklearn.metrics import silhouette_samples

    return rows, silhouette_samples(embeddings.vectors[rows], labels, metric="cosine")


def cluster_details(
    clustering: Clustering, rows: NDArray[np.intp], values: NDArray[np.float64]
) -> dict[str, dict[str, Any]]:
    """Return, per cluster number, its figures and its most and least typical rows.

    `rows`, `values`: as `silhouettes` returns them.
    """
    labels = clustering.clusters[rows]
    details: dict[str, dict[str, Any]] = {}
    for number in clustering.numbers:
        members = np.flatnonzero(clustering.clusters == number)
        nearest = members[np.argsort(clustering.distances[members], kind="stable")]
        own = values[labels == number]
        details[str(number)] = {
            "mean_distance": round(float(clustering.distances[members].mean()), 6),
            "medoid": clustering.ids[clustering.medoids[number]],
            "silhouette": round(float(own.mean()), 6) if own.size else None,
            "size": len(members),
            "typical": [clustering.ids[row] for row in nearest[:_TYPICAL]],
            "untypical": [clustering.ids[row] for row in nearest[::-1][:_TYPICAL]],
        }
    return details
