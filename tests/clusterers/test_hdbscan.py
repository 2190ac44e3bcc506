from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from embclust.clusterers.hdbscan import HdbscanClusterer

Floats = NDArray[np.float32]


def hdbscan(**options: object) -> HdbscanClusterer:
    return HdbscanClusterer(HdbscanClusterer.Options.model_validate(options))


def scattered(n: int, d: int = 30) -> Floats:
    rows = np.random.default_rng(5).normal(size=(n, d))
    unit: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def groups(sizes: list[int], d: int = 80) -> Floats:
    rng = np.random.default_rng(2)
    rows = np.repeat(np.eye(len(sizes), d), sizes, axis=0)
    rows += rng.normal(0, 0.02, rows.shape)
    unit: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_rows_between_the_groups_are_noise() -> None:
    vectors = np.concatenate([groups([80, 60, 40]), scattered(20, 80)])
    labels, centres = hdbscan().cluster(vectors)
    assert len(centres) == 3
    assert np.bincount(labels[:180] + 1)[1:].tolist() == [80, 60, 40]  # numbered by size
    assert (labels[180:] == -1).mean() > 0.5  # the others lie at the edge of a group
    own = vectors[:80].mean(axis=0)
    assert centres[0] @ (own / np.linalg.norm(own)) > 0.999


@pytest.mark.parametrize("n", [1, 2, 4])
def test_too_few_rows_are_all_noise(n: int) -> None:
    labels, centres = hdbscan().cluster(scattered(n))
    assert labels.tolist() == [-1] * n
    assert centres.shape == (0, 30)
    assert centres.dtype == np.float32


def test_structureless_rows_are_all_noise() -> None:
    clusterer = hdbscan(min_cluster_size=40)
    labels, centres = clusterer.cluster(scattered(300))
    assert (labels == -1).all()
    assert len(centres) == 0
    assert clusterer.details["noise"] == 300


def test_the_smallest_cluster_grows_with_the_table() -> None:
    small, large = hdbscan(), hdbscan()
    small.cluster(groups([30, 30]))
    large.cluster(groups([500, 500]))
    assert small.details["min_cluster_size"] == 5
    assert large.details["min_cluster_size"] == 10


def test_the_reduction_is_recorded() -> None:
    reduced, whole = hdbscan(), hdbscan(pca_dims=0)
    reduced.cluster(groups([60, 60]))
    whole.cluster(groups([60, 60]))
    assert reduced.details["pca_dims"] == 50
    assert 0.5 < reduced.details["pca_variance"] <= 1
    assert whole.details["pca_dims"] is None


def test_it_has_no_k() -> None:
    with pytest.raises(ValueError, match="k"):
        hdbscan(k=3)
