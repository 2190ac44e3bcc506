from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from embclust.data import Clustering
from embclust.steps.drawn import choose_rows
from tests.steps.parts import clustering_of

Floats = NDArray[np.float32]


def crowd(sizes: list[int], dims: int, seed: int = 0, noise: int = 0) -> tuple[Clustering, Floats]:
    """Dense groups, one per size, and thinly spread noise over the whole map."""
    rng = np.random.default_rng(seed)
    middles = rng.uniform(-0.6, 0.6, (len(sizes), dims))
    group = np.repeat(np.arange(len(sizes)), sizes)
    dense = middles[group] + rng.normal(0, 0.03, (len(group), dims))
    coords = np.concatenate([dense, rng.uniform(-1, 1, (noise, dims))]).astype(np.float32)
    clusters = [*group.tolist(), *[-1] * noise]
    ids = [f"{i:06d}" for i in range(len(clusters))]
    return clustering_of(ids, clusters), coords


def test_few_rows_are_all_drawn() -> None:
    clustering, coords = crowd([20, 30], 2)
    assert choose_rows(clustering, coords, 50).tolist() == list(range(50))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("most", [10, 11, 100, 997, 5000])
def test_exactly_so_many_and_the_same_every_time(dims: int, most: int) -> None:
    clustering, coords = crowd([4000, 900, 90, 9, 1], dims, noise=300)
    drawn = choose_rows(clustering, coords, most)
    assert len(drawn) == len(set(drawn.tolist())) == most
    assert (np.diff(drawn) > 0).all()
    assert set(clustering.medoids.values()) <= set(drawn.tolist())
    assert np.array_equal(drawn, choose_rows(clustering, coords, most))


def test_clusters_keep_their_share_and_small_ones_are_not_lost() -> None:
    clustering, coords = crowd([20_000, 10_000, 60, 3], 2)
    drawn = choose_rows(clustering, coords, 3000)
    kept = np.bincount(clustering.clusters[drawn])
    assert kept[3] == 3
    assert kept[2] >= 50
    assert kept[0] == pytest.approx(2 * kept[1], rel=0.02)


@pytest.mark.parametrize("dims", [2, 3])
def test_sparse_regions_stay_visible(dims: int) -> None:
    """An even draw keeps one in twenty everywhere; here the edge of a cluster stays."""
    rng = np.random.default_rng(1)
    dense = rng.normal(0, 0.02, (39_960, dims))
    around = rng.normal(size=(40, dims))
    edge = 0.9 * around / np.linalg.norm(around, axis=1, keepdims=True)
    coords = np.concatenate([dense, edge]).astype(np.float32)
    clustering = clustering_of([f"{i:06d}" for i in range(40_000)], [0] * 40_000)
    drawn = choose_rows(clustering, coords, 2000)
    assert len(drawn) == 2000
    # Two of them may share a square; each square keeps one.
    assert (drawn >= 39_960).sum() >= 30
    inner = np.abs(coords[drawn]).max(axis=1) < 0.02
    assert inner.sum() > 100, "the middle is still the densest"


def test_medoids_stay_in_a_crowded_place() -> None:
    clustering, coords = crowd([5000, 5000], 3)
    middle = {0: 4321, 1: 8765}
    moved = Clustering(
        clustering.ids,
        clustering.clusters,
        clustering.numbers,
        clustering.centres,
        clustering.distances,
        middle,
    )
    drawn = set(choose_rows(moved, coords, 200).tolist())
    assert set(middle.values()) <= drawn


def test_more_clusters_than_places() -> None:
    clustering, coords = crowd([3] * 10 + [2] * 10, 2)
    drawn = choose_rows(clustering, coords, 10)
    assert drawn.tolist() == [clustering.medoids[number] for number in range(10)]


def test_points_on_one_spot() -> None:
    clustering, _ = crowd([500], 2)
    drawn = choose_rows(clustering, np.zeros((500, 2), np.float32), 40)
    assert len(drawn) == 40
