"""Spectral clustering of the shared-neighbour graph: finds groups of any shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from embclust.clusterers._cuts import association, embedding, refined
from embclust.clusterers._distinct import choose, describe, sample_warning, spread
from embclust.clusterers._graph import affinity, linked, nearest_rows, neighbours_for
from embclust.clusterers._rows import (
    K,
    centres_of,
    check_rows,
    fewer_are_fine,
    fixed_k,
    renumber,
    usable,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import Labels, Vectors

    Floats = NDArray[np.float64]

__all__ = ["SpectralClusterer"]

_LEAST_DIMS: Final = 8
"""With fewer eigenvectors a few tight little groups take all of them when k is small."""
_GOOD: Final = 0.97
"""A result that stays closer to the last clusters must be so good a cut, of the best's."""


class SpectralClusterer:
    """Normalised cuts of the neighbour graph (Shi and Malik 2000; Ng, Jordan and Weiss 2002).

    Every row's nearest rows by cosine, exactly; the weight of an edge is how many of them two
    rows share; the leading eigenvectors of the normalised graph, row by row of unit length;
    k-means there; at last each row joins the cluster it is tied to most, while that moves rows.
    Equal rows are clustered once.

    The same vectors give the same answer, whatever the number of cores. With `start`, the last
    run's centres, it also goes on from the clusters these make, and of the results that cut the
    graph about as well takes the one whose centres are nearest to `start`. Centres of another
    number or dimension are ignored.

    `details` says after `cluster` how the result came about; `warnings` what a user must know.
    """

    class Options(BaseModel):
        """Options of `cluster.kind: spectral`."""

        model_config = ConfigDict(extra="forbid")

        k: K = Field(10, description="How many clusters.")
        seed: int = Field(0, ge=0, lt=2**32, description="Seed of the random starts.")
        neighbours: int = Field(
            11,
            ge=2,
            le=1000,
            description="Nearest rows each row is tied to: more makes clusters coarser and evener.",
        )
        n_init: int = Field(
            10, ge=1, le=1000, description="How many random starts; the tightest result wins."
        )
        graph_rows: int = Field(
            20_000,
            ge=100,
            description="With more distinct rows a sample of so many makes the clusters, and the "
            "others join them by their nearest neighbours' vote.",
        )

    def __init__(self, options: Options) -> None:
        self._options = options
        self.details: dict[str, Any] = {}
        self.warnings: list[str] = []

    def cluster(self, vectors: Vectors, start: Vectors | None = None) -> tuple[Labels, Vectors]:
        """Return labels int32 (n,), dense 0..k-1 by size, and unit centres float32 (k, d).

        Raises UsageError when there are fewer rows than clusters.
        """
        from threadpoolctl import threadpool_limits

        rows = check_rows(vectors)
        k = fixed_k(self._options.k, len(rows))
        chosen = choose(rows, self._options.graph_rows, self._options.seed)
        self.warnings = sample_warning(chosen, "spectral")
        self.details = {"algorithm": "shared-neighbour graph, normalised cut", **describe(chosen)}
        with threadpool_limits(limits=1):
            near = neighbours_for(len(chosen.rows), k, self._options.neighbours)
            found = self._labels(rows[chosen.rows], k, near, usable(start, k, rows))
            labels = renumber(spread(rows, chosen, found, k, near), by_size=True)
            centres = centres_of(rows, labels)
        self.details["found"] = len(centres)
        return labels, centres

    def _labels(self, base: Vectors, k: int, near: int, start: Vectors | None) -> Labels:
        """Return a label 0..k-1 for each of the distinct rows."""
        if len(base) <= k:
            return np.arange(len(base), dtype=np.int32)
        if k == 1:
            return np.zeros(len(base), dtype=np.int32)
        graph, pieces = linked(affinity(nearest_rows(base, base, near, same=True)), base)
        space = embedding(graph, k, _LEAST_DIMS)
        self.details |= {"neighbours": near, "pieces": pieces, "dimensions": space.shape[1]}
        fresh = refined(graph, self._kmeans(space, k, None), k)
        if start is None:
            self.details["warm_start"] = False
            return fresh
        last = np.argmax(base @ start.T, axis=1).astype(np.int32)
        found = [fresh, refined(graph, last, k)]
        if len(np.unique(last)) == k:
            begin = np.stack([space[last == cluster].mean(axis=0) for cluster in range(k)])
            found += [refined(graph, self._kmeans(space, k, begin, n), k) for n in (1, 100)]
        chosen = _closest(found, [association(graph, each, k) for each in found], base, start)
        self.details["warm_start"] = chosen > 0
        return found[chosen]

    def _kmeans(self, space: Floats, k: int, begin: Floats | None, rounds: int = 300) -> Labels:
        """Return the labels of the tightest of the random starts, or of going on from `begin`."""
        from sklearn.cluster import KMeans

        model = KMeans(
            n_clusters=k,
            init="k-means++" if begin is None else begin,
            n_init=self._options.n_init if begin is None else 1,
            max_iter=rounds,
            random_state=self._options.seed,
        )
        with fewer_are_fine():
            labels: Labels = model.fit(space).labels_.astype(np.int32)
        return labels


def _closest(found: list[Labels], cuts: list[float], base: Vectors, start: Vectors) -> int:
    """Return which of the good cuts has the centres nearest to `start`; the first of equals."""
    from scipy.optimize import linear_sum_assignment

    def likeness(labels: Labels) -> float:
        likenesses = centres_of(base, renumber(labels, by_size=False)) @ start.T
        ours, theirs = linear_sum_assignment(-likenesses)
        return round(float(likenesses[ours, theirs].sum()), 6)

    good = [place for place, cut in enumerate(cuts) if cut >= _GOOD * max(cuts)]
    return max(good, key=lambda place: likeness(found[place]))
