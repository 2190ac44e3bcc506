"""`k: auto`: try several numbers of clusters and take the smallest that is both good and stable.

For each k the rows (a sample, when there are many) are clustered, and three figures taken:

    silhouette   mean cosine silhouette, in vector space
    by chance    the same for rows without clusters: the same principal components, each with its
                 values shuffled (the reference of the gap statistic: Tibshirani, Walther and
                 Hastie, "Estimating the number of clusters in a data set", 2001)
    stability    adjusted Rand index with the clusterings of parts of the rows (steps/stability.py)

The figure of merit is the silhouette beyond chance, times the stability: silhouettes alone
favour two clusters, which any cloud of points falls into. docs/quality.md states the rule for
the people who use it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from embclust.steps.quality import silhouettes
from embclust.steps.stability import agreement, clustered, draw
from embclust.vectors import bad_rows, unit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import Labels, Vectors
    from embclust.protocols import Progress

__all__ = ["AUTO", "Candidate", "Choice", "candidates", "decide", "fallback_k", "settle_k"]

Structure = Literal["clear", "weak", "none"]

AUTO: Final = "auto"
_CANDIDATES: Final = (*range(2, 11), 12, 14, 17, 20, 24, 28, 33, 40)
_BY_CHANCE: Final = (2, 3, 5, 8, 12, 20, 28, 40)
"""What comes about by chance changes so slowly with k that it is interpolated between these."""
_PARTS: Final = 3
_GAIN: Final = 1.05
"""A k is passed over while one of the next two scores so much better: clusters are missing."""
_ROWS_PER_CLUSTER: Final = 5
_DEFAULT_K: Final = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """What a k has to reach.

    `beyond_chance`: the least silhouette beyond chance that counts as structure. `stability`:
    the least that is stable. `of_best`: the part of the best score that is good.
    """

    beyond_chance: float
    stability: float
    of_best: float

    def loosened(self) -> Limits:
        """What the last run's k has to reach to be kept: less, so that it does not flicker."""
        return Limits(0.7 * self.beyond_chance, self.stability - 0.15, self.of_best - 0.2)


LIMITS: Final[dict[Structure, Limits]] = {
    "clear": Limits(beyond_chance=0.05, stability=0.8, of_best=0.8),
    "weak": Limits(beyond_chance=0.05, stability=0.5, of_best=0.8),
}
"""The kinds of structure that a k can have behind it, best first; else there is "none"."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One line of the table."""

    k: int
    silhouette: float
    by_chance: float
    stability: float

    @property
    def beyond_chance(self) -> float:
        """How much better than rows without clusters."""
        return self.silhouette - self.by_chance

    @property
    def score(self) -> float:
        """The figure of merit."""
        return self.beyond_chance * self.stability


@dataclass(frozen=True, slots=True)
class Choice:
    """The k that was chosen and why.

    `structure`: "none" when no k is better than chance and stable; k is arbitrary then. `kept`:
    the last run's k was kept. `rows`: how many rows were looked at.
    """

    k: int
    structure: Structure
    kept: bool
    reason: str
    rows: int
    table: list[Candidate]

    def as_json(self) -> dict[str, Any]:
        """Return what is kept with the clusters and shown in reports."""
        return asdict(self)


def choice_from(found: Mapping[str, Any]) -> Choice:
    """Return a choice that was kept."""
    table = [Candidate(**line) for line in found["table"]]
    return Choice(**{**found, "table": table})


def settle_k(
    vectors: Vectors,
    used: Mapping[str, Any],
    options: Mapping[str, Any],
    last: Mapping[str, Any] | None,
    made_from: str,
    *,
    fresh: bool,
    progress: Progress,
) -> Choice | None:
    """Return the choice of k; None when the settings name one, or the kind has none.

    `last`: the last run's manifest entry. The same rows with the same settings are not looked at
    again; after other changes the last k is kept while it is nearly as good as the best.
    `fresh`: choose as if there were no last run.
    """
    if used.get("k") != AUTO:
        return None
    before = None
    if not fresh and last is not None and last["settings"] == dict(used) and last.get("auto"):
        before = choice_from(last["auto"])
        if last["made_from"] == made_from:
            return before
    found, rows = _sweep(vectors, used, options, before, progress)
    return decide(found, len(vectors), rows, before)


def candidates(n: int, also: int | None = None) -> list[int]:
    """Return the ks to try first for so many rows: at most 40, at least five rows a cluster."""
    wanted = {*_CANDIDATES, *([] if also is None else [also])}
    return sorted(k for k in wanted if 2 <= k <= n // _ROWS_PER_CLUSTER)


def between(tried: Sequence[int], k: int) -> list[int]:
    """Return the ks around a chosen one that were passed over."""
    at = sorted(tried).index(k)
    low, high = ([k, *sorted(tried)][at], [*sorted(tried), k][at + 1])
    return [one for one in range(low + 1, high) if one not in tried]


def fallback_k(n: int) -> int:
    """Return the k for rows without clear structure: ten, fewer where there are few rows."""
    return max(1, min(_DEFAULT_K, round(math.sqrt(n / 2))))


def decide(table: Sequence[Candidate], n: int, rows: int, before: Choice | None = None) -> Choice:
    """Apply the rule to a table. `n`: all rows; `rows`: how many of them were looked at."""
    for structure, limits in LIMITS.items():
        still = [one.k for one in _reached(table, limits.loosened())]
        if before is not None and before.structure == structure and before.k in still:
            why = f"k = {before.k} of the last run is kept: {_figures(table, before.k)}."
            return Choice(before.k, structure, True, why, rows, list(table))
        good = [one for one in _reached(table, limits) if not _next_gains(table, one, limits)]
        if good:
            why = _REASONS[structure].format(k=good[0].k, figures=_figures(table, good[0].k))
            return Choice(good[0].k, structure, False, why, rows, list(table))
    keep = before is not None and before.structure == "none"
    k = before.k if keep and before is not None else fallback_k(n)
    return Choice(k, "none", keep, _no_structure(table, k), rows, list(table))


_REASONS: Final[dict[Structure, str]] = {
    "clear": "k = {k} is the smallest that is good and stable: {figures}.",
    "weak": "Weak structure: k = {k} is better than chance, but no k is stable: {figures}."
    " Rows between two groups may change sides.",
}


def _reached(table: Sequence[Candidate], limits: Limits) -> list[Candidate]:
    """Return the lines that reach the limits, smallest k first."""
    stable = [one for one in table if _is_stable(one, limits)]
    best = max((one.score for one in stable), default=0.0)
    return [one for one in stable if one.score >= limits.of_best * best]


def _is_stable(one: Candidate, limits: Limits) -> bool:
    return one.stability >= limits.stability and one.beyond_chance >= limits.beyond_chance


def _next_gains(table: Sequence[Candidate], one: Candidate, limits: Limits) -> bool:
    following = [other for other in table[table.index(one) + 1 :][:2] if _is_stable(other, limits)]
    return any(other.score > _GAIN * one.score for other in following)


def _figures(table: Sequence[Candidate], k: int) -> str:
    one = next(line for line in table if line.k == k)
    return (
        f"silhouette {one.silhouette:.3f}, {one.by_chance:.3f} by chance,"
        f" stability {one.stability:.2f}"
    )


def _no_structure(table: Sequence[Candidate], k: int) -> str:
    if not table:
        return f"There are too few rows to choose k by evidence: k = {k} is taken."
    best = max(table, key=lambda one: one.beyond_chance)
    return (
        f"No clear structure: no k is both better than chance and stable (best: k = {best.k},"
        f" {_figures(table, best.k)}). k = {k} is taken; the groups may be arbitrary cuts."
    )


def _sweep(
    vectors: Vectors,
    used: Mapping[str, Any],
    options: Mapping[str, Any],
    before: Choice | None,
    progress: Progress,
) -> tuple[list[Candidate], int]:
    """Return the table, smallest k first, and how many rows it was made from."""
    seed = int(used.get("seed") or 0)
    drawn, parts = draw(len(vectors), seed)
    sample = vectors[drawn]

    def labels_of(rows: Vectors, k: int, number: int = 0) -> Labels:
        return clustered(used["kind"], {**options, "k": k}, rows, number)

    def look(k: int) -> Candidate:
        labels = labels_of(sample, k)
        values = [
            agreement(labels[part], labels_of(sample[part], k, number))
            for number, part in enumerate(parts[:_PARTS], 1)
        ]
        mean = _mean(silhouettes(sample, labels))
        return Candidate(k, mean, by_chance(k), round(float(np.mean(values)), 6))

    first = candidates(len(drawn), None if before is None else before.k)
    with progress.stage("Choosing k", len(first)) as bar:
        by_chance = _by_chance(without_clusters(sample, seed), first, labels_of)
        found = {}
        for k in first:
            found[k] = look(k)
            bar.advance()
        near = decide(list(found.values()), len(vectors), len(drawn))
        more = [] if near.structure == "none" else between(first, near.k)
        bar.total(len(first) + len(more))
        for k in more:
            found[k] = look(k)
            bar.advance()
    return [found[k] for k in sorted(found)], len(drawn)


def _by_chance(
    shuffled: Vectors, ks: Sequence[int], labels_of: Callable[[Vectors, int], Labels]
) -> Callable[[int], float]:
    """Return the silhouette of rows without clusters as a function of k."""
    tried = [k for k in _BY_CHANCE if ks and k <= ks[-1]]
    values = [_mean(silhouettes(shuffled, labels_of(shuffled, k))) for k in tried]

    def at(k: int) -> float:
        return round(float(np.interp(np.log(k), np.log(tried), values)), 6)

    return at


def _mean(values: NDArray[np.float64]) -> float:
    there = values[~np.isnan(values)]
    return round(float(there.mean()), 6) if there.size else 0.0


def without_clusters(vectors: Vectors, seed: int) -> Vectors:
    """Return rows with the same spread in every principal direction, but no groups."""
    rng = np.random.default_rng(seed)
    middle = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - middle
    _, axes = np.linalg.eigh(centred.T @ centred)
    along = rng.permuted(centred @ axes, axis=0)
    rows = along @ axes.T + middle
    bad = list(bad_rows(rows))
    rows[bad] = vectors[bad]
    return unit_rows(rows)
