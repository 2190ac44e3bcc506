from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import silhouette_score

from embclust.data import NOISE, Clustering, Embeddings
from embclust.errors import EmbclustError, UsageError
from embclust.reports import ClusterReport
from embclust.steps import artefacts
from embclust.steps.cluster import cluster_stale, load_clustering, run_cluster
from embclust.workspace import Workspace, write_whole
from tests.steps.parts import (
    HERE,
    Silent,
    blobs,
    group_of,
    make_settings,
    same_partition,
    subset,
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "w")


def run(
    embeddings: Embeddings, workspace: Workspace, *, fresh: bool = False, **sections: Any
) -> tuple[Clustering, ClusterReport]:
    settings = make_settings(**sections)
    return run_cluster("c", embeddings, settings, workspace, fresh=fresh, progress=Silent())


def lloyd(**options: Any) -> dict[str, Any]:
    return {"kind": f"{HERE}:Lloyd", **options}


def test_the_first_run_numbers_by_size_and_keeps_an_artefact(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30])
    clustering, report = run(embeddings, workspace)
    assert same_partition(clustering.clusters.tolist(), group_of(embeddings))
    assert [(one.cluster, one.size) for one in report.clusters] == [(0, 50), (1, 30), (2, 20)]
    assert (report.collection, report.k, report.n, report.noise) == ("c", 3, 100, 0)
    assert report.kind == f"{HERE}:Lloyd"
    assert clustering.numbers == [0, 1, 2]
    assert np.allclose(np.linalg.norm(clustering.centres, axis=1), 1.0, atol=1e-6)

    table = pq.read_table(report.artifact).to_pydict()
    assert table["id"] == embeddings.ids
    assert table["cluster"] == clustering.clusters.tolist()
    assert set(table["name"]) == {""}
    medoids = [row for row, is_one in enumerate(table["is_medoid"]) if is_one]
    assert sorted(medoids) == sorted(clustering.medoids.values())

    found = load_clustering(workspace, "c")
    assert found is not None
    again, entry = found
    assert again.ids == clustering.ids
    assert again.numbers == clustering.numbers
    assert again.medoids == clustering.medoids
    assert again.clusters.tolist() == clustering.clusters.tolist()
    assert again.centres.tobytes() == clustering.centres.tobytes()
    assert again.distances.tobytes() == clustering.distances.tobytes()
    assert entry["settings"] == {"kind": f"{HERE}:Lloyd", "k": 3, "seed": 0}
    assert (entry["seed"], entry["run"], entry["highest"]) == (0, 1, 2)
    assert set(entry["libraries"]) == {"numpy", "pyarrow", "scikit-learn", "scipy"}


def test_distances_and_medoids_are_what_they_say(workspace: Workspace) -> None:
    embeddings = blobs([20, 30])
    clustering, report = run(embeddings, workspace, cluster=lloyd(k=2))
    for index, number in enumerate(clustering.numbers):
        rows = np.flatnonzero(clustering.clusters == number)
        expected = 1 - embeddings.vectors[rows] @ clustering.centres[index]
        assert clustering.distances[rows] == pytest.approx(expected, abs=2e-6)
        assert clustering.medoids[number] == rows[np.argmin(np.round(expected, 6))]
        details = report.details["per_cluster"][str(number)]
        assert details["medoid"] == embeddings.ids[clustering.medoids[number]]
        assert details["typical"][0] == details["medoid"]
        farthest = rows[np.argmax(clustering.distances[rows])]
        assert embeddings.ids[farthest] in details["untypical"]


def test_ties_go_to_the_smallest_id(workspace: Workspace) -> None:
    vectors = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
    embeddings = Embeddings(list("abcdef"), vectors, [{} for _ in range(6)])
    clustering, _ = run(embeddings, workspace, cluster=lloyd(seed=1))
    assert clustering.clusters.tolist() == [0, 1, 2, 0, 1, 2]
    assert clustering.medoids == {0: 0, 1: 1, 2: 2}


def test_running_again_changes_nothing_at_all(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30])
    run(embeddings, workspace)
    before = {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}
    _, report = run(embeddings, workspace)
    run(embeddings, workspace, fresh=True)
    after = {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}
    assert after == before
    assert report.details["matched"]["kept"] == [0, 1, 2]
    assert report.details["matched"]["moved_rows"] == 0


def test_the_same_input_makes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    contents = []
    for name in ("a", "b"):
        workspace = Workspace(tmp_path / name)
        run(blobs([20, 50, 30]), workspace)
        folder = workspace.collection_folder("c")
        contents.append(
            {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        )
    assert contents[0] == contents[1]
    names = {str(path) for path in contents[0]}
    assert names == {
        "clusters.parquet",
        "manifest.json",
        "quality.json",
        "runs/0001/clusters.parquet",
        "runs/0001/run.json",
    }


@pytest.mark.parametrize("fresh", [False, True])
def test_more_rows_keep_the_numbers_of_the_old_ones(workspace: Workspace, fresh: bool) -> None:
    everything = blobs([50, 40, 30], seed=3)
    first = subset(everything, range(0, 120, 2))
    before, _ = run(first, workspace, cluster=lloyd(seed=4))
    # Another seed, so that a fresh start finds the clusters in another order.
    after, report = run(everything, workspace, fresh=fresh, cluster=lloyd(seed=11))
    numbers = dict(zip(after.ids, after.clusters.tolist(), strict=True))
    assert [numbers[item] for item in before.ids] == before.clusters.tolist()
    assert report.details["matched"]["kept"] == [0, 1, 2]
    assert report.details["matched"]["shared_rows"] == 60


def test_a_number_is_never_used_twice(workspace: Workspace) -> None:
    embeddings = blobs([50, 40, 30, 20], seed=3)
    run(embeddings, workspace, cluster=lloyd(k=4))
    _, fewer = run(embeddings, workspace, cluster=lloyd(k=3))
    assert len(fewer.details["matched"]["gone"]) == 1
    assert fewer.details["matched"]["merged"]
    gone = fewer.details["matched"]["gone"][0]
    again, more = run(embeddings, workspace, cluster=lloyd(k=4))
    assert more.details["matched"]["new"] == [4]
    assert more.details["matched"]["split"]
    assert gone not in again.numbers
    assert len(again.numbers) == 4


def test_a_warm_start_is_given_only_where_it_fits(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.steps import parts

    starts: list[Any] = []
    cluster = parts.Lloyd.cluster

    def spy(self: parts.Lloyd, vectors: Any, start: Any = None) -> Any:
        if len(vectors) == 100:  # of all the rows, not of the parts that measure stability
            starts.append(start)
        return cluster(self, vectors, start)

    monkeypatch.setattr(parts.Lloyd, "cluster", spy)
    embeddings = blobs([20, 50, 30], seed=5)
    first, _ = run(embeddings, workspace)
    run(embeddings, workspace)
    run(embeddings, workspace, fresh=True)
    other_space = Embeddings(embeddings.ids, blobs([34, 33, 33], seed=6).vectors, embeddings.fields)
    run(other_space, workspace)
    run(blobs([20, 50, 30], dim=5), workspace)
    assert starts[0] is None
    assert starts[1].tobytes() == first.centres.tobytes()
    assert [start is None for start in starts[2:]] == [True, True, True]


def test_no_rows_and_too_many_clusters_are_usage_errors(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="has no rows"):
        run(Embeddings([], np.zeros((0, 4), np.float32), []), workspace)
    with pytest.raises(UsageError, match="k = 9"):
        run(blobs([4]), workspace, cluster=lloyd(k=9))
    assert not workspace.root.exists()


def test_one_row_and_equal_rows(workspace: Workspace) -> None:
    _, report = run(blobs([1]), workspace, cluster=lloyd(k=1))
    assert (report.k, report.silhouette) == (1, None)
    assert report.warnings
    same = Embeddings(list("abc"), np.full((3, 4), 0.5, np.float32), [{}] * 3)
    clustering, report = run(same, Workspace(workspace.root / "x"), cluster=lloyd(k=2))
    assert report.k == 1  # two of two centres fall together: what is found is reported
    assert clustering.clusters.tolist() == [0, 0, 0]


def test_all_noise(workspace: Workspace) -> None:
    kind = {"kind": f"{HERE}:AllNoise"}
    for _ in range(2):
        clustering, report = run(blobs([10]), workspace, cluster=kind)
        assert (report.k, report.noise, report.silhouette) == (0, 10, None)
        assert "noise" in report.warnings[0]
        assert clustering.numbers == []
        assert clustering.medoids == {}
        assert clustering.centres.shape == (0, 8)
    found = load_clustering(workspace, "c")
    assert found is not None
    assert set(found[0].clusters.tolist()) == {NOISE}


def test_noise_stays_noise_and_empty_labels_vanish(workspace: Workspace) -> None:
    embeddings = blobs([15, 15, 15, 15], seed=1)
    clustering, report = run(embeddings, workspace, cluster={"kind": f"{HERE}:SomeNoise"})
    noise = clustering.clusters == NOISE
    assert np.flatnonzero(noise).tolist() == list(range(0, 60, 10))
    assert (report.k, report.noise) == (2, 6)
    nearest = 1 - (embeddings.vectors[noise] @ clustering.centres.T).max(axis=1)
    assert clustering.distances[noise] == pytest.approx(nearest, abs=2e-6)
    kept = ~noise
    expected = silhouette_score(
        embeddings.vectors[kept], clustering.clusters[kept], metric="cosine"
    )
    assert report.silhouette == pytest.approx(float(expected), abs=1e-6)


def test_a_plug_in_that_breaks_its_contract_is_named(workspace: Workspace) -> None:
    with pytest.raises(EmbclustError, match=f"{HERE}:Broken"):
        run(blobs([10]), workspace, cluster={"kind": f"{HERE}:Broken"})


def test_staleness_says_why(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30])

    def stale(rows: Embeddings = embeddings, **options: Any) -> str | None:
        return cluster_stale(workspace, "c", rows, make_settings(cluster=lloyd(**options)))

    assert stale() == "there are no clusters yet"
    run(embeddings, workspace, cluster={"kind": f"{HERE}:Lloyd"})
    assert stale(k=3) is None
    assert stale(k=3, seed=0) is None
    assert stale(k=4) == "cluster.k was 3, is 4"
    other = make_settings(cluster={"kind": f"{HERE}:AllNoise"})
    reason = cluster_stale(workspace, "c", embeddings, other)
    assert reason == f"cluster.kind was {HERE}:Lloyd, is {HERE}:AllNoise"
    assert stale(subset(embeddings, range(99))) == "the rows changed"
    vectors = embeddings.vectors.copy()
    vectors[5] = vectors[6]
    assert stale(Embeddings(embeddings.ids, vectors, embeddings.fields)) == "the rows changed"
    fields = [{**row, "title": "else"} for row in embeddings.fields]
    assert stale(Embeddings(embeddings.ids, embeddings.vectors, fields)) is None


class Killed(BaseException):
    pass


@pytest.mark.parametrize("writes", range(4))
def test_a_kill_between_any_two_files_is_recognised(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    everything = blobs([50, 40, 30], seed=3)
    before, _ = run(subset(everything, range(0, 120, 2)), workspace)
    done = 0
    real = write_whole

    def dying(path: Path, data: bytes) -> None:
        nonlocal done
        if done == writes:
            raise Killed
        done += 1
        real(path, data)

    monkeypatch.setattr("embclust.steps.artefacts.write_whole", dying)
    with pytest.raises(Killed):
        run(everything, workspace)
    monkeypatch.setattr("embclust.steps.artefacts.write_whole", real)

    assert cluster_stale(workspace, "c", everything, make_settings()) is not None
    found = load_clustering(workspace, "c")
    assert found is None or found[0].ids == before.ids
    after, report = run(everything, workspace)
    numbers = dict(zip(after.ids, after.clusters.tolist(), strict=True))
    assert [numbers[item] for item in before.ids] == before.clusters.tolist()
    assert report.details["matched"]["kept"] == [0, 1, 2]
    assert cluster_stale(workspace, "c", everything, make_settings()) is None
    leftovers = list(workspace.root.rglob("*.tmp"))
    assert leftovers == []


def test_a_changed_or_lost_artefact_is_not_misread(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30])
    first, report = run(embeddings, workspace)
    path = Path(report.artifact)
    good = path.read_bytes()
    for damage in (good[:-1], b"", None):
        path.unlink()
        if damage is not None:
            path.write_bytes(damage)
        assert load_clustering(workspace, "c") is None
        assert cluster_stale(workspace, "c", embeddings, make_settings()) is not None
        again, _ = run(embeddings, workspace)
        assert again.clusters.tolist() == first.clusters.tolist()
        assert path.read_bytes() == good


def test_only_the_last_runs_are_kept(workspace: Workspace) -> None:
    embeddings = blobs([50, 40, 30, 20])
    for k in (2, 3, 4, 3, 2):
        run(embeddings, workspace, keep_runs=2, cluster=lloyd(k=k))
    assert artefacts.runs(workspace, "c") == [4, 5]
    kept = sorted(path.name for path in (workspace.collection_folder("c") / "runs").iterdir())
    assert kept == ["0004", "0005"]
    recorded = json.loads(
        (artefacts.run_folder(workspace, "c", 4) / "run.json").read_text(encoding="utf-8")
    )
    assert recorded["settings"]["k"] == 3


def test_a_manifest_that_cannot_be_read_counts_as_none(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30])
    run(embeddings, workspace)
    manifest = workspace.collection_folder("c") / "manifest.json"
    manifest.write_text("{")
    assert load_clustering(workspace, "c") is None
    _, report = run(embeddings, workspace)
    assert report.details["matched"]["kept"] == [0, 1, 2]  # from runs/
    assert load_clustering(workspace, "c") is not None
