"""How good and how steady each clusterer is, on labelled sets (benchmarks/labelled.py).

    python -m benchmarks.clusterers [--k 5,10,15,20,30] [--kinds a,b] [--runs 3]

Per set, kind and k: NMI with the labels nobody clustered by, the largest cluster's share of the
rows, the share of rows that keep their cluster when 5 % are added (afresh, and with the last
run's centres as a start), and the adjusted Rand index between runs on 90 % samples (rows in both).
"""

from __future__ import annotations

import argparse
from itertools import combinations
from typing import Any

import numpy as np

from benchmarks.labelled import LabelledSet, labelled_sets
from benchmarks.measure import cost, print_table
from embclust import plugins
from embclust.data import Labels, Vectors

KINDS = "kmeans,minibatch,agglomerative,spectral,hdbscan"


def build(kind: str, k: int) -> Any:
    """The clusterer, with its defaults."""
    return plugins.build("clusterer", kind, {} if kind == "hdbscan" else {"k": k})


def kept(labels: Labels, before: Labels) -> float:
    """The share of rows in matching clusters, matched so that it is largest."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(labels, before)
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum()) / len(labels)


def growth(kind: str, k: int, vectors: Vectors, runs: int) -> tuple[float, float]:
    """The least share of rows kept over `runs` draws when 5 % are added: afresh, warm."""
    afresh, warm = [], []
    everything = build(kind, k).cluster(vectors)[0]
    for seed in range(runs):
        drawn = np.random.default_rng(seed).permutation(len(vectors))
        old = np.sort(drawn[: int(len(vectors) / 1.05)])
        labels, centres = build(kind, k).cluster(vectors[old])
        afresh.append(kept(everything[old], labels))
        warm.append(kept(build(kind, k).cluster(vectors, centres)[0][old], labels))
    return min(afresh), min(warm)


def steadiness(kind: str, k: int, vectors: Vectors, runs: int) -> float:
    """The mean adjusted Rand index between runs on different 90 % of the rows."""
    from sklearn.metrics import adjusted_rand_score

    found = []
    for seed in range(runs):
        rows = np.sort(np.random.default_rng(seed).permutation(len(vectors)))
        rows = rows[np.random.default_rng(100 + seed).random(len(rows)) < 0.9]
        labels = np.full(len(vectors), -2)
        labels[rows] = build(kind, k).cluster(vectors[rows])[0]
        found.append(labels)
    scores = []
    for one, other in combinations(found, 2):
        both = (one > -2) & (other > -2)
        scores.append(adjusted_rand_score(one[both], other[both]))
    return float(np.mean(scores))


def line(data: LabelledSet, kind: str, k: int, runs: int) -> list[object]:
    """One line of the table."""
    from sklearn.metrics import normalized_mutual_info_score

    with cost() as spent:
        labels = build(kind, k).cluster(data.vectors)[0]
    score = normalized_mutual_info_score(data.labels[data.scored], labels[data.scored])
    largest = float(np.bincount(labels[labels >= 0], minlength=1).max()) / len(labels)
    noise = float((labels < 0).mean())
    afresh, warm = growth(kind, k, data.vectors, runs)
    found = int(labels.max()) + 1
    steady = steadiness(kind, k, data.vectors, runs)
    return [data.name, kind, found, float(score), largest, noise, afresh, warm, steady, spent.cpu]


def main() -> None:
    """Measure and print, set by set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--k", default="5,10,15,20,30")
    parser.add_argument("--kinds", default=KINDS)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    heads = ("set", "kind", "clusters", "NMI", "largest", "noise", "kept", "kept warm", "ARI 90 %")
    for data in labelled_sets():
        ks = [int(k) for k in chosen.k.split(",")]
        # hdbscan finds the number of clusters itself.
        lines = [
            line(data, kind, k, chosen.runs)
            for kind in chosen.kinds.split(",")
            for k in (ks[:1] if kind == "hdbscan" else ks)
        ]
        print_table((*heads, "cpu s"), lines)
        print(flush=True)


if __name__ == "__main__":
    main()
