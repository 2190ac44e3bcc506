"""The figures in a cluster report, against scikit-learn's own on the same vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_samples, silhouette_score

from embclust.data import NOISE, Clustering, Embeddings
from embclust.reports import ClusterReport
from embclust.steps import artefacts, stability
from embclust.steps.cluster import load_clustering, run_cluster
from embclust.steps.quality import load_quality, silhouettes
from embclust.vectors import unit_rows
from embclust.workspace import Workspace
from tests.steps.parts import HERE, Silent, blobs, make_settings


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "w")


def run(
    embeddings: Embeddings, workspace: Workspace, **cluster: Any
) -> tuple[Clustering, ClusterReport]:
    chosen = make_settings(cluster=cluster) if cluster else make_settings()
    return run_cluster("c", embeddings, chosen, workspace, progress=Silent())


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(2, 40), st.integers(1, 12))
def test_silhouettes_are_scikit_learns(seed: int, k: int, n: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit_rows(rng.normal(size=(n, dim)) + rng.uniform(0, 3))
    labels = rng.integers(-1, k, n).astype(np.int32)
    found = silhouettes(vectors, labels)
    inside = labels != NOISE
    assert np.isnan(found[~inside]).all()
    if not 2 <= len(np.unique(labels[inside])) < inside.sum():
        assert np.isnan(found).all()
        return
    expected = silhouette_samples(
        vectors[inside].astype(np.float64), labels[inside], metric="cosine"
    )
    assert found[inside] == pytest.approx(expected, abs=1e-6)


def test_silhouettes_of_rows_that_are_alike() -> None:
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 1, 2]]
    labels = np.array([0, 0, 1, 1, 2, 2], dtype=np.int32)
    expected = silhouette_samples(vectors, labels, metric="cosine")
    assert silhouettes(vectors, labels) == pytest.approx(expected, abs=1e-6)


def test_a_large_collection_is_measured_whole(workspace: Workspace) -> None:
    embeddings = blobs([3000, 2500, 4000], dim=6, seed=2)
    rough = unit_rows(embeddings.vectors + 0.3 * np.random.default_rng(0).normal(size=(9500, 6)))
    embeddings = Embeddings(embeddings.ids, rough, embeddings.fields)
    clustering, report = run(embeddings, workspace, kind="kmeans", k=5)
    assert report.silhouette is not None
    labels = clustering.clusters
    overall = silhouette_score(embeddings.vectors, labels, metric="cosine")
    assert report.silhouette == pytest.approx(float(overall), abs=1e-6)
    each = silhouette_samples(embeddings.vectors, labels, metric="cosine")
    for number in clustering.numbers:
        details = report.details["per_cluster"][str(number)]
        assert details["silhouette"] == pytest.approx(each[labels == number].mean(), abs=1e-6)
        assert details["size"] == (labels == number).sum()


def test_noise_is_counted_and_left_out_of_the_silhouette(workspace: Workspace) -> None:
    embeddings = blobs([15, 15, 15, 15], seed=1)
    clustering, report = run(embeddings, workspace, kind=f"{HERE}:SomeNoise")
    kept = clustering.clusters != NOISE
    expected = silhouette_score(
        embeddings.vectors[kept], clustering.clusters[kept], metric="cosine"
    )
    assert report.silhouette == pytest.approx(float(expected), abs=1e-6)
    assert report.details["noise_share"] == 0.1


def test_the_most_and_least_typical_rows(workspace: Workspace) -> None:
    embeddings = blobs([20, 30])
    clustering, report = run(embeddings, workspace, kind="kmeans", k=2)
    for index, number in enumerate(clustering.numbers):
        rows = np.flatnonzero(clustering.clusters == number)
        distances = np.round(1 - embeddings.vectors[rows] @ clustering.centres[index], 6)
        order = [embeddings.ids[row] for row in rows[np.argsort(distances, kind="stable")]]
        details = report.details["per_cluster"][str(number)]
        assert details["typical"] == order[:5]
        assert set(details["untypical"]) == set(order[-5:])
        assert len(details["untypical"]) == 5


def test_tight_groups_are_stable_and_cut_clouds_are_not(workspace: Workspace) -> None:
    _, good = run(blobs([40, 30, 50], seed=1), workspace, kind="kmeans", k=3)
    assert good.details["stability"]["ari"] == 1.0
    assert good.details["stability"]["rows"] == 96
    assert {one["stability"] for one in good.details["per_cluster"].values()} == {1.0}
    assert not good.warnings
    cloud = unit_rows(np.random.default_rng(0).normal(size=(300, 32)))
    rows = Embeddings([f"{n:03d}" for n in range(300)], cloud, [{}] * 300)
    _, bad = run(rows, Workspace(workspace.root / "x"), kind="kmeans", k=8)
    assert bad.details["stability"]["ari"] < 0.4
    assert "not stable" in bad.warnings[0]


def test_one_cluster_that_falls_apart_is_seen_among_good_ones(workspace: Workspace) -> None:
    rng = np.random.default_rng(3)
    centres = np.eye(32)[[0] * 60 + [1] * 60 + [2] * 80]
    noise = np.array([0.03] * 120 + [0.3] * 80)[:, None] * rng.normal(size=(200, 32))
    ids = [f"{n:03d}" for n in range(200)]
    rows = Embeddings(ids, unit_rows(centres + noise), [{}] * 200)
    clustering, report = run(rows, workspace, kind="kmeans", k=4)
    stable = {int(n): one["stability"] for n, one in report.details["per_cluster"].items()}
    firm = {int(number) for number in clustering.clusters[:120]}
    assert len(firm) == 2
    assert min(stable[number] for number in firm) > 0.97
    assert max(stable[number] for number in set(clustering.numbers) - firm) < 0.8


def test_stability_is_the_mean_index_of_the_parts() -> None:
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    embeddings = blobs([30, 40, 20], dim=3, seed=7)
    clusters = KMeans(4, random_state=0, n_init=1).fit_predict(embeddings.vectors).astype(np.int32)
    found = stability.measure(embeddings.vectors, clusters, "kmeans", {"k": 4, "seed": 0}, seed=0)
    assert found is not None
    rows, parts = stability.draw(90, 0)
    assert rows.tolist() == list(range(90))
    expected = [
        adjusted_rand_score(
            clusters[part],
            stability.clustered("kmeans", {"k": 4, "seed": 0}, embeddings.vectors[part], number),
        )
        for number, part in enumerate(parts, 1)
    ]
    assert found.values == pytest.approx(expected, abs=1e-9)
    assert found.as_json()["ari"] == pytest.approx(np.mean(expected), abs=1e-6)


def test_of_many_rows_a_sample_is_drawn(workspace: Workspace) -> None:
    size = stability.SAMPLE_ROWS
    embeddings = blobs([size, 500])
    _, one = run(embeddings, workspace, kind="kmeans", k=2)
    assert one.details["stability"]["rows"] == round(0.8 * size)
    assert one.details["stability"]["ari"] == 1.0


def test_a_smallest_cluster_shrinks_with_the_sample(workspace: Workspace) -> None:
    embeddings = blobs([stability.SAMPLE_ROWS, stability.SAMPLE_ROWS])
    _, report = run(embeddings, workspace, kind="hdbscan", min_cluster_size=1200)
    assert report.k == 2
    assert report.details["stability"]["ari"] > 0.95


@pytest.mark.parametrize("sizes", [[1], [4, 4], [9]])
def test_too_few_rows_have_no_stability(workspace: Workspace, sizes: list[int]) -> None:
    _, report = run(blobs(sizes), workspace, kind="kmeans", k=len(sizes))
    assert report.details["stability"] is None


def test_the_figures_are_kept_for_the_clusters_as_they_are(workspace: Workspace) -> None:
    assert load_quality(workspace, "c") is None
    embeddings = blobs([20, 50, 30])
    _, report = run(embeddings, workspace, kind="kmeans", k=3)
    found = load_quality(workspace, "c")
    assert found is not None
    assert found["silhouette"] == report.silhouette
    assert found["per_cluster"] == report.details["per_cluster"]
    assert found["stability"] == report.details["stability"]
    assert (found["k"], found["n"], found["noise_share"], found["auto"]) == (3, 100, 0.0, None)

    path = workspace.collection_folder("c") / "quality.json"
    good = path.read_bytes()
    json.loads(good)
    path.write_bytes(good.replace(b"per_cluster", b"per_klaster"))
    assert load_quality(workspace, "c") is None, "what was changed by hand is not shown"
    run(embeddings, workspace, kind="kmeans", k=3)
    assert path.read_bytes() == good


def test_figures_of_other_clusters_are_not_taken_for_these(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = blobs([20, 50, 30])
    run(embeddings, workspace, kind="kmeans", k=3)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("embclust.steps.cluster.measure", killed)
        with pytest.raises(KeyboardInterrupt):
            run(embeddings, workspace, kind="kmeans", k=2)
    found = load_clustering(workspace, "c")
    assert found is not None
    assert found[0].numbers != [0, 1, 2], "the clusters were saved before they were measured"
    assert artefacts.read_artefact(workspace, "c", "quality.json") is not None
    assert load_quality(workspace, "c") is None
    run(embeddings, workspace, kind="kmeans", k=2)
    quality = load_quality(workspace, "c")
    assert quality is not None
    assert quality["k"] == 2


def test_running_again_measures_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = blobs([20, 50, 30])
    _, first = run(embeddings, workspace, kind="kmeans", k=3)
    monkeypatch.setattr("embclust.steps.cluster.measure", None)
    _, again = run(embeddings, workspace, kind="kmeans", k=3)
    assert again.details["per_cluster"] == first.details["per_cluster"]
    assert again.silhouette == first.silhouette
