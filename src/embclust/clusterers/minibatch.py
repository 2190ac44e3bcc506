"""Mini-batch k-means on unit rows: nearly k-means, in a fraction of the time on large tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

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

__all__ = ["MiniBatchClusterer"]

_ROUNDS: Final = 20
"""Over all rows; it mostly settles earlier."""


class MiniBatchClusterer:
    """Mini-batch k-means (Sculley, "Web-scale k-means clustering", 2010; scikit-learn).

    Batches lead the centres near an optimum; a few rounds over all rows finish on the unit sphere.
    The same vectors give the same answer, whatever the number of cores: it computes on one.
    With `start` those rounds go on from there, and cluster i from start[i]: batches would lead
    them astray. Centres of another number or dimension are ignored.
    Identical rows can leave fewer than k clusters.

    `details` says after `cluster` how the result came about.
    """

    class Options(BaseModel):
        """Options of `cluster.kind: minibatch`."""

        model_config = ConfigDict(extra="forbid")

        k: K = Field(10, description="How many clusters.")
        seed: int = Field(0, ge=0, lt=2**32, description="Seed of the random starts and batches.")
        n_init: int = Field(
            5, ge=1, le=1000, description="How many random starts are tried on a sample."
        )
        batch_size: int = Field(
            4096, ge=16, description="Rows looked at in one step: more is slower and tighter."
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
            begin = self._fit(rows, k) if last is None else unit(last)
            labels = renumber(polished(rows, begin, _ROUNDS), by_size=not warm)
            centres = centres_of(rows, labels)
        self.details = {"algorithm": "mini-batch", "warm_start": warm, "found": len(centres)}
        return labels, centres

    def _fit(self, rows: Vectors, k: int) -> Vectors:
        """Return the centres the batches lead to, unit rows, float32 (up to k, d)."""
        from sklearn.cluster import MiniBatchKMeans

        model = MiniBatchKMeans(
            n_clusters=k,
            n_init=self._options.n_init,
            batch_size=self._options.batch_size,
            random_state=self._options.seed,
            compute_labels=False,
        )
        with fewer_are_fine():
            model.fit(rows)
        return _apart(unit(model.cluster_centers_))


def _apart(centres: Vectors) -> Vectors:
    """Return the unit centres without those that an earlier one equals to six digits.

    With fewer distinct rows than clusters several end up on the same row, but for their last
    digits.
    """
    likeness = np.triu(centres @ centres.T, 1)
    apart: Vectors = centres[likeness.max(axis=0) < 1 - 1e-6]
    return apart
