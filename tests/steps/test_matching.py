from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from embclust.data import Clustering
from embclust.steps.matching import Matching, match_clusters
from tests.steps.parts import clustering_of


def match(old: Clustering, ids: list[str], labels: list[int], next_number: int = 100) -> Matching:
    """Match with centres that say nothing: another dimension."""
    dense = np.array(labels, dtype=np.int32)
    centres = np.ones((max(labels, default=-1) + 1, 1), dtype=np.float32)
    return match_clusters(old, ids, dense, centres, next_number)


def ids_for(n: int) -> list[str]:
    return [f"{index:04d}" for index in range(n)]


@st.composite
def labelled(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Old numbers with gaps, each used at least once, and an order to renumber them in."""
    numbers = draw(st.lists(st.integers(0, 50), min_size=1, max_size=8, unique=True))
    rest = draw(st.lists(st.sampled_from([*numbers, -1]), max_size=60))
    return draw(st.permutations([*numbers, *rest])), draw(st.permutations(numbers))


@settings(deadline=None)
@given(labelled())
def test_a_permutation_of_the_labels_is_found_back(case: tuple[list[int], list[int]]) -> None:
    clusters, order = case
    ids = ids_for(len(clusters))
    dense = [order.index(number) if number >= 0 else -1 for number in clusters]
    found = match(clustering_of(ids, clusters), ids, dense)
    assert found.numbers == order
    assert found.kept == sorted(order)
    assert (found.new, found.gone, found.split, found.merged) == ([], [], {}, {})
    assert (found.shared, found.moved) == (len(ids), 0)


@settings(deadline=None)
@given(labelled(), st.data())
def test_numbers_are_unique_and_new_ones_never_used_before(
    case: tuple[list[int], list[int]], data: st.DataObject
) -> None:
    clusters, _ = case
    ids = ids_for(len(clusters))
    k = data.draw(st.integers(1, 10))
    labels = data.draw(st.lists(st.integers(-1, k - 1), min_size=len(ids), max_size=len(ids)))
    found = match(clustering_of(ids, clusters), ids, labels)
    assert len(set(found.numbers)) == len(found.numbers)
    assert set(found.kept) == set(found.numbers) & set(clusters)
    assert all(number >= 100 for number in found.new)
    assert sorted([*found.kept, *found.new]) == sorted(found.numbers)
    assert sorted({*found.kept, *found.gone}) == sorted(set(clusters) - {-1})
    moved = sum(
        was != (found.numbers[label] if label >= 0 else -1)
        for was, label in zip(clusters, labels, strict=True)
    )
    assert found.moved == moved


@settings(deadline=None)
@given(st.integers(4, 40), st.integers(4, 40), st.integers(0, 10))
def test_a_split_is_recognised_and_the_larger_part_keeps_the_number(
    large: int, small: int, other: int
) -> None:
    large, small = max(large, small) + 1, min(large, small)
    clusters = [7] * (large + small) + [3] * (other + 1)
    ids = ids_for(len(clusters))
    labels = [0] * large + [1] * small + [2] * (other + 1)
    found = match(clustering_of(ids, clusters), ids, labels)
    if small >= 0.1 * (large + small):
        assert found.split == {7: [7, 100]}
    assert found.numbers == [7, 100, 3]
    assert (found.new, found.gone, found.merged) == ([100], [], {})
    assert found.moved == small


@settings(deadline=None)
@given(st.integers(4, 40), st.integers(4, 40))
def test_a_merger_is_recognised_and_takes_the_number_of_the_larger(a: int, b: int) -> None:
    a, b = max(a, b) + 1, min(a, b)
    clusters = [7] * a + [3] * b + [5] * 9
    ids = ids_for(len(clusters))
    found = match(clustering_of(ids, clusters), ids, [0] * (a + b) + [1] * 9)
    if b >= 0.1 * (a + b):
        assert found.merged == {7: [3, 7]}
    assert found.numbers == [7, 5]
    assert (found.new, found.gone, found.split) == ([], [3], {})


def test_one_stray_row_does_not_carry_a_number_over() -> None:
    ids = ids_for(41)
    old = clustering_of(ids, [0] * 20 + [1] * 21)
    # Cluster 0 dissolved into 1, but for one row that lies among twenty new ones.
    new_ids = [*ids, *(f"n{index}" for index in range(20))]
    found = match(old, new_ids, [0] * 19 + [1] + [0] * 21 + [1] * 20)
    assert found.numbers == [1, 100]
    assert found.gone == [0]


def test_clusters_without_shared_rows_are_matched_by_their_centres() -> None:
    rng = np.random.default_rng(0)
    # Directions in a narrow cone, as image vectors have them: all cosines are above 0.9.
    cone = rng.normal(size=8)
    cone /= np.linalg.norm(cone)
    vectors = (cone + 0.1 * rng.normal(size=(4, 8))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (vectors @ vectors.T).min() > 0.8
    old = clustering_of(list("abcd"), [4, 2, 9, 6], vectors)
    labels = np.array([0, 1, 2, 3], dtype=np.int32)
    shuffled = vectors[[2, 0, 3, 1]]
    found = match_clusters(old, list("efgh"), labels, shuffled, 10)
    assert found.numbers == [9, 4, 6, 2]
    elsewhere = match_clusters(old, list("efgh"), labels, 2 * vectors.mean(axis=0) - shuffled, 10)
    assert elsewhere.numbers != found.numbers


def test_rows_count_before_centres() -> None:
    ids = ids_for(30)
    eye = np.eye(2, dtype=np.float32)
    old = clustering_of(ids, [0] * 10 + [1] * 20, eye[[0] * 10 + [1] * 20])
    labels = np.array([1] * 10 + [0] * 20, dtype=np.int32)
    swapped = match_clusters(old, ids, labels, eye, 5)  # centres that say the opposite
    assert swapped.numbers == [1, 0]


def test_no_clusters_on_either_side() -> None:
    ids = ids_for(3)
    noise = clustering_of(ids, [-1, -1, -1])
    assert match(noise, ids, [-1, -1, -1]).numbers == []
    assert match(noise, ids, [0, 0, -1]).numbers == [100]
    gone = match(clustering_of(ids, [4, 4, 4]), ids, [-1, -1, -1])
    assert (gone.gone, gone.moved) == ([4], 3)


def test_the_report_is_plain_json() -> None:
    ids = ids_for(20)
    found = match(clustering_of(ids, [0] * 20), ids, [0] * 12 + [1] * 8)
    assert found.as_json() == {
        "gone": [],
        "kept": [0],
        "merged": {},
        "moved_rows": 8,
        "new": [100],
        "shared_rows": 20,
        "split": {"0": [0, 100]},
    }
