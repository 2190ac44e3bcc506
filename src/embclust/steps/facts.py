"""What a page says about itself: what was made from what, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from embclust import __version__
from embclust.workspace import created_at

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.data import Clustering
    from embclust.steps.project import Map
    from embclust.steps.read import Source

__all__ = ["facts"]


def facts(
    source: Source,
    clustering: Clustering,
    maps: Mapping[int, Map],
    settings: Settings,
    drawn: int,
    quality: Mapping[str, Any] | None,
) -> dict[str, str]:
    """Label -> value, in the order they are shown.

    `drawn`: how many rows are on the page. `quality`: the figures of the clusters (`silhouette`,
    `stability` with `ari` and `runs`), as far as they are known.
    """
    n = len(clustering.ids)
    known = quality or {}
    found = {
        "Collection": source.info.collection,
        "Encoder": source.info.encoder_id or "another program's",
        "Points": f"{n:,}" if drawn == n else f"{drawn:,} drawn of {n:,}",
        "Clusters": f"{len(clustering.numbers):,} ({settings.cluster.kind})",
    }
    noise = int((clustering.clusters < 0).sum())
    if noise:
        found["Unclustered"] = f"{noise:,} ({noise / n:.1%})"
    if known.get("silhouette") is not None:
        found["Silhouette"] = f"{known['silhouette']:.3f}"
    if known.get("stability"):
        stability = known["stability"]
        found["Stability"] = f"{stability['ari']:.3f} (ARI of {stability['runs']} parts)"
    for dims, each in sorted(maps.items()):
        found[f"{dims}D map"] = _of_map(each, n)
    return found | {"Made": created_at()[:10], "embclust": __version__}


def _of_map(made: Map, n: int) -> str:
    text = made.kind
    fitted = made.details.get("fitted", n)
    if fitted < n:
        text += f" of {fitted:,} points, the others placed by them"
    if made.trust is None:
        return text
    of = "" if made.trust.rows == n else f", {made.trust.rows:,} points looked at"
    return f"{text}, trustworthiness {made.trust.value:.3f} ({made.trust.k} neighbours{of})"
