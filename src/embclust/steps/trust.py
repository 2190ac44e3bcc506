"""How far a map can be trusted: are neighbours on the map neighbours in vector space?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import Vectors

__all__ = ["ALL_UP_TO", "NEIGHBOURS", "SAMPLE", "Trust", "measure_trust"]

NEIGHBOURS: Final = 10
ALL_UP_TO: Final = 4000
"""Up to so many rows every row is looked at, by scikit-learn, which holds an n x n matrix."""
SAMPLE: Final = 2000
"""Above, so many rows are: the figure is then good to about 0.0005."""
_ROWS_AT_ONCE: Final = 128


@dataclass(frozen=True, slots=True)
class Trust:
    """The trustworthiness of a map, 0 to 1, of `k` neighbours, measured on `rows` of its rows."""

    value: float
    k: int
    rows: int

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)


def measure_trust(vectors: Vectors, coords: NDArray[np.float32], seed: int = 0) -> Trust | None:
    """Return the trustworthiness (Venna and Kaski, 2001) of a map, k = 10; None for few rows.

    `vectors`: float32 (n, d) unit rows, on which Euclidean and cosine distance agree about what
    is near. `coords`: float32 (n, 2 or 3). Up to `ALL_UP_TO` rows it is scikit-learn's
    `trustworthiness` to the last digit, above it is the same figure over a sample of the rows,
    each compared with all. On one thread, so that the digits do not depend on how many there are.
    """
    from threadpoolctl import threadpool_limits

    n = len(vectors)
    if n <= 2 * NEIGHBOURS:
        return None
    with threadpool_limits(limits=1):
        if n <= ALL_UP_TO:
            from sklearn.manifold import trustworthiness

            value, rows = trustworthiness(vectors, coords, n_neighbors=NEIGHBOURS), n
        else:
            chosen = np.sort(np.random.default_rng(seed).choice(n, min(n, SAMPLE), replace=False))
            value, rows = _sampled(vectors, coords, chosen), len(chosen)
    return Trust(round(float(value), 9), NEIGHBOURS, rows)


def _sampled(vectors: Vectors, coords: NDArray[np.float32], chosen: NDArray[np.intp]) -> float:
    """The figure over some rows. Rows at one distance share the best of their ranks."""
    n = len(vectors)
    near = _near_on_map(coords, chosen)
    worst = 0.0
    for start in range(0, len(chosen), _ROWS_AT_ONCE):
        rows, others = chosen[start : start + _ROWS_AT_ONCE], near[start : start + _ROWS_AT_ONCE]
        likeness = vectors[rows] @ vectors.T
        likeness[np.arange(len(rows)), rows] = -np.inf
        # A hair above, so that equal rows are not parted by rounding.
        bars = np.take_along_axis(likeness, others, axis=1) + np.float32(1e-6)
        for column in bars.T:
            ranks = np.count_nonzero(likeness > column[:, None], axis=1) + 1
            worst += float(np.maximum(ranks - NEIGHBOURS, 0).sum())
    k = NEIGHBOURS
    return 1.0 - worst * 2.0 / (len(chosen) * k * (2.0 * n - 3.0 * k - 1.0))


def _near_on_map(coords: NDArray[np.float32], chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    """The nearest others of some points on the map: (len(chosen), k)."""
    from scipy.spatial import cKDTree

    points = coords.astype(np.float64)
    found = cKDTree(points).query(points[chosen], k=NEIGHBOURS + 1)[1]
    own = found == chosen[:, None]
    own[~own.any(axis=1), -1] = True  # hidden behind points on the very same spot
    others: NDArray[np.intp] = found[~own].reshape(len(chosen), NEIGHBOURS)
    return others
