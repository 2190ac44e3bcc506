"""Mini-batch k-means on unit rows: nearly k-means, in a fraction of the time on large tables."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from embclust.clusterers._rows import K, centres_of, check_rows, fixed_k, renumber, unit

if TYPE_CHECKING:
    from embclust.data import Labels, Vectors

__all__ = ["MiniBatchClusterer"]

_CHUNK_ROWS: Final = 8192


class MiniBatchClusterer:
    """Mini-batch k-means (Sculley, "Web-scale k-means clustering", 2010; scikit-learn).

    Its centres are those of a random walk that has settled: near k-means' own, a little looser.
    At last every row joins its most similar centre.
    The same vectors give the same answer, whatever the number of cores: it computes on one.
    With `start`, centre i goes on from start[i]; centres of another number or dimension are
    ignored. Identical rows can leave fewer than k clusters.

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
        warm = start is not None and start.shape == (k, rows.shape[1])
        with threadpool_limits(limits=1):
            found = self._fit(rows, k, unit(start) if start is not None and warm else None)
            labels = renumber(_nearest(rows, unit(found)), by_size=not warm)
            centres = centres_of(rows, labels)
        self.details = {"algorithm": "mini-batch", "warm_start": warm, "found": len(centres)}
        return labels, centres

    def _fit(self, rows: Vectors, k: int, init: Vectors | None) -> Vectors:
        """Return the centres, float32 (k, d), not of unit length."""
        from sklearn.cluster import MiniBatchKMeans
        from sklearn.exceptions import ConvergenceWarning

        model = MiniBatchKMeans(
            n_clusters=k,
            init="k-means++" if init is None else init,
            n_init=self._options.n_init if init is None else 1,
            batch_size=self._options.batch_size,
            random_state=self._options.seed,
            compute_labels=False,
        )
        with warnings.catch_warnings():
            # Fewer distinct rows than k is no fault of the caller: fewer clusters come back.
            warnings.simplefilter("ignore", ConvergenceWarning)
            centres: Vectors = model.fit(rows).cluster_centers_
        return centres


def _nearest(rows: Vectors, centres: Vectors) -> Labels:
    """Return the most similar centre of each row, the first of those alike to five digits.

    With fewer distinct rows than clusters several centres end up on the same row, but for their
    last digits.
    """
    labels = np.empty(len(rows), dtype=np.int32)
    for begin in range(0, len(rows), _CHUNK_ROWS):
        chunk = slice(begin, begin + _CHUNK_ROWS)
        labels[chunk] = np.argmax(np.round(rows[chunk] @ centres.T, 5), axis=1)
    return labels
