"""Normalised cuts of a weighted graph: its embedding, how good a partition is, and its polish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import Labels

    Floats = NDArray[np.float64]

__all__ = ["association", "embedding", "refined"]

_DENSE_ROWS: Final = 300
_REFINE_ROUNDS: Final = 5
_DIFFUSION: Final = 8


def embedding(graph: Any, dims: int, least: int) -> Floats:
    """Return the rows in the space of the leading eigenvectors, float64, unit rows.

    Of D^-1/2 W D^-1/2, as in Ng, Jordan and Weiss, "On spectral clustering", 2002. A fixed start
    vector, and distances do not care for the eigenvectors' signs. With `dims` below `least` so
    many are taken, the further ones by the 8th power of how their eigenvalue compares (as in a
    diffusion map; Coifman and Lafon, 2006): where `dims` clear groups exist they vanish.
    """
    from scipy.sparse import diags_array

    n = graph.shape[0]
    scale = diags_array(1.0 / np.sqrt(np.asarray(graph.sum(axis=1)).ravel()))
    normalised = (scale @ graph @ scale).tocsr()
    wanted = min(max(dims, least), n)
    if n <= max(_DENSE_ROWS, 4 * wanted):
        from scipy.linalg import eigh

        values, found = eigh(normalised.toarray(), subset_by_index=(n - wanted, n - 1))
    else:
        values, found = _leading(normalised, wanted)
    if dims < wanted:
        last = np.sort(values)[-dims]
        faded = np.clip(values / max(last, 1e-6), 0, 1) ** _DIFFUSION
        found = found * np.where(values >= last, 1.0, faded)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    space: Floats = found / np.maximum(lengths, 1e-12)
    return space


def _leading(normalised: Any, dims: int) -> tuple[Floats, Floats]:
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh

    n = normalised.shape[0]
    # ARPACK draws its first vector, and new ones when it runs into a corner.
    fixed = {"v0": np.random.default_rng(0).uniform(-1, 1, n), "rng": np.random.default_rng(0)}
    try:
        values, found = eigsh(normalised, dims, which="LA", tol=1e-5, **fixed)
    except ArpackNoConvergence:
        # Eigenvalues that crowd together: a wider search separates them.
        wide = min(n, 6 * dims + 40)
        values, found = eigsh(normalised, dims, which="LA", tol=1e-3, ncv=wide, **fixed)
    return values, found


def refined(graph: Any, labels: Labels, k: int) -> Labels:
    """Return the labels after each row joined the cluster it is tied to most, a few times over.

    A round that would leave a cluster without rows is not made.
    """
    found = len(np.unique(labels))
    for _ in range(_REFINE_ROUNDS):
        ties = (graph @ _members(labels, k)).toarray()
        # Equally tied to two, it stays where it is.
        ties[np.arange(len(labels)), labels] += 1e-9
        moved = ties.argmax(axis=1).astype(np.int32)
        if np.array_equal(moved, labels) or len(np.unique(moved)) < found:
            break
        labels = moved
    return labels


def association(graph: Any, labels: Labels, k: int) -> float:
    """Return how much of their clusters' weight stays inside them, summed: k minus the cut.

    The normalised association of Shi and Malik, "Normalized cuts and image segmentation", 2000:
    0 to k, more is better.
    """
    inside = (graph @ _members(labels, k)).toarray()[np.arange(len(labels)), labels]
    weights = np.asarray(graph.sum(axis=1)).ravel()
    within = np.bincount(labels, weights=inside, minlength=k)
    whole = np.bincount(labels, weights=weights, minlength=k)
    return float((within / np.maximum(whole, 1e-12)).sum())


def _members(labels: Labels, k: int) -> Any:
    from scipy.sparse import csr_array

    n = len(labels)
    return csr_array((np.ones(n), (np.arange(n), labels)), shape=(n, k))
