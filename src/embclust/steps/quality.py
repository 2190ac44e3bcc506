"""Figures that say how well clusters hold together, in vector space, and where they are kept.

docs/quality.md says what each of them means.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust.data import NOISE
from embclust.steps import artefacts
from embclust.workspace import json_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embclust.data import Clustering, Embeddings, Labels, Vectors
    from embclust.steps.stability import Stability
    from embclust.workspace import Workspace

__all__ = [
    "QUALITY_FILE",
    "figures",
    "load_quality",
    "mean_of",
    "quality_bytes",
    "same_run",
    "silhouettes",
]

QUALITY_FILE: Final = "quality.json"
_CLUSTERS_FILE: Final = "clusters.parquet"
_TYPICAL: Final = 5
_CHUNK_ROWS: Final = 8192


def silhouettes(vectors: Vectors, labels: Labels) -> NDArray[np.float64]:
    """Return the cosine silhouette of every row, float64 (n,): NaN for noise.

    All NaN where a silhouette is not defined: fewer than two clusters, or every row alone.
    `labels`: int32 (n,), any numbers, -1 = noise, which is left out. These are the values of
    scikit-learn's `silhouette_samples(metric="cosine")` (Rousseeuw 1987) on the other rows. For
    unit rows the mean cosine distance to a cluster is one minus the product with the sum of its
    rows, so that no pair is looked at, and no row has to be left out.
    """
    values = np.full(len(labels), np.nan)
    inside = np.flatnonzero(labels != NOISE)
    numbers, dense, sizes = np.unique(labels[inside], return_inverse=True, return_counts=True)
    if not 2 <= len(numbers) < len(inside):
        return values
    sums = np.zeros((len(numbers), vectors.shape[1]))
    for rows, own in _chunks(inside, dense):
        order = np.argsort(own, kind="stable")
        present, firsts = np.unique(own[order], return_index=True)
        sums[present] += np.add.reduceat(_unit(vectors[rows[order]]), firsts, axis=0)
    for rows, own in _chunks(inside, dense):
        unit = _unit(vectors[rows])
        products = unit @ sums.T
        at = np.arange(len(rows))
        alone = sizes[own] == 1
        # A row's distance to itself, which is zero, does not count.
        within = sizes[own] - 1 - (products[at, own] - 1.0)
        within = np.where(alone, 0.0, within / np.maximum(sizes[own] - 1, 1))
        between = 1.0 - products / sizes
        between[at, own] = np.inf
        nearest = np.maximum(between.min(axis=1), 0.0)
        within = np.maximum(within, 0.0)
        larger = np.maximum(within, nearest)
        found = np.divide(nearest - within, larger, out=np.zeros(len(rows)), where=larger > 1e-12)
        values[rows] = np.where(alone, 0.0, found)
    return values


def _chunks(
    rows: NDArray[np.intp], dense: NDArray[np.intp]
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    steps = range(0, len(rows), _CHUNK_ROWS)
    return [(rows[at : at + _CHUNK_ROWS], dense[at : at + _CHUNK_ROWS]) for at in steps]


def _unit(rows: Vectors) -> NDArray[np.float64]:
    """Rows of unit length in float32 are so to 1e-7 only, which would show in the sums."""
    wide = rows.astype(np.float64)
    unit: NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit


def _per_cluster(
    clustering: Clustering,
    values: NDArray[np.float64],
    stability: Stability | None,
) -> dict[str, dict[str, Any]]:
    """Return, per cluster number, its figures and its most and least typical rows.

    `values`: as `silhouettes` returns them.
    """
    details: dict[str, dict[str, Any]] = {}
    for number in clustering.numbers:
        members = np.flatnonzero(clustering.clusters == number)
        nearest = members[np.argsort(clustering.distances[members], kind="stable")]
        details[str(number)] = {
            "mean_distance": round(float(clustering.distances[members].mean()), 6),
            "medoid": clustering.ids[clustering.medoids[number]],
            "silhouette": mean_of(values[members]),
            "size": len(members),
            "stability": None if stability is None else stability.per_cluster.get(number),
            "typical": [clustering.ids[row] for row in nearest[:_TYPICAL]],
            "untypical": [clustering.ids[row] for row in nearest[::-1][:_TYPICAL]],
        }
    return details


def mean_of(values: NDArray[np.float64]) -> float | None:
    """Return the mean of the values that there are, to seven places; None without any."""
    there = values[~np.isnan(values)]
    return round(float(there.mean()), 7) if there.size else None


def figures(
    embeddings: Embeddings, clustering: Clustering, stability: Stability | None
) -> dict[str, Any]:
    """Return all figures of a clustering as plain JSON."""
    values = silhouettes(embeddings.vectors, clustering.clusters)
    noise = int(np.count_nonzero(clustering.clusters == NOISE))
    return {
        "k": len(clustering.numbers),
        "n": len(clustering.ids),
        "noise": noise,
        "noise_share": round(noise / len(clustering.ids), 6),
        "per_cluster": _per_cluster(clustering, values, stability),
        "silhouette": mean_of(values),
        "stability": None if stability is None else stability.as_json(),
    }


def quality_bytes(found: Mapping[str, Any]) -> bytes:
    """Return quality.json."""
    return json_bytes({"schema": 1, **found})


def load_quality(workspace: Workspace, collection: str) -> dict[str, Any] | None:
    """Return the figures of the clusters as they are; None when none are kept for them.

    Keys: `k`, `n`, `noise`, `noise_share`, `silhouette`, `stability` (`ari`, `min`, `runs`,
    `rows`), `auto` (how k was chosen; None when it was given) and `per_cluster`: number as text
    -> `size`, `silhouette`, `stability`, `mean_distance`, `medoid`, `typical`, `untypical`.
    """
    found = artefacts.read_artefact(workspace, collection, QUALITY_FILE)
    clusters = artefacts.read_manifest(workspace, collection)["artefacts"].get(_CLUSTERS_FILE)
    if found is None or clusters is None or not same_run(found[1], clusters):
        return None
    figures_: dict[str, Any] = json.loads(found[0])
    return figures_


def same_run(quality: Mapping[str, Any], clusters: Mapping[str, Any]) -> bool:
    """Whether the figures with this manifest entry are those of the clusters with that one."""
    keys = ("made_from", "run", "settings")
    return all(quality.get(key) == clusters.get(key) for key in keys)
