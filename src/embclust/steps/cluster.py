"""The clustering step: vectors -> clusters whose numbers survive re-runs, and their figures."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust import plugins
from embclust.data import NOISE, Clustering, Embeddings
from embclust.errors import UsageError
from embclust.reports import ClusterReport
from embclust.steps import artefacts, names_file, tables
from embclust.steps.choose_k import Choice, settle_k
from embclust.steps.cluster_report import make_report
from embclust.steps.dense import checked, nearest, numbered, ordered
from embclust.steps.matching import Matching
from embclust.steps.quality import QUALITY_FILE, figures, load_quality, quality_bytes
from embclust.steps.stability import measure
from embclust.wording import counted

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.data import Labels, Vectors
    from embclust.protocols import Progress
    from embclust.workspace import Workspace

__all__ = ["CLUSTERS_FILE", "cluster_stale", "load_clustering", "rename_in_artefact", "run_cluster"]

CLUSTERS_FILE: Final = "clusters.parquet"
_LIBRARIES: Final = ("numpy", "pyarrow", "scikit-learn", "scipy")
_SAME_SPACE: Final = 0.6
"""The share of old rows that must still lie nearest to their old centre for a warm start.

In the same space it is nearly all of them for k-means, and 84 to 98 % for clusters of the neighbour
graph, which follow no borders between centres; in another space it is what chance gives.
"""


@dataclass(frozen=True, slots=True)
class _LastRun:
    clustering: Clustering
    entry: dict[str, Any]


def run_cluster(
    collection: str,
    embeddings: Embeddings,
    settings: Settings,
    workspace: Workspace,
    *,
    fresh: bool = False,
    progress: Progress,
) -> tuple[Clustering, ClusterReport]:
    """Cluster a collection, keep the result as clusters.parquet, and report on it.

    `embeddings`: unit rows, sorted by id, so that the source's row order changes nothing.
    `fresh`: the algorithm does not start from the last run's centres; clusters are matched to the
    last run's numbers all the same. A run that changes nothing leaves the artefacts as they are.
    Raises UsageError for no rows, and for options that do not fit the data (k > n).
    """
    began = time.monotonic()
    if not embeddings.ids:
        raise UsageError(
            f"Collection '{collection}' has no rows to cluster.",
            "Put some in with: embclust index CONFIG; its summary says which rows failed, and why.",
        )
    last = _last_run(workspace, collection)
    names = {n: stored.name for n, stored in names_file.read(workspace, collection).items()}
    used = artefacts.option_values("clusterer", settings.cluster)
    options = settings.cluster.options()
    made_from = artefacts.signature(embeddings)
    choice = settle_k(
        embeddings.vectors,
        used,
        options,
        None if last is None else last.entry,
        made_from,
        fresh=fresh,
        progress=progress,
    )
    if choice is not None:
        options = {**options, "k": choice.k}
    with progress.stage("Clustering", None):
        start = None if fresh or last is None else _start(last, used["kind"], embeddings)
        clusterer = plugins.build("clusterer", used["kind"], options)
        labels, centres = clusterer.cluster(embeddings.vectors, start)
        labels, centres = checked(used["kind"], embeddings.vectors, labels, centres)
        clustering, matching = _numbered(embeddings, *ordered(labels, centres), last)
    if last is not None and _unchanged(last, clustering, made_from, used):
        clustering, run = last.clustering, last.entry["run"]
    else:
        run = 1 if last is None else last.entry["run"] + 1
    data = tables.clustering_bytes(clustering, names)
    recorded = artefacts.entry(
        data,
        made_from=made_from,
        settings=used,
        libraries=_LIBRARIES,
        run=run,
        highest=max([_highest(last), *clustering.numbers]),
        auto=None if choice is None else choice.as_json(),
    )
    _save(workspace, collection, data, recorded, settings.keep_runs)
    with progress.stage("Measuring", None):
        found = _measured(
            workspace, collection, embeddings, clustering, recorded, options, choice, clusterer
        )
    report = make_report(
        collection,
        clustering,
        used,
        found,
        matching,
        getattr(clusterer, "details", {}),
        artifact=str(workspace.collection_folder(collection) / CLUSTERS_FILE),
        seconds=round(time.monotonic() - began, 3),
    )
    return clustering, report


def load_clustering(
    workspace: Workspace, collection: str
) -> tuple[Clustering, dict[str, Any]] | None:
    """Return the last clustering and its manifest entry; None when there is none that is whole."""
    found = artefacts.read_artefact(workspace, collection, CLUSTERS_FILE)
    return None if found is None else (tables.clustering_from(found[0]), found[1])


def cluster_stale(
    workspace: Workspace, collection: str, embeddings: Embeddings, settings: Settings
) -> str | None:
    """Return why the clusters must be made anew ('the rows changed'), None when they are fresh."""
    found = artefacts.read_artefact(workspace, collection, CLUSTERS_FILE)
    if found is None:
        return "there are no clusters yet"
    if found[1]["made_from"] != artefacts.signature(embeddings):
        return "the rows changed"
    used = artefacts.option_values("clusterer", settings.cluster)
    return artefacts.difference("cluster", found[1]["settings"], used)


def _last_run(workspace: Workspace, collection: str) -> _LastRun | None:
    """Return the newest clustering that is whole: the runs outlive a half-written artefact."""
    found = artefacts.latest_run(workspace, collection) or artefacts.read_artefact(
        workspace, collection, CLUSTERS_FILE
    )
    return None if found is None else _LastRun(tables.clustering_from(found[0]), found[1])


def _start(last: _LastRun, kind: str, embeddings: Embeddings) -> Vectors | None:
    """Return the last run's centres if they are of this kind and of this vector space."""
    centres, vectors = last.clustering.centres, embeddings.vectors
    if last.entry["settings"].get("kind") != kind or not len(centres):
        return None
    if centres.shape[1] != vectors.shape[1]:
        return None
    # Another encoder of the same dimension: the old centres are then no better than noise.
    before = dict(zip(last.clustering.ids, last.clustering.clusters.tolist(), strict=True))
    closest = nearest(vectors, centres)
    pairs = [
        (before[item_id], last.clustering.numbers[index])
        for item_id, index in zip(embeddings.ids, closest.tolist(), strict=True)
        if before.get(item_id, NOISE) != NOISE
    ]
    agreeing = sum(was == now for was, now in pairs)
    return centres if agreeing >= _SAME_SPACE * len(pairs) else None


def _numbered(
    embeddings: Embeddings, labels: Labels, centres: Vectors, last: _LastRun | None
) -> tuple[Clustering, Matching | None]:
    old = None if last is None else last.clustering
    return numbered(embeddings, labels, centres, old, _highest(last) + 1)


def _highest(last: _LastRun | None) -> int:
    """Return the highest number a cluster of this collection ever had; -1 before the first."""
    return -1 if last is None else int(last.entry["highest"])


def _unchanged(
    last: _LastRun, clustering: Clustering, made_from: str, used: dict[str, Any]
) -> bool:
    return (
        last.entry["made_from"] == made_from
        and last.entry["settings"] == used
        and last.clustering.ids == clustering.ids
        and np.array_equal(last.clustering.clusters, clustering.clusters)
    )


def _save(
    workspace: Workspace, collection: str, data: bytes, recorded: dict[str, Any], keep: int
) -> None:
    # The run first: if the process dies before the manifest is written, the numbers given out
    # are on record, and the next run goes on from them.
    run = recorded["run"]
    artefacts.save_run(workspace, collection, run, data, recorded)
    artefacts.save(workspace, collection, {CLUSTERS_FILE: (data, recorded)})
    artefacts.prune_runs(workspace, collection, keep)


def rename_in_artefact(
    workspace: Workspace, collection: str, names: dict[int, str]
) -> tuple[bytes, dict[str, Any]] | None:
    """Return clusters.parquet with other names, and its entry; None when there is none."""
    found = artefacts.read_artefact(workspace, collection, CLUSTERS_FILE)
    if found is None:
        return None
    data = tables.clustering_bytes(tables.clustering_from(found[0]), names)
    return data, {**found[1], "sha256": hashlib.sha256(data).hexdigest()}


def _measured(
    workspace: Workspace,
    collection: str,
    embeddings: Embeddings,
    clustering: Clustering,
    recorded: dict[str, Any],
    options: dict[str, Any],
    choice: Choice | None,
    clusterer: object,
) -> dict[str, Any]:
    """Return the clustering's figures: those that are kept, or measured now and kept."""
    auto = None if choice is None else choice.as_json()
    kept = load_quality(workspace, collection)
    if kept is not None and kept["auto"] == auto:
        return kept
    used = recorded["settings"]
    wanted = used.get("k") if choice is None else choice.k
    stability = measure(
        embeddings.vectors,
        clustering.clusters,
        used["kind"],
        options,
        seed=int(used.get("seed") or 0),
    )
    found = {
        **figures(embeddings, clustering, stability),
        "auto": auto,
        # Such as a fallback on a large table: a page made later says it too.
        "notes": [*getattr(clusterer, "warnings", []), *_fewer(wanted, clustering, embeddings)],
    }
    data = quality_bytes(found)
    entry = artefacts.entry(
        data,
        made_from=recorded["made_from"],
        settings=used,
        libraries=_LIBRARIES,
        run=recorded["run"],
    )
    artefacts.save(workspace, collection, {QUALITY_FILE: (data, entry)})
    return found


def _fewer(wanted: object, clustering: Clustering, embeddings: Embeddings) -> list[str]:
    """Return the line that says why fewer clusters came out than were asked for."""
    k = len(clustering.numbers)
    if not isinstance(wanted, int) or k >= wanted:
        return []
    differing = len(np.unique(embeddings.vectors, axis=0))
    why = f"the rows have {counted(differing, 'different vector')}"
    return [
        f"cluster.k is {wanted}, but {counted(k, 'cluster')} came out: "
        + (f"{why}." if differing < wanted else "the others were left without rows.")
    ]
