"""The steps with the plug-ins that come with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embclust import plugins
from embclust.config import Settings
from embclust.steps.cluster import cluster_stale, run_cluster
from embclust.steps.name import names_stale, run_name
from embclust.steps.project import layout_stale, run_project
from embclust.workspace import Workspace
from tests.steps.parts import Silent, blobs, group_of, same_partition, subset

WORDS = ("leather boots", "steel watch", "linen shirt", "silk sari")


def settings_for(kind: str) -> Settings:
    options = {"k": 4} if kind != "hdbscan" else {"min_cluster_size": 5}
    return Settings.model_validate(
        {
            "cluster": {"kind": kind, **options},
            "project": {"kind": "pca"},
            "name": {"kind": "keywords"},
            "plot": {"text_fields": ["title"]},
        }
    )


@pytest.mark.parametrize("kind", sorted(plugins.CLUSTERERS))
def test_from_vectors_to_a_named_map_and_back(tmp_path: Path, kind: str) -> None:
    workspace, settings = Workspace(tmp_path / "w"), settings_for(kind)
    everything = blobs([40, 30, 25, 20], dim=16, words=WORDS, seed=4)
    part = subset(everything, [row for row in range(115) if row % 20])

    clustering, report = run_cluster("c", part, settings, workspace, progress=Silent())
    assert same_partition(clustering.clusters.tolist(), group_of(part))
    assert report.silhouette is not None
    assert report.silhouette > 0.8
    names, _ = run_name("c", part, clustering, settings, workspace, progress=Silent())
    for one in names:
        row = clustering.medoids[one.cluster]
        words = str(part.fields[row]["title"]).split()
        assert any(word in one.name.casefold() for word in words)
    layout = run_project("c", part, settings, workspace, [2], Silent())[2].layout
    assert layout.coords.shape == (len(part.ids), 2)
    assert cluster_stale(workspace, "c", part, settings) is None
    assert names_stale(workspace, "c", part, clustering, settings) is None
    assert layout_stale(workspace, "c", part, settings, 2) is None

    more, report = run_cluster("c", everything, settings, workspace, progress=Silent())
    numbers = dict(zip(more.ids, more.clusters.tolist(), strict=True))
    assert [numbers[item] for item in clustering.ids] == clustering.clusters.tolist()
    again, _ = run_name("c", everything, more, settings, workspace, progress=Silent())
    assert [one.name for one in again] == [one.name for one in names]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_kmeans_twice_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    rng = np.random.default_rng(seed)
    embeddings = blobs(rng.integers(10, 30, size=6).tolist(), dim=12, seed=seed)
    contents = []
    for name in ("a", "b"):
        workspace = Workspace(tmp_path / name)
        run_cluster("c", embeddings, settings_for("kmeans"), workspace, progress=Silent())
        folder = workspace.collection_folder("c")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        contents.append([(path.relative_to(folder), path.read_bytes()) for path in files])
    assert contents[0] == contents[1]
