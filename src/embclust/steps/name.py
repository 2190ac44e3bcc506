"""The naming step: clusters -> short names, no two alike, kept while the clusters stay.

A cluster's name is made anew when a quarter or so of its rows or their texts changed (see
naming_work.py), when the naming settings changed, or with `force`. A name that somebody edited
in names.json stays in every case but `force`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from embclust.data import Clustering, ClusterName, ClusterSample, Embeddings
from embclust.errors import ServerError
from embclust.reports import NamedCluster, NameReport
from embclust.steps import artefacts, names_file, tables
from embclust.steps.cluster import CLUSTERS_FILE, load_clustering, rename_in_artefact
from embclust.steps.distinct import LIMIT, choose
from embclust.steps.names_file import EDITED, NAMES_FILE, StoredName
from embclust.steps.naming_aids import naming_aids
from embclust.steps.naming_work import (
    NAMED_FILE,
    Rows,
    Work,
    find_work,
    gone_edits,
    made_from,
    used_settings,
)
from embclust.steps.proposals import Proposals, by_size, propose

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.protocols import Progress
    from embclust.steps.read import Source
    from embclust.workspace import Workspace

__all__ = ["load_names", "names_stale", "run_name"]

_EVIDENCE: Final = 5


def run_name(
    collection: str,
    embeddings: Embeddings,
    clustering: Clustering,
    settings: Settings,
    workspace: Workspace,
    *,
    source: Source | None = None,
    default_fields: Sequence[str] = (),
    force: bool = False,
    strict: bool = False,
    progress: Progress,
) -> tuple[list[ClusterName], NameReport]:
    """Name the clusters, keep the names in names.json and clusters.parquet, and report.

    `source`: the collection as it was read, for namers that need its model or its pictures.
    `default_fields`: what to name from when `name.fields` and `plot.text_fields` are empty; else
    every field that holds words. `force`: also replace edited and kept names. A namer that fails
    costs no run: the clusters get keyword names and the report says why; with `strict` that is a
    ServerError, raised after the names were saved. Raises UsageError for settings that cannot
    work.
    """
    began = time.monotonic()
    work = find_work(
        collection,
        embeddings,
        clustering,
        settings,
        workspace,
        default_fields=default_fields,
        force=force,
    )
    kind, samples = settings.name.kind, work.samples
    aids = naming_aids(source, settings, workspace, anew=force)
    with progress.stage("Naming", len(work.needed)) as bar:
        proposals = propose(kind, settings, samples, aids, bar)
    new = _settle(samples, work.edited, work.kept, proposals)
    made_of = {n: work.named[n] if n in work.kept else work.rows[n] for n in new}
    hashed = made_from(embeddings, clustering, work.fields)
    _save(workspace, collection, new, made_of, hashed, work.used)
    if strict and proposals.failures:
        raise ServerError(proposals.failures[0], "The names made so far are kept in names.json.")
    warnings = [*proposals.failures, *proposals.notes, *_changed_edits(work, new)]
    seconds = round(time.monotonic() - began, 3)
    return _cluster_names(new), NameReport(
        collection, kind, _lines(samples, new), seconds, warnings
    )


def load_names(
    workspace: Workspace, collection: str, clustering: Clustering | None = None
) -> list[ClusterName] | None:
    """Return the names of the clusters, edits in names.json included; None when one is missing.

    `clustering`: the last one when not given. Raises UsageError when names.json cannot be read.
    """
    if clustering is None:
        found = load_clustering(workspace, collection)
        if found is None:
            return None
        clustering = found[0]
    stored = names_file.read(workspace, collection)
    if not set(clustering.numbers) <= set(stored):
        return None
    sizes = {n: int((clustering.clusters == n).sum()) for n in clustering.numbers}
    edited = {n: stored[n] for n in clustering.numbers if stored[n].edited}
    kept = {n: stored[n] for n in clustering.numbers if n not in edited}
    order = sorted(sizes, key=lambda number: (-sizes[number], number))
    return _cluster_names(_unique(order, edited, kept, Proposals({}, {}, {}, [], [])))


def names_stale(
    workspace: Workspace,
    collection: str,
    embeddings: Embeddings,
    clustering: Clustering,
    settings: Settings,
    default_fields: Sequence[str] = (),
) -> str | None:
    """Return why names must be made anew, None when they are fresh. Edits do not make them stale.

    Raises UsageError as `run_name` does.
    """
    found = artefacts.read_artefact(workspace, collection, NAMED_FILE)
    stored = names_file.read(workspace, collection)
    if found is None or not set(clustering.numbers) <= set(stored):
        return "there are clusters without a name"
    _, proposed = tables.named_from(found[0])
    if any(stored[n].proposed != proposed.get(n) for n in clustering.numbers):
        return "names.json and what it was made from do not belong together"
    used, fields = used_settings(settings, embeddings, default_fields)
    changed = artefacts.difference("name", found[1]["settings"], used)
    if changed is None and found[1]["made_from"] != made_from(embeddings, clustering, fields):
        return "the clusters or their texts changed"
    return changed


def _lines(samples: Sequence[ClusterSample], named: Mapping[int, StoredName]) -> list[NamedCluster]:
    return [
        NamedCluster(s.cluster, named[s.cluster].name, named[s.cluster].source, s.size)
        for s in by_size(samples)
    ]


def _settle(
    samples: list[ClusterSample],
    edited: Mapping[int, StoredName],
    kept: Mapping[int, StoredName],
    proposals: Proposals,
) -> dict[int, StoredName]:
    order = [sample.cluster for sample in by_size(samples)]
    named = _unique(order, edited, kept, proposals)
    evidence = {
        s.cluster: [s.ids[index] for index in s.representatives[:_EVIDENCE]] for s in samples
    }
    return {
        n: StoredName(one.name, one.source, one.proposed, one.evidence_ids or evidence[n])
        for n, one in sorted(named.items())
    }


def _unique(
    order: Sequence[int],
    edited: Mapping[int, StoredName],
    kept: Mapping[int, StoredName],
    proposals: Proposals,
) -> dict[int, StoredName]:
    """Choose the names: edited ones first, then the kept ones, then the new; larger ones first."""
    candidates: dict[int, Sequence[str]] = {n: [edited[n].name] for n in order if n in edited}
    candidates |= {n: [kept[n].name] for n in order if n in kept}
    candidates |= proposals.candidates
    named = {}
    for n, name in choose(candidates, proposals.words).items():
        if n in edited:
            # `proposed` must go on differing from the name, or the edit would be forgotten.
            named[n] = StoredName(name, EDITED, edited[n].proposed, edited[n].evidence_ids)
        elif n in kept:
            named[n] = StoredName(name, kept[n].source, name, kept[n].evidence_ids)
        else:
            named[n] = StoredName(name, proposals.sources[n], name)
    return named


def _changed_edits(work: Work, new: Mapping[int, StoredName]) -> list[str]:
    changed = [
        f"The edited name of cluster {n} was changed to '{new[n].name}': a name is one line of at "
        f"most {LIMIT} characters, and no two are alike."
        for n in work.edited
        if new[n].name != work.edited[n].name
    ]
    return [*changed, *gone_edits(work)]


def _cluster_names(named: Mapping[int, StoredName]) -> list[ClusterName]:
    return [
        ClusterName(n, one.name, one.source, one.evidence_ids) for n, one in sorted(named.items())
    ]


def _save(
    workspace: Workspace,
    collection: str,
    named: Mapping[int, StoredName],
    made_of: Mapping[int, Rows],
    made_from: str,
    used: Mapping[str, Any],
) -> None:
    proposed = {n: one.proposed for n, one in named.items()}
    contents = {
        NAMED_FILE: tables.named_bytes(made_of, proposed),
        NAMES_FILE: names_file.to_bytes(named.items()),
    }
    files = {
        file: (data, artefacts.entry(data, made_from=made_from, settings=used))
        for file, data in contents.items()
    }
    renamed = rename_in_artefact(workspace, collection, {n: one.name for n, one in named.items()})
    if renamed is not None:
        files[CLUSTERS_FILE] = renamed
    artefacts.save(workspace, collection, files)
    if renamed is not None:
        artefacts.save_run(workspace, collection, renamed[1]["run"], *renamed)
