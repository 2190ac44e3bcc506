"""Names from columns: values that are over-represented in a cluster ('Women · Watches')."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from embclust.namers._words import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embclust.data import ClusterSample, Scalar

__all__ = ["column_names"]

_MOST_VALUES = 200
_LEAST_SHARE = 0.5
_LEAST_LIFT = 1.5


def column_names(samples: Sequence[ClusterSample]) -> list[list[str]]:
    """Return, per cluster, names made of values that most of its rows have and others lack.

    A value counts when at least half of the cluster's rows have it and it is at least one and a
    half times as frequent there as in all clusters together. Only columns with few different
    values are looked at (at most 200, and at most half as many as there are rows).
    """
    columns = _columns(samples)
    per_cluster = [_shares(sample, columns) for sample in samples]
    n = sum(len(sample.fields) for sample in samples)
    overall: defaultdict[tuple[str, str], float] = defaultdict(float)
    for sample, shares in zip(samples, per_cluster, strict=True):
        for key, share in shares.items():
            overall[key] += share * len(sample.fields) / n
    names = []
    for shares in per_cluster:
        scored = {
            key: share * math.log(share / overall[key])
            for key, share in shares.items()
            if share >= _LEAST_SHARE and share / overall[key] >= _LEAST_LIFT
        }
        best = sorted(scored, key=lambda key: (-scored[key], columns.index(key[0])))
        names.append(_combined(best, columns))
    return names


def _columns(samples: Sequence[ClusterSample]) -> list[str]:
    """The columns with few different values, in the table's order."""
    values: dict[str, set[Scalar]] = {}
    rows = 0
    for sample in samples:
        rows += len(sample.fields)
        for fields in sample.fields:
            for column, value in fields.items():
                seen = values.setdefault(column, set())
                if len(seen) <= _MOST_VALUES:
                    seen.add(value)
    most = min(_MOST_VALUES, max(rows // 2, 1))
    return [column for column, seen in values.items() if len(seen) <= most]


def _shares(sample: ClusterSample, columns: list[str]) -> dict[tuple[str, str], float]:
    kept = set(columns)
    counts: Counter[tuple[str, str]] = Counter(
        (column, _shown(column, value))
        for fields in sample.fields
        for column, value in fields.items()
        if column in kept and value != ""
    )
    rows = max(len(sample.fields), 1)
    return {key: count / rows for key, count in counts.items()}


def _shown(column: str, value: Scalar) -> str:
    """A number or a yes/no says nothing without its column's name."""
    if isinstance(value, str) and any(char.isalpha() for char in value):
        return value
    return f"{column} {value}"


def _combined(best: list[tuple[str, str]], columns: list[str]) -> list[str]:
    """The two best values together, in the table's column order, then each by itself."""
    distinct: list[tuple[str, str]] = []
    for key in best:
        folded = fold(key[1])
        if all(key[0] != other[0] and folded != fold(other[1]) for other in distinct):
            distinct.append(key)
    names = [value for _, value in distinct]
    if len(distinct) < 2:
        return names
    pair = sorted(distinct[:2], key=lambda key: columns.index(key[0]))
    return [" · ".join(value for _, value in pair), *names]
