"""How two numbered runs relate: what was done to the clusters is what is said of them."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from embclust.steps.matching import match_clusters, relate
from tests.steps.parts import clustering_of


def ids_for(n: int) -> list[str]:
    return [f"{index:04d}" for index in range(n)]


sizes = st.lists(st.integers(4, 30), min_size=2, max_size=6)


@settings(deadline=None)
@given(sizes, st.integers(0, 5), st.data())
def test_a_cluster_cut_in_two_is_split_and_the_others_are_kept(
    rows: list[int], which: int, data: st.DataObject
) -> None:
    which %= len(rows)
    clusters = np.repeat(np.arange(len(rows)), rows)
    members = np.flatnonzero(clusters == which)
    cut = data.draw(st.integers(1, len(members) - 1))
    assume(min(cut, len(members) - cut) >= 0.1 * len(members))
    after = clusters.copy()
    after[members[:cut]] = len(rows)
    order = data.draw(st.permutations(range(len(rows) + 1)))
    dense = np.array([order.index(label) for label in after.tolist()], dtype=np.int32)
    old = clustering_of(ids_for(len(after)), clusters.tolist())
    centres = np.ones((len(rows) + 1, 1), dtype=np.float32)
    found = match_clusters(old, old.ids, dense, centres, 100)
    assert found.split == {which: [which, 100]}
    assert (found.kept, found.new) == (list(range(len(rows))), [100])
    assert (found.gone, found.merged) == ([], {})
    assert found.moved == min(cut, len(members) - cut)


@settings(deadline=None)
@given(sizes, st.data())
def test_clusters_put_together_are_merged_and_the_largest_lends_its_number(
    rows: list[int], data: st.DataObject
) -> None:
    clusters = np.repeat(np.arange(len(rows)), rows)
    together = sorted(
        data.draw(st.sets(st.integers(0, len(rows) - 1), min_size=2, max_size=len(rows)))
    )
    whole = sum(rows[number] for number in together)
    assume(all(rows[number] >= 0.1 * whole for number in together))
    largest = max(rows[number] for number in together)
    assume([rows[number] for number in together].count(largest) == 1)
    stays = next(number for number in together if rows[number] == largest)
    after = np.where(np.isin(clusters, together), together[0], clusters)
    present = sorted(set(after.tolist()))
    order = data.draw(st.permutations(present))
    dense = np.array([order.index(label) for label in after.tolist()], dtype=np.int32)
    old = clustering_of(ids_for(len(after)), clusters.tolist())
    centres = np.ones((len(present), 1), dtype=np.float32)
    found = match_clusters(old, old.ids, dense, centres, 100)
    assert found.merged == {stays: together}
    assert found.gone == [number for number in together if number != stays]
    assert (found.new, found.split) == ([], {})
    assert found.moved == whole - largest


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-1, 5), st.integers(-1, 7)), min_size=1, max_size=60),
    st.integers(0, 10),
    st.integers(0, 10),
)
def test_numbered_runs_relate_by_their_numbers(
    pairs: list[tuple[int, int]], came: int, went: int
) -> None:
    ids = ids_for(len(pairs))
    old = clustering_of(
        [*ids, *(f"x{n}" for n in range(went))], [was for was, _ in pairs] + [3] * went
    )
    new = clustering_of(
        [*ids, *(f"z{n}" for n in range(came))], [now for _, now in pairs] + [4] * came
    )
    found = relate(old, new)
    assert found.shared == len(pairs)
    assert found.moved == sum(was != now for was, now in pairs)
    assert found.kept == sorted(set(old.numbers) & set(new.numbers))
    assert found.new == sorted(set(new.numbers) - set(old.numbers))
    assert found.gone == sorted(set(old.numbers) - set(new.numbers))
    assert set(found.split) <= set(old.numbers)
    assert set(found.merged) <= set(new.numbers)


@settings(deadline=None)
@given(st.lists(st.integers(-1, 6), min_size=1, max_size=80), st.integers(0, 3))
def test_matching_and_relating_say_the_same(clusters: list[int], shift: int) -> None:
    ids = ids_for(len(clusters))
    old = clustering_of(ids, clusters)
    changed = [(number + shift) % 5 if at % 3 else number for at, number in enumerate(clusters)]
    numbers = sorted(set(changed) - {-1})
    dense = np.array([numbers.index(n) if n >= 0 else -1 for n in changed], dtype=np.int32)
    matched = match_clusters(old, ids, dense, np.ones((len(numbers), 1), np.float32), 100)
    named = [matched.numbers[label] if label >= 0 else -1 for label in dense.tolist()]
    again = relate(old, clustering_of(ids, named))
    assert again.as_json() == matched.as_json()
