"""What a page says of each cluster: its name, figures, words and most typical rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust import plugins
from embclust.page import PageCluster
from embclust.steps.ensure import default_text_fields
from embclust.steps.naming_work import used_settings
from embclust.steps.samples import join_texts, make_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.config import Settings
    from embclust.data import Clustering, ClusterName
    from embclust.steps.read import Source

__all__ = ["page_clusters"]

_KEYWORDS: Final = 6
_MEDOIDS: Final = 8


def page_clusters(
    source: Source,
    clustering: Clustering,
    names: Sequence[ClusterName],
    drawn: NDArray[np.intp],
    settings: Settings,
    quality: Mapping[str, Any] | None,
) -> list[PageCluster]:
    """Return the named clusters. `drawn`: rows on the page; `quality`: as it was kept, if it was.

    Typical rows are those that are drawn, nearest to the cluster's centre first.
    """
    position = {row: i for i, row in enumerate(drawn.tolist())}
    keywords = _keywords(source, clustering, settings)
    figures = quality["per_cluster"] if quality else {}
    found = []
    for named in names:
        members = np.flatnonzero(clustering.clusters == named.cluster)
        nearest = members[np.argsort(clustering.distances[members], kind="stable")]
        medoids = [position[row] for row in nearest.tolist() if row in position][:_MEDOIDS]
        found.append(
            PageCluster(
                number=named.cluster,
                name=named.name,
                size=len(members),
                source=named.source,
                keywords=keywords.get(named.cluster, []),
                medoid_rows=medoids,
                silhouette=figures.get(str(named.cluster), {}).get("silhouette"),
            )
        )
    return found


def _keywords(source: Source, clustering: Clustering, settings: Settings) -> dict[int, list[str]]:
    """What sets each cluster's words apart from the others', best first, whoever named it."""
    rows = source.embeddings
    _, fields = used_settings(settings, rows, default_text_fields(source))
    samples = make_samples(rows, clustering, join_texts(rows, fields))
    found: dict[int, list[str]] = plugins.build("namer", "keywords", {}).name(samples)
    return {number: words[:_KEYWORDS] for number, words in found.items()}
