"""Cluster samples for tests, made of plain texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from embclust.data import ClusterSample, Scalar

__all__ = ["SHOP", "sample", "samples"]

SHOP = {
    0: [f"{brand} Men Analog Watch" for brand in ("Titan", "Fossil", "Timex", "Casio")],
    4: [f"{brand} Women Sunglasses" for brand in ("Idee", "Fastrack", "Polaroid", "Ray")],
    7: [f"{brand} Men Running Shoes" for brand in ("Nike", "Puma", "Adidas", "Asics")],
}
"""Three clusters; their numbers have gaps, as numbers that survive re-runs do."""


def sample(
    cluster: int, texts: Sequence[str], fields: Sequence[Mapping[str, Scalar]] | None = None
) -> ClusterSample:
    n = len(texts)
    angle = cluster * 0.3
    return ClusterSample(
        cluster=cluster,
        size=n,
        ids=[f"{cluster}-{i}" for i in range(n)],
        texts=list(texts),
        fields=[dict(row) for row in fields] if fields is not None else [{} for _ in texts],
        representatives=list(range(min(n, 20))),
        centre=np.array([np.cos(angle), np.sin(angle)], dtype=np.float32),
    )


def samples(texts: Mapping[int, Sequence[str]]) -> list[ClusterSample]:
    return [sample(cluster, rows) for cluster, rows in texts.items()]
