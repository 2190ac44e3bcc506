"""The neighbour graph, the choice of rows, and the cuts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from embclust.clusterers import _graph
from embclust.clusterers._cuts import association, embedding, refined
from embclust.clusterers._distinct import choose, spread
from embclust.clusterers._graph import affinity, linked, nearest_rows, neighbours_for, vote
from tests.clusterers.shapes import groups, unit


@pytest.mark.parametrize("cells", [100, 8_000_000])
def test_the_nearest_rows_are_the_nearest(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_graph, "_CELLS", cells)
    rows, _ = groups([30, 20])
    likeness = rows @ rows.T
    np.fill_diagonal(likeness, -1)
    truth = np.sort(np.argsort(-likeness, axis=1)[:, :7], axis=1)
    assert np.array_equal(nearest_rows(rows, rows, 7, same=True), truth)
    others = np.sort(np.argsort(-(rows[:5] @ rows[5:].T), axis=1)[:, :3], axis=1)
    assert np.array_equal(nearest_rows(rows[:5], rows[5:], 3, same=False), others)
    assert nearest_rows(rows[:5], rows[5:7], 2, same=False).tolist() == [[0, 1]] * 5


def test_weights_are_shared_neighbours_by_hand() -> None:
    # 0 and 1 have each other and 2; 2 has 0 and 3; 3 has 2 and 0.
    weights = affinity(np.array([[1, 2], [0, 2], [0, 3], [0, 2]])).toarray()
    floor = _graph._FLOOR
    assert np.array_equal(weights, weights.T)
    assert weights[0, 1] == pytest.approx(1.0 + floor)  # {0,1,2} and {0,1,2}; both ways
    assert weights[0, 2] == pytest.approx(2 / 4 + floor)  # {0,1,2} and {0,2,3}
    assert weights[1, 2] == pytest.approx((2 / 4 + floor) / 2)  # one way only
    assert weights[1, 3] == 0
    assert np.diag(weights).tolist() == [0] * 4


def test_pieces_are_joined_by_the_most_similar_rows() -> None:
    angles = np.array([0.0, 0.1, 0.2, 1.0, 1.1, 1.2, 2.5, 2.6, 2.7])
    rows = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    blocks = np.kron(np.eye(3), np.ones((3, 3)) - np.eye(3))
    joined, pieces = linked(csr_array(blocks), rows)
    assert pieces == 3
    assert connected_components(joined)[0] == 1
    new = joined.toarray() - blocks
    assert {tuple(pair) for pair in np.argwhere(new > 0).tolist()} == {
        (2, 3),
        (3, 2),
        (5, 6),
        (6, 5),
    }
    again, whole = linked(joined, rows)
    assert whole == 1
    assert (again != joined).nnz == 0


@pytest.mark.parametrize(
    ("rows", "k", "expected"), [(1500, 10, 11), (100, 10, 5), (30, 30, 3), (3, 2, 2)]
)
def test_neighbours_fit_the_clusters(rows: int, k: int, expected: int) -> None:
    assert neighbours_for(rows, k, 11) == expected


def test_the_vote_is_the_majority_and_ties_go_to_the_smaller() -> None:
    labels = np.array([0, 1, 1, 2], dtype=np.int32)
    near = np.array([[0, 1, 2], [0, 1, 3], [3, 3, 1]])
    assert vote(labels, near, 3).tolist() == [1, 0, 2]


def test_each_distinct_row_is_chosen_once() -> None:
    rows, _ = groups([20, 20])
    twice = np.concatenate([rows, rows[::-1], -0.0 * rows[:1], 0.0 * rows[:1]])
    chosen = choose(twice, 1000, 0)
    assert not chosen.sampled
    assert len(chosen.rows) == 41
    labels = np.arange(41, dtype=np.int32)
    found = spread(twice, chosen, labels, 41, 3)
    assert np.array_equal(found[:40], found[40:80][::-1])
    assert found[80] == found[81]
    assert len(np.unique(found)) == 41


def test_a_sample_hardly_changes_when_the_table_grows() -> None:
    rows, _ = groups([1050])
    before, after = choose(rows[:1000], 200, 0), choose(rows, 200, 0)
    assert before.sampled
    assert len(before.rows) == len(after.rows) == 200
    assert len(np.intersect1d(before.rows, after.rows)) >= 180
    assert not np.array_equal(choose(rows, 200, 1).rows, after.rows)


def test_rows_outside_the_sample_join_their_neighbours() -> None:
    rows, group = groups([300, 300], spread=0.3)
    chosen = choose(rows, 100, 0)
    assert np.array_equal(spread(rows, chosen, group[chosen.rows], 2, 5), group)


def test_association_is_k_minus_the_cut() -> None:
    graph = csr_array(np.kron(np.eye(2), np.ones((3, 3)) - np.eye(3)))
    labels = np.array([0, 0, 0, 1, 1, 1], dtype=np.int32)
    assert association(graph, labels, 2) == pytest.approx(2.0)
    labels[2] = 1  # cluster 0 keeps 2 of 4, cluster 1 keeps 6 of 8
    assert association(graph, labels, 2) == pytest.approx(2 / 4 + 6 / 8)


def test_refining_mends_a_wrong_row_and_never_empties_a_cluster() -> None:
    graph = csr_array(np.kron(np.eye(2), np.ones((4, 4)) - np.eye(4)))
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1], dtype=np.int32)
    assert refined(graph, labels, 2).tolist() == [0] * 4 + [1] * 4
    lonely = np.array([0, 1, 1, 1, 1, 1, 1, 1], dtype=np.int32)
    assert refined(graph, lonely, 2).tolist() == lonely.tolist()


def test_the_sparse_and_the_dense_solver_agree() -> None:
    rows, _ = groups([200, 150, 100], spread=0.5)
    graph, _ = linked(affinity(nearest_rows(rows, rows, 10, same=True)), rows)
    sparse = embedding(graph, 8, 8)
    weights = graph.toarray()
    scale = 1 / np.sqrt(weights.sum(axis=1))
    dense = np.linalg.eigh(weights * scale[:, None] * scale)[1][:, -8:]
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    # Signs and order aside: the same distances.
    assert np.allclose(sparse @ sparse.T, dense @ dense.T, atol=1e-3)
