from __future__ import annotations

import numpy as np
import pytest

from embclust.clusterers.kmeans import KMeansClusterer
from embclust.clusterers.minibatch import MiniBatchClusterer
from embclust.errors import UsageError
from tests.clusterers.shapes import Floats, agreement, groups

TEN = [90, 80, 120, 60, 100, 150, 70, 80, 110, 140]


def minibatch(k: int, **options: int) -> MiniBatchClusterer:
    return MiniBatchClusterer(MiniBatchClusterer.Options(k=k, **options))


def test_more_clusters_than_rows_is_refused() -> None:
    with pytest.raises(UsageError, match=r"cluster\.k is 5, but there are only 3 rows"):
        minibatch(5).cluster(groups([3])[0])


def test_it_is_nearly_as_tight_as_kmeans() -> None:
    vectors, _ = groups(TEN)

    def tightness(clusterer: MiniBatchClusterer | KMeansClusterer) -> float:
        labels, centres = clusterer.cluster(vectors)
        return float((vectors * centres[labels]).sum(axis=1).mean())

    exact = tightness(KMeansClusterer(KMeansClusterer.Options(k=10)))
    assert exact - 0.03 <= tightness(minibatch(10)) <= exact + 1e-3


def test_clusters_are_numbered_by_size() -> None:
    labels, _ = minibatch(7).cluster(groups(TEN)[0])
    assert (np.diff(np.bincount(labels)) <= 0).all()


def test_a_warm_start_keeps_number_and_rows() -> None:
    vectors, _ = groups(TEN, spread=0.6)
    labels, centres = minibatch(10).cluster(vectors[:950])
    clusterer = minibatch(10)
    warm, _ = clusterer.cluster(vectors, start=centres)
    assert clusterer.details["warm_start"] is True
    assert (warm[:950] == labels).mean() >= 0.9
    fresh, _ = minibatch(10).cluster(vectors)
    assert agreement(warm[:950], labels) >= agreement(fresh[:950], labels)


@pytest.mark.parametrize(
    "start", [np.eye(10, 5, dtype=np.float32), np.ones((6, 20), dtype=np.float32)]
)
def test_a_start_of_no_use_is_ignored(start: Floats) -> None:
    vectors, _ = groups(TEN)
    fresh, _ = minibatch(10).cluster(vectors)
    assert np.array_equal(minibatch(10).cluster(vectors, start=start)[0], fresh)


def test_fewer_distinct_rows_than_k_gives_fewer_clusters() -> None:
    vectors = np.repeat(groups([3])[0], 10, axis=0)
    labels, centres = minibatch(8).cluster(vectors)
    assert len(centres) == 3
    assert len(np.unique(labels.reshape(3, 10), axis=1)[0]) == 1


def test_the_seed_counts() -> None:
    vectors, _ = groups(TEN, spread=1.5)
    one, other = (minibatch(10, seed=seed).cluster(vectors)[0] for seed in (0, 1))
    assert not np.array_equal(one, other)
