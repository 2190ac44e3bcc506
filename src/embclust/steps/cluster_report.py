"""What a cluster run reports: sizes, figures, what became of the last run's clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from embclust.data import Clustering, ClusterReport, ClusterSize

if TYPE_CHECKING:
    from embclust.steps.choose_k import Choice
    from embclust.steps.matching import Matching

__all__ = ["make_report"]

_UNSTABLE: Final = 0.5
"""Below this adjusted Rand index another draw of the rows gives clusters that are hardly these."""


def make_report(
    collection: str,
    clustering: Clustering,
    used: Mapping[str, Any],
    figures: Mapping[str, Any],
    matching: Matching | None,
    choice: Choice | None,
    *,
    artifact: str,
    seconds: float,
) -> ClusterReport:
    """Return the report. `figures`: as `quality.figures` makes them."""
    sizes = {number: figures["per_cluster"][str(number)]["size"] for number in clustering.numbers}
    by_size = sorted(sizes, key=lambda number: (-sizes[number], number))
    return ClusterReport(
        collection=collection,
        kind=used["kind"],
        k=figures["k"],
        n=figures["n"],
        noise=figures["noise"],
        clusters=[ClusterSize(number, sizes[number]) for number in by_size],
        silhouette=figures["silhouette"],
        seconds=seconds,
        artifact=artifact,
        warnings=_warnings(figures, choice),
        details={
            "auto": None if choice is None else choice.as_json(),
            "matched": matching.as_json() if matching is not None else None,
            "noise_share": figures["noise_share"],
            "per_cluster": figures["per_cluster"],
            "settings": dict(used),
            "stability": figures["stability"],
        },
    )


def _warnings(figures: Mapping[str, Any], choice: Choice | None) -> list[str]:
    k, noise, stability = figures["k"], figures["noise"], figures["stability"]
    if not k:
        found = f"All {noise} rows are noise: no group is dense enough to be a cluster."
        return [f"{found} Try --kind kmeans, or a smaller cluster.min_cluster_size."]
    if choice is not None and choice.structure != "clear":
        return [choice.reason]
    if k == 1:
        return ["There is one cluster only, so there is no silhouette."]
    if stability is not None and stability["ari"] < _UNSTABLE:
        found = f"parts of the rows give others (adjusted Rand index {stability['ari']:.2f} of 1)"
        return [f"These clusters are not stable: {found}. Try another k, or --k auto."]
    return []
