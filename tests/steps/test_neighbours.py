from __future__ import annotations

import os

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from embclust.steps import neighbours
from embclust.steps.neighbours import nearest_rows
from embclust.vectors import unit_rows
from tests.contracts.test_projectors import CountingBar

Floats = NDArray[np.float32]


def groups(n: int, d: int, k: int, seed: int = 0) -> Floats:
    """Groups of different widths around random directions."""
    rng = np.random.default_rng(seed)
    centres = unit_rows(rng.normal(size=(k, d)))
    label = rng.integers(0, k, n)
    widths = rng.uniform(0.2, 0.9, k)[label]
    return unit_rows(centres[label] + (widths / d**0.5)[:, None] * rng.normal(size=(n, d)))


def truth(vectors: Floats, count: int) -> NDArray[np.intp]:
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(vectors.astype(np.float64))
    found: NDArray[np.intp] = search.kneighbors(return_distance=False)
    return found


@pytest.mark.parametrize(("n", "each"), [(1, 0), (2, 1), (3, 2), (12, 11), (13, 12), (700, 12)])
def test_few_rows_are_compared_with_all(n: int, each: int) -> None:
    vectors, bar = groups(n, 16, 3), CountingBar()
    found = nearest_rows(vectors, 12, bar)
    assert found.dtype == np.int32
    assert found.shape == (n, each)
    if each:
        assert np.array_equal(found, truth(vectors, each))
        assert bar.done == bar.of == n


def test_the_index_finds_nearly_all(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, bar = groups(6000, 64, 40), CountingBar()
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 100)
    found = nearest_rows(vectors, 12, bar)
    assert (found >= 0).all()
    assert (found != np.arange(6000)[:, None]).all()
    assert all(len(set(line)) == 12 for line in found.tolist())
    likeness = np.einsum("nd,nkd->nk", vectors, vectors[found])
    assert (np.diff(likeness, axis=1) <= 1e-6).all(), "nearest first"
    right = (found[:, :, None] == truth(vectors, 12)[:, None, :]).any(axis=2).mean()
    assert right >= 0.95
    assert bar.done == bar.of == 6000


def test_the_index_works_without_any_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neighbours lie anywhere: the index looks through more, not at worse answers."""
    vectors = unit_rows(np.random.default_rng(0).normal(size=(3000, 48)))
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 100)
    found = nearest_rows(vectors, 12, CountingBar())
    right = (found[:, :, None] == truth(vectors, 12)[:, None, :]).any(axis=2).mean()
    assert right >= 0.95


@pytest.mark.parametrize("limit", [100, 20_000])
def test_equal_rows_are_each_others_neighbours(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    vectors = groups(1200, 16, 5)
    vectors[300:340] = vectors[7]
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", limit)
    found = nearest_rows(vectors, 12, CountingBar())
    same = {7, *range(300, 340)}
    for row in same:
        assert row not in found[row]
        assert set(found[row].tolist()) <= same


@pytest.mark.parametrize("limit", [100, 20_000])
def test_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    vectors = groups(2500, 32, 5)
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", limit)
    found = []
    for cores in (1, 3):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        found.append(nearest_rows(vectors, 12, CountingBar()))
    assert np.array_equal(found[0], found[1])
