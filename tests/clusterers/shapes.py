"""Made-up unit rows whose groups are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

__all__ = ["Floats", "Ints", "agreement", "arcs", "groups", "unit"]


def unit(rows: NDArray[np.float64]) -> Floats:
    scaled: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def groups(
    sizes: list[int], d: int = 20, spread: float = 1.0, seed: int = 0
) -> tuple[Floats, Ints]:
    """Groups around random directions that run into each other, shuffled; rows and groups."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(len(sizes), d))
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int32)
    return unit(centres[group] + rng.normal(0, spread, (len(group), d))), group


def arcs(per: int = 200, seed: int = 0) -> tuple[Floats, Ints]:
    """Three long thin bands on a sphere, side by side: no centre is nearest to all of one."""
    rng = np.random.default_rng(seed)
    along = rng.uniform(-1.1, 1.1, 3 * per)
    band = np.repeat(np.arange(3), per).astype(np.int32)
    across = (band - 1) * 0.35 + rng.normal(0, 0.03, 3 * per)
    rows = np.stack(
        [np.cos(across) * np.cos(along), np.cos(across) * np.sin(along), np.sin(across)], axis=1
    )
    return unit(rows), band


def agreement(labels: NDArray[np.int32], other: NDArray[np.int32]) -> float:
    """The share of rows in matching clusters, matched so that it is largest."""
    table = np.zeros((labels.max() + 1, other.max() + 1))
    np.add.at(table, (labels, other), 1)
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum()) / len(labels)
