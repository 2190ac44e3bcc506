"""How well clusters agree with a column of labels, which had no part in making them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embclust.errors import UsageError
from embclust.wording import near_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embclust.data import Clustering, Embeddings, Scalar

__all__ = ["Comparison", "check_column", "compare_column"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The agreement of clusters and labels over the rows that have a label.

    `nmi`: normalised mutual information (arithmetic mean of the entropies), `ari`: adjusted Rand
    index, `v_measure` with its parts `homogeneity` (a cluster holds one label) and `completeness`
    (a label lies in one cluster): scikit-learn's figures. Rows in no cluster (-1) count as a
    group of their own. `table`: cluster number as text -> label -> rows, most frequent first.
    """

    column: str
    rows: int
    left_out: int
    labels: int
    nmi: float
    ari: float
    v_measure: float
    homogeneity: float
    completeness: float
    table: dict[str, dict[str, int]]

    def as_json(self) -> dict[str, Any]:
        """Return what reports show of it."""
        return asdict(self)


def check_column(fields: Sequence[Mapping[str, Scalar]], column: str, collection: str) -> None:
    """Raise UsageError, naming columns like it, for one that no row has a value in."""
    if any(_label(row, column) for row in fields):
        return
    there = {name for row in fields for name in row}
    near = near_fields(column, there)
    hint = f"Columns like it: {', '.join(near)}." if near else "Its rows have no columns at all."
    if column in there:
        raise UsageError(f"--compare: column '{column}' of '{collection}' is empty.", hint)
    raise UsageError(f"--compare: no row of '{collection}' has a column '{column}'.", hint)


def compare_column(embeddings: Embeddings, clustering: Clustering, column: str) -> Comparison:
    """Compare clusters with the values of a column; rows without one are left out and counted.

    `clustering`: of these rows, in this order. At least one row has a value (`check_column`).
    """
    from sklearn import metrics

    labels = [_label(row, column) for row in embeddings.fields]
    kept = [row for row, label in enumerate(labels) if label]
    names = [labels[row] for row in kept]
    clusters = clustering.clusters[kept].tolist()
    homogeneity, completeness, v_measure = metrics.homogeneity_completeness_v_measure(
        names, clusters
    )
    return Comparison(
        column=column,
        rows=len(kept),
        left_out=len(labels) - len(kept),
        labels=len(set(names)),
        nmi=_rounded(metrics.normalized_mutual_info_score(names, clusters)),
        ari=_rounded(metrics.adjusted_rand_score(names, clusters)),
        v_measure=_rounded(v_measure),
        homogeneity=_rounded(homogeneity),
        completeness=_rounded(completeness),
        table=_cross_table(clusters, names),
    )


def _label(row: Mapping[str, Scalar], column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value).strip()


def _cross_table(clusters: Sequence[int], names: Sequence[str]) -> dict[str, dict[str, int]]:
    numbers, rows = np.unique(clusters, return_inverse=True)
    labels, columns = np.unique(names, return_inverse=True)
    counts = np.zeros((len(numbers), len(labels)), dtype=np.int64)
    np.add.at(counts, (rows, columns), 1)
    table = {}
    for number, line in zip(numbers.tolist(), counts, strict=True):
        order = np.argsort(-line, kind="stable")
        table[str(number)] = {str(labels[at]): int(line[at]) for at in order if line[at]}
    return table


def _rounded(value: float) -> float:
    return round(float(value), 7)
