"""Whether a clustering comes back when some of the rows are missing.

Rows are drawn without replacement, clustered with another seed, and the two groupings of the
same rows compared (Ben-Hur, Elisseeff and Guyon, "A stability based method for discovering
structure in clustered data", 2002), by the adjusted Rand index (Hubert and Arabie 1985; 1 the
same, 0 no more alike than by chance) and, per cluster, by the Jaccard overlap with the cluster
that is most like it (Hennig, "Cluster-wise assessment of cluster stability", 2007).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust import plugins
from embclust.data import NOISE
from embclust.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import Labels, Vectors

__all__ = ["SAMPLE_ROWS", "Stability", "clustered", "draw", "measure"]

SAMPLE_ROWS: Final = 2000
"""Of a larger collection so many rows are drawn, and the parts of them."""
_ROWS_PER_CLUSTER: Final = 40
"""With very many clusters more are drawn, so that each of them is still there."""
ROUNDS: Final = 4
_SHARE: Final = 0.8
_LEAST_ROWS: Final = 10


@dataclass(frozen=True, slots=True)
class Stability:
    """How alike the clustering and those of parts of its rows are.

    `values`: adjusted Rand index of each part. `rows`: how many rows a part has.
    `per_cluster`: cluster number -> mean Jaccard overlap, for the clusters that were drawn.
    """

    values: list[float]
    rows: int
    per_cluster: dict[int, float] = field(default_factory=dict)

    @property
    def ari(self) -> float:
        """The mean over the parts."""
        return float(np.mean(self.values))

    def as_json(self) -> dict[str, Any]:
        """Return what reports show of it."""
        return {
            "ari": round(self.ari, 6),
            "lowest": round(min(self.values), 6),
            "rows": self.rows,
            "runs": len(self.values),
        }


def draw(n: int, seed: int, k: int = 1) -> tuple[NDArray[np.intp], list[NDArray[np.intp]]]:
    """Return the rows to look at, sorted, and the parts of them (positions in the former)."""
    rng = np.random.default_rng(seed)
    rows = np.arange(n)
    most = max(SAMPLE_ROWS, _ROWS_PER_CLUSTER * k)
    if n > most:
        rows = np.sort(rng.choice(n, most, replace=False))
    size = round(_SHARE * len(rows))
    return rows, [np.sort(rng.permutation(len(rows))[:size]) for _ in range(ROUNDS)]


def clustered(
    kind: str, options: Mapping[str, Any], vectors: Vectors, number: int, share: float = 1.0
) -> Labels:
    """Cluster a part of the rows from nothing, with a seed of its own.

    `share`: what part of the collection the rows are; a smallest cluster size shrinks with it.
    Raises UsageError where the options do not fit the rows.
    """
    known = plugins.options_of("clusterer", kind).model_fields
    changed = dict(options)
    if "seed" in known:
        changed["seed"] = (int(changed.get("seed") or 0) + number) % 2**32
    smallest = changed.get("min_cluster_size")
    if "min_cluster_size" in known and smallest is not None:
        changed["min_cluster_size"] = max(2, round(int(smallest) * share))
    labels, _ = plugins.build("clusterer", kind, changed).cluster(vectors, None)
    found: Labels = np.asarray(labels)
    return found


def measure(
    vectors: Vectors, clusters: Labels, kind: str, options: Mapping[str, Any], seed: int
) -> Stability | None:
    """Return how stable a clustering is; None where that cannot be said.

    `clusters`: int32 (n,), any numbers; noise counts as a group of its own. With fewer than ten
    rows, with all rows in one group, or when the parts are too small for the options, there is
    nothing to say.
    """
    n = len(clusters)
    k = len(np.unique(clusters))
    if n < _LEAST_ROWS or k < 2:
        return None
    rows, parts = draw(n, seed, k)
    values, overlaps = [], []
    try:
        for number, part in enumerate(parts, 1):
            chosen = rows[part]
            found = clustered(kind, options, vectors[chosen], number, len(chosen) / n)
            values.append(agreement(clusters[chosen], found))
            overlaps.append(_overlaps(clusters[chosen], found))
    except UsageError:
        return None
    return Stability(values, len(parts[0]), _means(overlaps))


def agreement(one: Labels, other: Labels) -> float:
    """Return the adjusted Rand index of two groupings of the same rows."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(one, other))


def _overlaps(clusters: Labels, found: Labels) -> dict[int, float]:
    """Return, per cluster, the largest Jaccard overlap with a found one (noise is none)."""
    numbers, rows = np.unique(clusters, return_inverse=True)
    labels, columns = np.unique(found, return_inverse=True)
    both = np.zeros((len(numbers), len(labels)))
    np.add.at(both, (rows, columns), 1)
    either = both.sum(axis=1)[:, None] + both.sum(axis=0)[None, :] - both
    ratio = np.where(labels == NOISE, 0.0, both / either).max(axis=1)
    return {int(number): float(ratio[at]) for at, number in enumerate(numbers) if number != NOISE}


def _means(overlaps: Sequence[Mapping[int, float]]) -> dict[int, float]:
    numbers = sorted(set().union(*overlaps))
    return {
        number: round(float(np.mean([one[number] for one in overlaps if number in one])), 6)
        for number in numbers
    }
