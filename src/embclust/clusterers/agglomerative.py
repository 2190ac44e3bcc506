"""Agglomerative clustering on unit rows: the nearest are merged until k clusters are left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from embclust.clusterers._distinct import choose, describe, sample_warning, spread
from embclust.clusterers._graph import joined, linked, nearest_rows, neighbours_for
from embclust.clusterers._rows import K, centres_of, check_rows, fixed_k, renumber

if TYPE_CHECKING:
    from embclust.data import Labels, Vectors

__all__ = ["AgglomerativeClusterer"]

_PAIRS_ROWS: Final = 10_000
"""All pairs of more rows would take over half a gigabyte."""


class AgglomerativeClusterer:
    """Bottom-up merging (Ward 1963; scikit-learn's implementation).

    `ward` merges only clusters that are joined in the neighbour graph, so that neither all pairs
    nor their distances are held. `average` needs all pairs: along a graph it makes one giant
    cluster and leaves single rows.
    It has no seed but that of the sample, and no random start. Equal rows are clustered once.
    `start` is not used: merging has no centres to go on from.

    `details` says after `cluster` what was done; `warnings` what a user must know.
    """

    class Options(BaseModel):
        """Options of `cluster.kind: agglomerative`."""

        model_config = ConfigDict(extra="forbid")

        k: K = Field(10, description="How many clusters.")
        seed: int = Field(0, ge=0, lt=2**32, description="Seed of the sample of a large table.")
        linkage: Literal["ward", "average"] = Field(
            "ward",
            description="ward merges what widens clusters least and keeps them even; average "
            "merges by mean cosine distance and leaves odd rows alone.",
        )
        neighbours: int = Field(
            10, ge=2, le=1000, description="Nearest rows each row may be merged with (ward)."
        )
        graph_rows: int = Field(
            20_000,
            ge=100,
            description="With more distinct rows a sample of so many makes the clusters, and the "
            "others join them by their nearest neighbours' vote; average takes at most 10,000.",
        )

    def __init__(self, options: Options) -> None:
        self._options = options
        self.details: dict[str, Any] = {}
        self.warnings: list[str] = []

    def cluster(self, vectors: Vectors, start: Vectors | None = None) -> tuple[Labels, Vectors]:  # noqa: ARG002 - the protocol's signature
        """Return labels int32 (n,), dense 0..k-1 by size, and unit centres float32 (k, d).

        Raises UsageError when there are fewer rows than clusters.
        """
        from threadpoolctl import threadpool_limits

        rows = check_rows(vectors)
        k = fixed_k(self._options.k, len(rows))
        limit = self._options.graph_rows
        if self._options.linkage == "average":
            limit = min(limit, _PAIRS_ROWS)
        chosen = choose(rows, limit, self._options.seed)
        self.warnings = sample_warning(chosen, "agglomerative")
        self.details = {"algorithm": self._options.linkage, **describe(chosen)}
        with threadpool_limits(limits=1):
            base = rows[chosen.rows]
            near = neighbours_for(len(base), k, self._options.neighbours)
            labels = spread(rows, chosen, self._labels(base, k, near), k, near)
            labels = renumber(labels, by_size=True)
            centres = centres_of(rows, labels)
        self.details["found"] = len(centres)
        return labels, centres

    def _labels(self, base: Vectors, k: int, near: int) -> Labels:
        """Return a label 0..k-1 for each of the distinct rows."""
        if len(base) <= k:
            return np.arange(len(base), dtype=np.int32)
        if k == 1:
            return np.zeros(len(base), dtype=np.int32)
        from sklearn.cluster import AgglomerativeClustering

        if self._options.linkage == "average":
            model = AgglomerativeClustering(k, metric="cosine", linkage="average")
        else:
            graph = joined(nearest_rows(base, base, near, same=True))
            graph, pieces = linked(graph.maximum(graph.T).tocsr(), base)
            self.details |= {"neighbours": near, "pieces": pieces}
            model = AgglomerativeClustering(
                k, connectivity=graph, linkage="ward", compute_full_tree=False
            )
        labels: Labels = model.fit(base.astype(np.float64)).labels_.astype(np.int32)
        return labels
