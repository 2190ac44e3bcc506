"""Finds the last run's clusters again in a new run, so that numbers, names and colours stay.

Clusters are paired one to one so that as many rows as possible keep their number (Hungarian
assignment: Kuhn 1955, as in `scipy.optimize.linear_sum_assignment`); how close the centres lie
decides between pairs with equally many rows, and pairs clusters that share no rows at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust.data import NOISE, Clustering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import Labels, Vectors

__all__ = ["Matching", "match_clusters", "relate"]

_MAJORITY: Final = 0.5
"""A pair is the same cluster only if the rows they share are this part of one of the two."""
_PART: Final = 0.1
"""A part of a split or a merger has at least this share of the whole."""
_SAME_PLACE: Final = 0.5
"""Cosine, after the mean of the old centres is taken off, from which centres alone pair up."""


@dataclass(frozen=True, slots=True)
class Matching:
    """How a new run's clusters relate to the last one's.

    `numbers`: for each dense label of the new run, its stable number.
    `split`: old number -> the new clusters it fell into; `merged`: new number -> the old clusters
    that went into it. `moved`: of the `shared` rows, those whose number is another one now.
    """

    numbers: list[int]
    kept: list[int]
    new: list[int]
    gone: list[int]
    split: dict[int, list[int]]
    merged: dict[int, list[int]]
    shared: int
    moved: int

    def as_json(self) -> dict[str, Any]:
        """Return what reports show of it."""
        return {
            "gone": self.gone,
            "kept": self.kept,
            "merged": {str(number): parts for number, parts in self.merged.items()},
            "moved_rows": self.moved,
            "new": self.new,
            "shared_rows": self.shared,
            "split": {str(number): parts for number, parts in self.split.items()},
        }


def match_clusters(
    old: Clustering, ids: Sequence[str], labels: Labels, centres: Vectors, next_number: int
) -> Matching:
    """Give every new cluster the number of the old one it continues, or a number never used.

    `labels`: int32 (n,), dense 0..k-1 in the order in which new numbers are given out, -1 = noise.
    `centres`: float32 (k, d). `next_number`: the smallest number no cluster ever had.
    The answer does not depend on how an algorithm happened to number its clusters.
    """
    k = len(centres)
    overlap = _overlap(old, ids, labels, k)
    sizes = (
        np.array([np.count_nonzero(old.clusters == number) for number in old.numbers]),
        np.bincount(labels[labels != NOISE], minlength=k),
    )
    assigned = _assign(overlap, *sizes, _similarity(old.centres, centres))
    return _matching(overlap, old.numbers, _numbers(assigned, old.numbers, k, next_number))


def relate(old: Clustering, new: Clustering) -> Matching:
    """Say how two runs that are numbered already relate: equal numbers are the same cluster."""
    place = {number: label for label, number in enumerate(new.numbers)}
    dense = np.array([place.get(number, NOISE) for number in new.clusters.tolist()], dtype=np.int32)
    return _matching(_overlap(old, new.ids, dense, len(place)), old.numbers, new.numbers)


def _overlap(old: Clustering, ids: Sequence[str], labels: Labels, k: int) -> NDArray[np.int64]:
    """Count the rows in both runs by old and new cluster, (k_old + 1, k + 1); the last: noise."""
    place = {number: index for index, number in enumerate(old.numbers)}
    before = dict(zip(old.ids, old.clusters.tolist(), strict=True))
    overlap = np.zeros((len(old.numbers) + 1, k + 1), dtype=np.int64)
    for item_id, label in zip(ids, labels.tolist(), strict=True):
        if item_id in before:
            overlap[place.get(before[item_id], -1), label] += 1
    return overlap


def _matching(
    overlap: NDArray[np.int64], old_numbers: Sequence[int], numbers: Sequence[int]
) -> Matching:
    """`numbers`: for each new cluster, in the order of the columns, its number."""
    same = [(old_numbers.index(n), at) for at, n in enumerate(numbers) if n in old_numbers]
    stayed = int(overlap[-1, -1]) + sum(int(overlap[pair]) for pair in same)
    shared = int(overlap.sum())
    return Matching(
        numbers=list(numbers),
        kept=sorted(set(old_numbers) & set(numbers)),
        new=sorted(set(numbers) - set(old_numbers)),
        gone=sorted(set(old_numbers) - set(numbers)),
        split=_split(overlap, old_numbers, numbers),
        merged=_split(overlap.T, numbers, old_numbers),
        shared=shared,
        moved=shared - stayed,
    )


def _similarity(old: Vectors, new: Vectors) -> NDArray[np.float64]:
    """Return the cosines (k_old, k_new) of the centres; zero when they cannot be compared."""
    if not len(old) or not len(new) or old.shape[1] != new.shape[1]:
        return np.zeros((len(old), len(new)))
    # Image vectors all lie in one narrow cone; what tells clusters apart is left without the mean.
    middle = old.mean(axis=0, dtype=np.float64) if len(old) > 1 else 0.0
    left, right = old - middle, new - middle
    lengths = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=1)[None, :]
    cosines: NDArray[np.float64] = (left @ right.T) / np.maximum(lengths, 1e-12)
    return np.round(cosines, 6)


def _assign(
    overlap: NDArray[np.int64],
    old_sizes: NDArray[np.int64],
    new_sizes: NDArray[np.int64],
    cosines: NDArray[np.float64],
) -> dict[int, int]:
    """Return new label -> index of the old cluster it continues."""
    from scipy.optimize import linear_sum_assignment

    shared = overlap[:-1, :-1]
    of_old = overlap.sum(axis=1)[:-1, None]
    of_new = overlap.sum(axis=0)[None, :-1]
    # Most of one of the two clusters; or, where many rows came and went, most of what stayed.
    most = (shared >= _MAJORITY * old_sizes[:, None]) | (shared >= _MAJORITY * new_sizes[None, :])
    most_stayed = (shared >= _MAJORITY * of_old) & (shared >= _MAJORITY * of_new)
    by_rows = (shared > 0) & (most | most_stayed)
    by_place = (of_old == 0) & (of_new == 0) & (cosines >= _SAME_PLACE)
    # All the cosines together weigh less than one row.
    weight = 1.0 / (2.0 * (min(shared.shape, default=0) + 1))
    score = np.where(by_rows, shared, 0.0) + np.where(
        by_rows | by_place, weight * (cosines + 1.0) / 2.0, 0.0
    )
    rows, columns = linear_sum_assignment(score, maximize=True)
    return {
        int(column): int(row)
        for row, column in zip(rows, columns, strict=True)
        if by_rows[row, column] or by_place[row, column]
    }


def _numbers(
    assigned: Mapping[int, int], old_numbers: Sequence[int], k: int, next_number: int
) -> list[int]:
    numbers = []
    for label in range(k):
        if label in assigned:
            numbers.append(old_numbers[assigned[label]])
        else:
            numbers.append(next_number)
            next_number += 1
    return numbers


def _split(
    overlap: NDArray[np.int64], whole_numbers: Sequence[int], part_numbers: Sequence[int]
) -> dict[int, list[int]]:
    """Return whole -> its parts, for wholes of which two or more clusters mostly consist.

    `overlap`: (wholes + 1, parts + 1); the same for mergers with both sides exchanged.
    """
    shared = overlap[:-1, :-1]
    of_whole = overlap.sum(axis=1)[:-1, None]
    of_part = overlap.sum(axis=0)[None, :-1]
    is_part = (shared > 0) & (shared >= _PART * of_whole) & (shared >= _MAJORITY * of_part)
    found = {
        whole_numbers[row]: sorted(
            part_numbers[column] for column in np.flatnonzero(parts).tolist()
        )
        for row, parts in enumerate(is_part)
        if np.count_nonzero(parts) > 1
    }
    return dict(sorted(found.items()))
