"""What a cluster run reports: sizes, figures, what became of the last run's clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from embclust.data import Clustering
from embclust.reports import ClusterReport, ClusterSize
from embclust.wording import counted

if TYPE_CHECKING:
    from embclust.steps.matching import Matching

__all__ = ["cluster_warnings", "make_report"]

_UNSTABLE: Final = 0.5
"""Below this adjusted Rand index another draw of the rows gives clusters that are hardly these."""


def make_report(
    collection: str,
    clustering: Clustering,
    used: Mapping[str, Any],
    figures: Mapping[str, Any],
    matching: Matching | None,
    method: Mapping[str, Any],
    *,
    artifact: str,
    seconds: float,
) -> ClusterReport:
    """Return the report. `figures`: as `quality.figures` makes them, with `auto` and `notes`.

    `method`: what the clusterer says of how it went.
    """
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
        warnings=cluster_warnings(figures),
        details={
            "auto": figures["auto"],
            "matched": matching.as_json() if matching is not None else None,
            "method": dict(method),
            "noise_share": figures["noise_share"],
            "per_cluster": figures["per_cluster"],
            "settings": dict(used),
            "stability": figures["stability"],
        },
    )


def cluster_warnings(figures: Mapping[str, Any]) -> list[str]:
    """Return what a person should know before trusting the clusters, also on a later page."""
    return [*_doubts(figures), *figures["notes"]]


def _doubts(figures: Mapping[str, Any]) -> list[str]:
    choice = figures["auto"]
    k, noise, stability = figures["k"], figures["noise"], figures["stability"]
    if not k:
        found = f"All is noise ({counted(noise, 'row')}): no group is dense enough to be a cluster."
        return [f"{found} Try --kind kmeans, or a smaller cluster.min_cluster_size."]
    if choice is not None and choice["structure"] != "clear":
        return [choice["reason"]]
    if k == 1:
        return ["There is one cluster only, so there is no silhouette."]
    if stability is not None and stability["ari"] < _UNSTABLE:
        found = f"parts of the rows give others (adjusted Rand index {stability['ari']:.2f} of 1)"
        return [f"These clusters are not stable: {found}. Try another k, or --k auto."]
    return []
