from __future__ import annotations

import numpy as np
import pytest

from embclust.clusterers.kmeans import KMeansClusterer
from embclust.clusterers.spectral import SpectralClusterer
from embclust.errors import UsageError
from tests.clusterers.shapes import Floats, Ints, agreement, arcs, groups


def spectral(k: int, **options: int) -> SpectralClusterer:
    return SpectralClusterer(SpectralClusterer.Options(k=k, **options))


def test_it_finds_groups_that_no_centre_describes() -> None:
    vectors, band = arcs()
    labels, _ = spectral(3).cluster(vectors)
    assert agreement(labels, band) > 0.9
    straight, _ = KMeansClusterer(KMeansClusterer.Options(k=3)).cluster(vectors)
    assert agreement(straight, band) < 0.5


def digits() -> tuple[Floats, Ints]:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    rows = pixels / np.linalg.norm(pixels, axis=1, keepdims=True)
    return rows.astype(np.float32), labels.astype(np.int32)


def test_handwritten_digits_are_told_apart() -> None:
    from sklearn.metrics import normalized_mutual_info_score

    vectors, truth = digits()
    labels, _ = spectral(10).cluster(vectors)
    assert normalized_mutual_info_score(truth, labels) >= 0.88
    assert np.bincount(labels).max() / len(labels) < 0.2


def test_more_clusters_than_rows_is_refused() -> None:
    with pytest.raises(UsageError, match=r"cluster\.k is 5, but there are only 3 rows"):
        spectral(5).cluster(groups([3])[0])


@pytest.mark.parametrize("n", [2, 3, 5, 8, 13])
@pytest.mark.parametrize("k", [1, 2])
def test_few_rows(n: int, k: int) -> None:
    labels, centres = spectral(k).cluster(groups([n])[0])
    assert len(centres) == len(np.unique(labels)) == k


def test_k_equal_to_n_works() -> None:
    labels, centres = spectral(6).cluster(groups([6])[0])
    assert sorted(labels.tolist()) == list(range(6))
    assert len(centres) == 6


def test_k_just_below_n_works() -> None:
    labels, _ = spectral(30).cluster(groups([31])[0])
    assert len(np.unique(labels)) >= 20


def test_copies_of_a_row_do_not_make_a_cluster() -> None:
    vectors, group = groups([100, 100, 100], spread=0.5)
    copied = np.concatenate([vectors, np.repeat(vectors[:1], 400, axis=0)])
    labels, _ = spectral(3).cluster(copied)
    assert len(set(labels[300:].tolist()) | {labels[0]}) == 1
    assert agreement(labels[:300], group) > 0.95


def test_far_apart_pieces_with_fewer_clusters_than_pieces() -> None:
    vectors, group = groups([60, 60, 60, 60, 60], spread=0.05)
    clusterer = spectral(2)
    labels, _ = clusterer.cluster(vectors)
    assert clusterer.details["pieces"] == 5
    assert len(np.unique(labels)) == 2
    assert all(len(np.unique(labels[group == each])) == 1 for each in range(5))


def test_near_copies_of_three_rows_are_three_clusters() -> None:
    rows = [[1.0 if n % 3 == axis else 0.01 * (n % 5) for axis in range(8)] for n in range(90)]
    scaled = np.array(rows) * (1 + np.arange(90)[:, None] % 7)
    vectors = (scaled / np.linalg.norm(scaled, axis=1, keepdims=True)).astype(np.float32)
    labels, _ = spectral(3).cluster(vectors)
    assert agreement(labels, (np.arange(90) % 3).astype(np.int32)) == 1.0


def test_clusters_are_numbered_by_size() -> None:
    labels, _ = spectral(4).cluster(groups([40, 90, 60, 70], spread=0.4)[0])
    assert np.bincount(labels).tolist() == [90, 70, 60, 40]


def test_a_warm_start_keeps_the_rows_where_they_were() -> None:
    vectors, _ = groups([90, 80, 120, 60, 100, 150, 70, 80, 110, 140], spread=1.2)
    old, centres = spectral(8).cluster(vectors[:950])
    again = spectral(8)
    same, _ = again.cluster(vectors[:950], start=centres)
    assert np.array_equal(same, old)
    assert again.details["warm_start"] is False
    more, _ = again.cluster(vectors, start=centres)
    assert agreement(more[:950], old) >= 0.95


@pytest.mark.parametrize(
    "start", [np.eye(4, 5, dtype=np.float32), np.empty((0, 20), dtype=np.float32)]
)
def test_a_start_of_no_use_is_ignored(start: Floats) -> None:
    vectors, _ = groups([50, 60, 70, 80])
    fresh, _ = spectral(4).cluster(vectors)
    labels, _ = spectral(4).cluster(vectors, start=start)
    assert np.array_equal(labels, fresh)


def test_a_start_of_equal_centres_still_works() -> None:
    vectors, _ = groups([50, 60, 70, 80])
    labels, centres = spectral(4).cluster(vectors, start=np.repeat(vectors[:1], 4, axis=0))
    assert len(centres) == len(np.unique(labels)) == 4


def test_a_large_table_is_sampled_and_says_so() -> None:
    vectors, group = groups([300, 300, 400], spread=0.4)
    clusterer = spectral(3, graph_rows=200)
    labels, _ = clusterer.cluster(vectors)
    assert agreement(labels, group) > 0.98
    assert clusterer.details["clustered_rows"] == 200
    assert clusterer.details["distinct_rows"] == 1000
    (line,) = clusterer.warnings
    assert line.startswith("spectral clustered a sample of 200 of 1,000 different rows; the others")
    assert "cluster.graph_rows" in line
    clusterer.cluster(vectors[:150])
    assert clusterer.warnings == []


def test_details_say_how_it_came_about() -> None:
    clusterer = spectral(4)
    clusterer.cluster(groups([50, 60, 70, 80])[0])
    assert clusterer.details == {
        "algorithm": "shared-neighbour graph, normalised cut",
        "distinct_rows": 260,
        "clustered_rows": 260,
        "neighbours": 11,
        "pieces": 1,
        "dimensions": 8,
        "warm_start": False,
        "found": 4,
    }
