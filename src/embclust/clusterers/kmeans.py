"""k-means on unit rows, where the squared Euclidean distance is twice the cosine distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from embclust.clusterers._rows import (
    K,
    centres_of,
    check_rows,
    fewer_are_fine,
    fixed_k,
    polished,
    renumber,
    unit,
    usable,
)

if TYPE_CHECKING:
    from embclust.data import Labels, Vectors

__all__ = ["KMeansClusterer"]

_MAX_ITERATIONS = 300
_POLISH_ITERATIONS = 30
_START_ROWS = 20_000
"""On larger tables the random starts compete on a sample of this size."""


class KMeansClusterer:
    """Lloyd's k-means from k-means++ starts (scikit-learn), finished on the unit sphere.

    The same vectors give the same answer, whatever the number of cores: the order in which
    threads add up sums would change the last bits, so it computes on one.
    With `start`, cluster i goes on from start[i]. Centres of another number or dimension are
    ignored: k centres made from fewer or more of them end in worse optima (tiny clusters around
    outliers, say) than a new beginning does.
    Identical rows can leave fewer than k clusters.

    `details` says after `cluster` how the result came about.
    """

    class Options(BaseModel):
        """Options of `cluster.kind: kmeans`."""

        model_config = ConfigDict(extra="forbid")

        k: K = Field(10, description="How many clusters.")
        seed: int = Field(0, ge=0, lt=2**32, description="Seed of the random starts.")
        n_init: int = Field(
            5, ge=1, le=1000, description="How many random starts; the tightest result wins."
        )

    def __init__(self, options: Options) -> None:
        self._options = options
        self.details: dict[str, Any] = {}

    def cluster(self, vectors: Vectors, start: Vectors | None = None) -> tuple[Labels, Vectors]:
        """Return labels int32 (n,), dense 0..k-1, and unit centres float32 (k, d).

        Without `start` clusters are numbered by size, largest first.
        Raises UsageError when there are fewer rows than clusters.
        """
        from threadpoolctl import threadpool_limits

        rows = check_rows(vectors)
        k = fixed_k(self._options.k, len(rows))
        last = usable(start, k, rows)
        warm = last is not None
        with threadpool_limits(limits=1):
            init = self._start(rows, k, None if last is None else unit(last))
            labels = polished(rows, self._lloyd(rows, k, init), _POLISH_ITERATIONS)
            labels = renumber(labels, by_size=not warm)
            centres = centres_of(rows, labels)
        self.details = {"algorithm": "lloyd", "warm_start": warm, "found": len(centres)}
        return labels, centres

    def _lloyd(self, rows: Vectors, k: int, init: Vectors | None) -> Vectors:
        """Return the centres of the best run, float32 (k, d), not of unit length."""
        from sklearn.cluster import KMeans

        model = KMeans(
            n_clusters=k,
            init="k-means++" if init is None else init,
            n_init=self._options.n_init if init is None else 1,
            max_iter=_MAX_ITERATIONS,
            random_state=self._options.seed,
            copy_x=True,
        )
        with fewer_are_fine():
            centres: Vectors = model.fit(rows).cluster_centers_
        return centres

    def _start(self, rows: Vectors, k: int, last: Vectors | None) -> Vectors | None:
        """Return k centres to start from; None leaves it to k-means++ on all rows.

        They are the last run's or, on large tables, those of a sample.
        """
        if last is not None:
            return last
        size = max(_START_ROWS, 20 * k)
        if len(rows) <= size:
            return None
        drawn = np.random.default_rng(self._options.seed).permutation(len(rows))[:size]
        return self._lloyd(rows[np.sort(drawn)], k, None)
