"""HDBSCAN on unit rows: finds the number of clusters itself and leaves noise as noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from embclust.clusterers._rows import centres_of, check_rows, renumber

if TYPE_CHECKING:
    from embclust.data import Labels, Vectors

__all__ = ["HdbscanClusterer"]


class HdbscanClusterer:
    """Density clusters (Campello, Moulavi and Sander, 2013; scikit-learn's implementation).

    It has no seed and no k. Density fades in high dimensions, so rows are first brought to
    `pca_dims` principal components; `details` says after `cluster` what was done.
    `start` is not used: density clusters have no centres to go on from.
    """

    class Options(BaseModel):
        """Options of `cluster.kind: hdbscan`."""

        model_config = ConfigDict(extra="forbid")

        min_cluster_size: int | None = Field(
            None,
            ge=2,
            description="Smaller groups are noise; unset: a hundredth of the rows, at least 5.",
        )
        min_samples: int | None = Field(
            None,
            ge=1,
            description="Neighbours that make a row dense: more gives more noise; unset: 5.",
        )
        pca_dims: int = Field(
            50, ge=0, description="Principal components to cluster on; 0 takes the vectors as is."
        )
        selection: Literal["eom", "leaf"] = Field(
            "eom", description="eom prefers a few stable clusters, leaf many small even ones."
        )

    def __init__(self, options: Options) -> None:
        self._options = options
        self.details: dict[str, Any] = {}

    def cluster(self, vectors: Vectors, start: Vectors | None = None) -> tuple[Labels, Vectors]:  # noqa: ARG002 - the protocol's signature
        """Return labels int32 (n,), dense 0..k-1 by size, -1 for noise, and unit centres (k, d).

        All rows can be noise; centres are (0, d) then.
        Raises UsageError when there are no rows.
        """
        rows = check_rows(vectors)
        size = self._options.min_cluster_size or max(5, len(rows) // 100)
        samples = self._options.min_samples or 5
        self.details = {"min_cluster_size": size, "min_samples": samples, "pca_dims": None}
        labels = self._labels(rows, size, samples)
        self.details["noise"] = int((labels < 0).sum())
        return labels, centres_of(rows, labels)

    def _labels(self, rows: Vectors, size: int, samples: int) -> Labels:
        if len(rows) < max(size, samples):
            return np.full(len(rows), -1, dtype=np.int32)
        if np.ptp(rows, axis=0).max() == 0.0:
            # The library calls identical rows noise; they are as dense as can be.
            return np.zeros(len(rows), dtype=np.int32)
        from sklearn.cluster import HDBSCAN
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1):
            model = HDBSCAN(
                min_cluster_size=size,
                min_samples=samples,
                cluster_selection_method=self._options.selection,
                copy=True,
            )
            found = model.fit(self._reduce(rows)).labels_
        return renumber(found, by_size=True)

    def _reduce(self, rows: Vectors) -> Vectors:
        dims = self._options.pca_dims
        if dims == 0 or dims >= min(rows.shape):
            return rows
        from sklearn.decomposition import PCA

        model = PCA(dims, svd_solver="covariance_eigh")
        reduced: Vectors = model.fit_transform(rows.astype(np.float64))
        self.details["pca_dims"] = dims
        self.details["pca_variance"] = round(float(model.explained_variance_ratio_.sum()), 4)
        return reduced
