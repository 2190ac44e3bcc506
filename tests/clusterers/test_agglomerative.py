from __future__ import annotations

import numpy as np
import pytest

from embclust.clusterers import agglomerative as module
from embclust.clusterers.agglomerative import AgglomerativeClusterer
from embclust.errors import UsageError
from tests.clusterers.shapes import agreement, groups


def agglomerative(k: int, **options: object) -> AgglomerativeClusterer:
    return AgglomerativeClusterer(
        AgglomerativeClusterer.Options.model_validate({"k": k, **options})
    )


@pytest.mark.parametrize("linkage", ["ward", "average"])
def test_both_linkages_find_groups(linkage: str) -> None:
    vectors, group = groups([80, 50, 70, 60], spread=0.5)
    labels, centres = agglomerative(4, linkage=linkage).cluster(vectors)
    assert agreement(labels, group) > 0.98
    assert len(centres) == 4
    assert (np.diff(np.bincount(labels)) <= 0).all()


def test_ward_on_the_whole_graph_is_plain_ward() -> None:
    from sklearn.cluster import AgglomerativeClustering

    vectors, _ = groups([30, 20], spread=1.0)
    clusterer = agglomerative(2, neighbours=1000)
    labels, _ = clusterer.cluster(vectors)
    assert clusterer.details["neighbours"] == 12  # half of an average cluster
    plain = AgglomerativeClustering(2).fit_predict(vectors.astype(np.float64))
    assert agreement(labels, plain.astype(np.int32)) > 0.95


def test_average_leaves_odd_rows_alone() -> None:
    vectors, _ = groups([100, 100], spread=0.3)
    odd = -vectors[:1] + np.float32(0.01)
    rows = np.concatenate([vectors, odd / np.linalg.norm(odd)])
    labels, _ = agglomerative(3, linkage="average").cluster(rows)
    assert np.bincount(labels).tolist() == [100, 100, 1]
    assert labels[-1] == 2


def test_far_apart_pieces_with_fewer_clusters_than_pieces() -> None:
    vectors, group = groups([30] * 5, spread=0.05)
    clusterer = agglomerative(2)
    labels, _ = clusterer.cluster(vectors)
    assert clusterer.details["pieces"] == 5
    assert all(len(np.unique(labels[group == each])) == 1 for each in range(5))


def test_more_clusters_than_rows_is_refused() -> None:
    with pytest.raises(UsageError, match=r"cluster\.k is 5, but there are only 3 rows"):
        agglomerative(5).cluster(groups([3])[0])


@pytest.mark.parametrize("linkage", ["ward", "average"])
@pytest.mark.parametrize(("n", "k"), [(2, 1), (2, 2), (3, 2), (7, 6)])
def test_few_rows(n: int, k: int, linkage: str) -> None:
    labels, _ = agglomerative(k, linkage=linkage).cluster(groups([n])[0])
    assert len(np.unique(labels)) == k


def test_a_large_table_is_sampled_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, group = groups([300, 300, 400], spread=0.4)
    ward = agglomerative(3, graph_rows=200)
    labels, _ = ward.cluster(vectors)
    assert agreement(labels, group) > 0.98
    assert "a sample of 200 of 1,000 different rows" in ward.warnings[0]
    monkeypatch.setattr(module, "_PAIRS_ROWS", 150)
    average = agglomerative(3, linkage="average")
    average.cluster(vectors)
    assert average.details["clustered_rows"] == 150
    assert "a sample of 150 of 1,000" in average.warnings[0]
