"""The naming step: clusters -> short names, no two alike, kept while the clusters stay.

A cluster's name is made anew when a quarter or so of its rows or their texts changed
(`_SAME_ROWS`), when the naming settings changed, or with `force`. A name that somebody edited in
names.json stays in every case but `force`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from embclust.data import (
    Clustering,
    ClusterName,
    ClusterSample,
    Embeddings,
    NamedCluster,
    NameReport,
)
from embclust.errors import ServerError, UsageError
from embclust.steps import artefacts, names_file, tables
from embclust.steps.cluster import CLUSTERS_FILE, load_clustering, rename_in_artefact
from embclust.steps.distinct import LIMIT, choose
from embclust.steps.names_file import EDITED, NAMES_FILE, StoredName
from embclust.steps.proposals import Proposals, by_size, propose
from embclust.steps.samples import join_texts, make_samples, naming_fields

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.protocols import Progress
    from embclust.workspace import Workspace

__all__ = ["load_names", "names_stale", "run_name"]

_NAMED_FILE: Final = "named.parquet"
_SAME_ROWS: Final = 0.8
"""Jaccard index, of rows with their texts, from which a cluster keeps its name."""
_EVIDENCE: Final = 5

Rows = list[tuple[str, int]]


def run_name(
    collection: str,
    embeddings: Embeddings,
    clustering: Clustering,
    settings: Settings,
    workspace: Workspace,
    *,
    default_fields: Sequence[str] = (),
    force: bool = False,
    strict: bool = False,
    progress: Progress,
) -> tuple[list[ClusterName], NameReport]:
    """Name the clusters, keep the names in names.json and clusters.parquet, and report.

    `default_fields`: what to name from when `plot.text_fields` is empty; else every field that
    holds words. `force`: also replace edited and kept names. A namer that fails costs no run:
    the clusters get keyword names and the report says why; with `strict` that is a ServerError,
    raised after the names were saved. Raises UsageError for settings that cannot work.
    """
    began = time.monotonic()
    if clustering.ids != embeddings.ids:
        raise UsageError(
            f"The clusters of '{collection}' were made from other rows than it has now.",
            f"Run: embclust cluster --collection {collection}",
        )
    fields = naming_fields(embeddings, settings.plot.text_fields, default_fields)
    used = {**artefacts.option_values("namer", settings.name), "text_fields": fields}
    samples = make_samples(embeddings, clustering, join_texts(embeddings, fields))
    rows = {sample.cluster: _rows(sample) for sample in samples}
    stored = {} if force else names_file.read(workspace, collection)
    named = {} if force else _named_rows(workspace, collection, stored, used)
    edited = {n: old for n, old in stored.items() if n in rows and old.edited}
    kept = {
        n: old
        for n, old in stored.items()
        if n in rows and _keepable(old) and _alike(named.get(n), rows[n])
    }
    asked = [s for s in samples if s.cluster not in edited and s.cluster not in kept]
    with progress.stage("Naming", len(asked)) as bar:
        proposals = propose(used["kind"], settings, samples, asked)
        bar.advance(len(asked))
    new = _settle(samples, edited, kept, proposals)
    made_of = {n: named[n] if n in kept else rows[n] for n in new}
    _save(workspace, collection, new, made_of, _made_from(embeddings, clustering, fields), used)
    if strict and proposals.warnings:
        raise ServerError(proposals.warnings[0], "The names made so far are kept in names.json.")
    seconds = round(time.monotonic() - began, 3)
    warnings = [*proposals.warnings, *_changed_edits(edited, new)]
    lines = _lines(samples, new)
    return _cluster_names(new), NameReport(collection, used["kind"], lines, seconds, warnings)


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
    return _cluster_names(_unique(order, edited, kept, Proposals({}, {}, {}, [])))


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
    found = artefacts.read_artefact(workspace, collection, _NAMED_FILE)
    stored = names_file.read(workspace, collection)
    if found is None or not set(clustering.numbers) <= set(stored):
        return "there are clusters without a name"
    _, proposed = tables.named_from(found[0])
    if any(stored[n].proposed != proposed.get(n) for n in clustering.numbers):
        return "names.json and what it was made from do not belong together"
    fields = naming_fields(embeddings, settings.plot.text_fields, default_fields)
    used = {**artefacts.option_values("namer", settings.name), "text_fields": fields}
    changed = artefacts.difference("name", found[1]["settings"], used)
    if changed is None and found[1]["made_from"] != _made_from(embeddings, clustering, fields):
        return "the clusters or their texts changed"
    return changed


def _lines(samples: Sequence[ClusterSample], named: Mapping[int, StoredName]) -> list[NamedCluster]:
    return [
        NamedCluster(s.cluster, named[s.cluster].name, named[s.cluster].source, s.size)
        for s in by_size(samples)
    ]


def _made_from(embeddings: Embeddings, clustering: Clustering, fields: Sequence[str]) -> str:
    clusters = artefacts.clustering_signature(clustering)
    return f"{clusters}-{artefacts.texts_signature(embeddings, fields)}"


def _rows(sample: ClusterSample) -> Rows:
    return list(zip(sample.ids, artefacts.text_hashes(sample.texts), strict=True))


def _named_rows(
    workspace: Workspace,
    collection: str,
    stored: Mapping[int, StoredName],
    used: Mapping[str, Any],
) -> dict[int, Rows]:
    """Return the rows each name was made from; none for names made with other settings."""
    found = artefacts.read_artefact(workspace, collection, _NAMED_FILE)
    if found is None or artefacts.difference("name", found[1]["settings"], used) is not None:
        return {}
    rows, proposed = tables.named_from(found[0])
    return {n: rows[n] for n in rows if n in stored and stored[n].proposed == proposed.get(n)}


def _keepable(old: StoredName) -> bool:
    # A fallback is no name to keep: the namer that failed may do better this time.
    return not (old.edited or old.source == EDITED or old.source.startswith("fallback"))


def _alike(before: Rows | None, now: Rows) -> bool:
    if not before:
        return False
    shared = len(set(before) & set(now))
    return shared >= _SAME_ROWS * (len(before) + len(now) - shared)


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


def _changed_edits(edited: Mapping[int, StoredName], new: Mapping[int, StoredName]) -> list[str]:
    return [
        f"The edited name of cluster {n} was changed to '{new[n].name}': a name is one line of at "
        f"most {LIMIT} characters, and no two are alike."
        for n in edited
        if new[n].name != edited[n].name
    ]


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
        _NAMED_FILE: tables.named_bytes(made_of, proposed),
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
