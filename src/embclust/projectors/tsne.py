"""t-SNE by openTSNE: the map that keeps neighbours together."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from embclust.projectors._components import check_input, frame, principal_components
from embclust.projectors._search import nearest, nearest_others

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from openTSNE.affinity import PerplexityBasedNN

    from embclust.data import Vectors
    from embclust.protocols import Bar

    Floats = NDArray[np.float64]

__all__ = ["TsneProjector"]

_FEWEST = 5
"""With fewer points there are no neighbourhoods to keep; principal components place them."""
_REPORT_EVERY = 10
_MANY_POINTS = 3000
_FFT_FROM = 10_000
_PLACED_BY = 5


@dataclass(frozen=True, slots=True)
class _Seen:
    """What two maps of the same vectors share, and most of the cost of a small one.

    `reduced`: float64 (n, at most pca_dims). `chosen`: the rows that are fitted. `affinities`:
    between those; None where there are no neighbourhoods to keep.
    """

    vectors: Vectors
    reduced: Floats
    chosen: NDArray[np.intp]
    affinities: PerplexityBasedNN | None


class TsneProjector:
    """t-SNE (van der Maaten and Hinton, 2008; openTSNE, Policar, Strazar and Zupan, 2024).

    Neighbours are searched exactly, on the first 50 principal components; the start is the first
    two or three of them, so that far-apart groups keep their places from run to run (Kobak and
    Berens, 2019). Repulsion is approximated by Barnes-Hut in 3D, and by interpolation (FFT) from
    10,000 points on in 2D, which the library cannot do in 3D.
    All points are fitted unless `landmarks` says otherwise. On 9,600 word vectors, which form no
    clear groups, 3,000 landmarks bring the trustworthiness in 3D from 0.985 down to 0.897.
    The same vectors and options give the same map on one machine.
    """

    class Options(BaseModel):
        """Options of `project.kind: tsne`."""

        model_config = ConfigDict(extra="forbid")

        perplexity: float = Field(
            30.0, ge=1, description="Neighbours that count, roughly; less for few points."
        )
        iterations: int = Field(
            150,
            ge=10,
            le=10_000,
            description="Steps after the early ones, in which the exaggeration eases off.",
        )
        early_iterations: int = Field(
            50, ge=0, le=10_000, description="Early steps, in which groups are drawn together."
        )
        early_exaggeration: float = Field(12.0, ge=1, description="How strongly in these.")
        exaggeration: float = Field(
            1.0, ge=1, description="How strongly afterwards; more than 1 makes tighter groups."
        )
        angle: float = Field(
            0.8, gt=0, le=2, description="Coarseness of Barnes-Hut; more is faster."
        )
        pca_dims: int = Field(50, ge=3, description="Principal components to find neighbours in.")
        landmarks: int | None = Field(
            None,
            ge=100,
            description="Fit this many points only and place the others by their nearest: much "
            "faster; the map keeps fewer neighbours where there are no clear groups. Unset: fit "
            "all.",
        )
        seed: int = Field(0, ge=0, lt=2**32, description="Seed of landmarks and jitter.")
        jobs: int = Field(
            0,
            ge=-1,
            description="Threads; -1 takes all cores, 0 all of them where there are many points.",
        )

    def __init__(self, options: Options) -> None:
        self._options = options
        self._seen: _Seen | None = None
        self.details: dict[str, int] = {}
        """After `project`: `fitted`, how many points were, if not all."""

    def project(self, vectors: Vectors, dims: int, progress: Bar) -> NDArray[np.float32]:
        """Return float32 (n, dims) in [-1, 1], centred on the origin.

        Components and neighbours are kept for the next call with the same array: the map in the
        other number of dimensions costs only its own steps, and comes out as if made alone.
        Raises UsageError for dims other than 2 and 3, no rows, and values that are not finite.
        """
        check_input(vectors, dims)
        steps = self._options.early_iterations + self._options.iterations
        progress.total(steps)
        seen = self._look_at(vectors)
        fewer = len(seen.chosen) < len(vectors)
        self.details = {"fitted": len(seen.chosen)} if fewer else {}
        if seen.affinities is None:
            progress.advance(steps)
            return frame(seen.reduced[:, :dims], dims)
        affinities = copy(seen.affinities)
        affinities.P = seen.affinities.P.copy()  # openTSNE scales it in place, and back, nearly
        fitted = self._fit(seen.reduced[seen.chosen], affinities, dims, progress)
        if fewer:
            fitted = _place(seen.reduced, seen.chosen, fitted)
        return frame(fitted, dims)

    def _look_at(self, vectors: Vectors) -> _Seen:
        """What every map of these vectors starts from."""
        if self._seen is None or self._seen.vectors is not vectors:
            n, landmarks = len(vectors), self._options.landmarks
            reduced = principal_components(vectors, self._options.pca_dims)
            chosen = np.arange(n)
            if landmarks is not None and n > landmarks:
                rng = np.random.default_rng(self._options.seed)
                chosen = np.sort(rng.permutation(n)[:landmarks])
            alike = n < _FEWEST or not reduced.any()
            affinities = None if alike else self._affinities(reduced[chosen])
            self._seen = _Seen(vectors, reduced, chosen, affinities)
        return self._seen

    def _fit(
        self, points: Floats, affinities: PerplexityBasedNN, dims: int, progress: Bar
    ) -> Floats:
        """Run the whole optimisation: float64 (n, dims)."""
        from openTSNE import TSNEEmbedding

        options = self._options
        embedding = TSNEEmbedding(
            _start(points, dims, np.random.default_rng(options.seed)),
            affinities,
            negative_gradient_method="fft" if dims == 2 and len(points) >= _FFT_FROM else "bh",
            theta=options.angle,
            n_jobs=self._jobs(len(points)),
            random_state=options.seed,
            # A momentum this high from the first step on saves a third of the early ones.
            momentum=0.8,
            callbacks_every_iters=_REPORT_EVERY,
        )
        for steps, exaggeration in self._phases():
            if steps:
                embedding.optimize(
                    steps,
                    exaggeration=exaggeration,
                    inplace=True,
                    callbacks=lambda *_: progress.advance(_REPORT_EVERY),
                )
                progress.advance(steps % _REPORT_EVERY)
        return np.asarray(embedding, dtype=np.float64)

    def _phases(self) -> list[tuple[int, float]]:
        """Steps and exaggeration of each phase.

        The exaggeration eases off over two phases instead of ending at once: on 10,000 word
        vectors 200 steps keep neighbours as well as 750 of the usual kind.
        """
        options = self._options
        ratio = options.early_exaggeration / options.exaggeration
        third = options.iterations // 3
        return [
            (options.early_iterations, options.early_exaggeration),
            (third, options.exaggeration * ratio ** (2 / 3)),
            (third, options.exaggeration * ratio ** (1 / 3)),
            (options.iterations - 2 * third, options.exaggeration),
        ]

    def _affinities(self, points: Floats) -> PerplexityBasedNN:
        from openTSNE.affinity import PerplexityBasedNN
        from openTSNE.nearest_neighbors import PrecomputedNeighbors

        count = min(len(points) - 1, int(np.ceil(3 * self._options.perplexity)))
        distances, indices = nearest_others(points, count)
        return PerplexityBasedNN(
            perplexity=min(self._options.perplexity, count / 3),
            knn_index=PrecomputedNeighbors(indices, distances),
            n_jobs=self._jobs(len(points)),
        )

    def _jobs(self, n: int) -> int:
        """How many threads: below a few thousand points they wait for each other most of the time.

        The map does not depend on it.
        """
        return self._options.jobs or (-1 if n >= _MANY_POINTS else 1)


def _start(points: Floats, dims: int, rng: np.random.Generator) -> Floats:
    """The first components, tiny as t-SNE wants them, with a jitter that parts duplicates."""
    start = np.zeros((len(points), dims))
    start[:, : points.shape[1]] = points[:, :dims]
    start *= 1e-4 / start[:, 0].std()
    return start + rng.normal(0.0, 1e-6, start.shape)


def _place(points: Floats, chosen: NDArray[np.intp], fitted: Floats) -> Floats:
    """Put every other point at the weighted mean of its five nearest landmarks."""
    placed = np.empty((len(points), fitted.shape[1]))
    placed[chosen] = fitted
    rest = np.setdiff1d(np.arange(len(points)), chosen)
    distances, rows = nearest(points[rest], points[chosen], _PLACED_BY)
    weights = 1.0 / np.maximum(distances, 1e-9) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    placed[rest] = np.einsum("nk,nkd->nd", weights, fitted[rows])
    return placed
