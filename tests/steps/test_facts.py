from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embclust import __version__
from embclust.data import CollectionInfo, Layout
from embclust.steps.facts import facts
from embclust.steps.project import Map
from embclust.steps.read import Source
from embclust.steps.trust import Trust
from tests.steps.parts import blobs, clustering_of, make_settings


def told(
    quality: dict[str, Any] | None = None,
    trust: Trust | None = None,
    drawn: int = 60,
    **details: int,
) -> dict[str, str]:
    embeddings = blobs([30, 24, 6])
    clusters = [0] * 30 + [4] * 24 + [-1] * 6
    info = CollectionInfo("shop_title", "title", "hashing/text v1", 8, 60)
    source = Source(info, embeddings, "text", False, [], [])
    layout = Layout(embeddings.ids, np.zeros((60, 3), np.float32))
    maps = {3: Map(layout, "tsne", trust, dict(details))}
    settings = make_settings(cluster={"kind": "kmeans"})
    return facts(source, clustering_of(embeddings.ids, clusters), maps, settings, drawn, quality)


def test_what_is_always_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert told() == {
        "Collection": "shop_title",
        "Encoder": "hashing/text v1",
        "Points": "60",
        "Clusters": "2 (kmeans)",
        "Unclustered": "6 (10.0%)",
        "3D map": "tsne",
        "Made": "2023-11-14",
        "embclust": __version__,
    }


@pytest.mark.parametrize("silhouette", [None, 0.25])
@pytest.mark.parametrize("stability", [None, {"ari": 0.91234, "runs": 4}])
def test_quality_as_far_as_it_is_known(
    silhouette: float | None, stability: dict[str, float] | None
) -> None:
    found = told({"silhouette": silhouette, "stability": stability})
    assert ("Silhouette" in found) is (silhouette is not None)
    assert ("Stability" in found) is (stability is not None)
    if silhouette is not None:
        assert found["Silhouette"] == "0.250"
    if stability is not None:
        assert found["Stability"] == "0.912 (ARI of 4 parts)"


def test_how_the_map_was_made() -> None:
    assert told(trust=Trust(0.98765, 10, 60))["3D map"] == (
        "tsne, trustworthiness 0.988 (10 neighbours)"
    )
    assert told(trust=Trust(0.98765, 10, 20), fitted=40)["3D map"] == (
        "tsne of 40 points, the others placed by them, "
        "trustworthiness 0.988 (10 neighbours, 20 points looked at)"
    )
    assert told(drawn=50)["Points"] == "50 drawn of 60"
