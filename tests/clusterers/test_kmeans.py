from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from embclust.clusterers.kmeans import KMeansClusterer
from embclust.errors import UsageError

Floats = NDArray[np.float32]


def unit(rows: NDArray[np.float64]) -> Floats:
    scaled: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def cloud(n: int = 1000, d: int = 20, seed: int = 0) -> Floats:
    """Fifteen groups that run into each other, so that k-means has many optima."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(15, d))
    return unit(centres[rng.integers(0, 15, n)] + rng.normal(0, 1.0, (n, d)))


def kmeans(k: int, **options: int) -> KMeansClusterer:
    return KMeansClusterer(KMeansClusterer.Options(k=k, **options))


def test_more_clusters_than_rows_is_refused() -> None:
    with pytest.raises(UsageError, match=r"cluster\.k is 5, but there are only 3 rows") as error:
        kmeans(5).cluster(cloud(3))
    assert "3" in error.value.hint


def test_k_equal_to_n_works() -> None:
    labels, centres = kmeans(6).cluster(cloud(6))
    assert sorted(labels.tolist()) == list(range(6))
    assert len(centres) == 6


def test_fewer_distinct_rows_than_k_gives_fewer_clusters() -> None:
    vectors = np.repeat(cloud(3), 10, axis=0)
    labels, centres = kmeans(8).cluster(vectors)
    assert len(centres) == 3
    assert len(np.unique(labels.reshape(3, 10), axis=1)[0]) == 1


def test_every_row_is_with_its_most_similar_centre() -> None:
    vectors = cloud()
    labels, centres = kmeans(12).cluster(vectors)
    assert np.array_equal(labels, np.argmax(vectors @ centres.T, axis=1))


def test_clusters_are_numbered_by_size() -> None:
    labels, _ = kmeans(9).cluster(cloud())
    sizes = np.bincount(labels)
    assert (np.diff(sizes) <= 0).all()


def test_more_starts_are_never_looser() -> None:
    vectors = cloud()

    def tightness(starts: int) -> float:
        labels, centres = kmeans(10, n_init=starts).cluster(vectors)
        return float((vectors * centres[labels]).sum(axis=1).mean())

    assert tightness(10) >= tightness(1) - 1e-4


def test_a_warm_start_keeps_the_rows_where_they_were() -> None:
    old, more = cloud(1000), cloud(50, seed=7)
    labels, centres = kmeans(10).cluster(old)
    vectors = np.concatenate([old, more])
    warm, _ = kmeans(10).cluster(vectors, start=centres)
    assert (warm[:1000] == labels).mean() >= 0.95
    again, _ = kmeans(10).cluster(old, start=centres)
    assert np.array_equal(again, labels)


@pytest.mark.parametrize("before", [6, 14])
def test_another_number_of_clusters_starts_anew(before: int) -> None:
    vectors = cloud()
    _, centres = kmeans(before).cluster(vectors)
    fresh, _ = kmeans(10).cluster(vectors)
    labels, _ = kmeans(10).cluster(vectors, start=centres)
    assert np.array_equal(labels, fresh)


@pytest.mark.parametrize(
    "start", [np.eye(10, 5, dtype=np.float32), np.empty((0, 20), dtype=np.float32)]
)
def test_a_start_of_no_use_is_ignored(start: Floats) -> None:
    vectors = cloud()
    fresh, _ = kmeans(10).cluster(vectors)
    labels, _ = kmeans(10).cluster(vectors, start=start)
    assert np.array_equal(labels, fresh)


def test_a_start_of_equal_centres_still_works() -> None:
    vectors = cloud()
    labels, centres = kmeans(5).cluster(vectors, start=np.repeat(vectors[:1], 5, axis=0))
    assert labels.max() + 1 == len(centres)
    assert 1 <= len(centres) <= 5


def test_details_say_how_it_came_about() -> None:
    clusterer = kmeans(5)
    _, centres = clusterer.cluster(cloud())
    assert clusterer.details == {"algorithm": "lloyd", "warm_start": False, "found": 5}
    clusterer.cluster(cloud(), start=centres)
    assert clusterer.details["warm_start"] is True


def test_starting_on_a_sample_is_as_good_on_a_large_table() -> None:
    vectors = cloud(21_000, d=8)
    labels, centres = kmeans(12).cluster(vectors)
    assert np.array_equal(labels, kmeans(12).cluster(vectors)[0])
    start = kmeans(12).cluster(vectors[:20_000])[1]
    whole, whole_centres = kmeans(12).cluster(vectors, start=start)
    tight = float((vectors * centres[labels]).sum(axis=1).mean())
    assert tight >= float((vectors * whole_centres[whole]).sum(axis=1).mean()) - 0.005
