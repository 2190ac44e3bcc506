"""Which clusters need a name: what was edited by hand and what is as it was keep theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from embclust import plugins
from embclust.data import Clustering, ClusterSample, Embeddings
from embclust.errors import UsageError
from embclust.steps import artefacts, names_file, tables
from embclust.steps.names_file import EDITED, StoredName
from embclust.steps.samples import join_texts, make_samples, naming_fields

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.workspace import Workspace

__all__ = ["NAMED_FILE", "Rows", "Work", "find_work", "gone_edits", "made_from", "used_settings"]

NAMED_FILE: Final = "named.parquet"
_SAME_ROWS: Final = 0.8
"""Jaccard index, of rows with their texts, from which a cluster keeps its name."""

Rows = list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Work:
    """The clusters, and the names that they have.

    `samples`: all of them; those without a name are `needed`. `edited`, `kept`: the names that
    stay. `gone`: edited names of clusters that there are no more. `rows`: per cluster, its rows
    with a hash of their texts; `named`: the same as it was when the kept names were made.
    `used`: the settings in effect; `fields`: what names are made from.
    """

    samples: list[ClusterSample]
    edited: dict[int, StoredName]
    kept: dict[int, StoredName]
    gone: dict[int, StoredName]
    rows: dict[int, Rows]
    named: dict[int, Rows]
    used: dict[str, Any]
    fields: list[str]

    @property
    def needed(self) -> list[ClusterSample]:
        """The clusters without a name."""
        return [sample for sample in self.samples if sample.needed]


def find_work(
    collection: str,
    embeddings: Embeddings,
    clustering: Clustering,
    settings: Settings,
    workspace: Workspace,
    *,
    default_fields: Sequence[str],
    force: bool,
) -> Work:
    """Compare the clusters with the names there are; with `force` all need one.

    Raises UsageError for settings that cannot work and for a names.json that cannot be read.
    """
    if clustering.ids != embeddings.ids:
        raise UsageError(
            f"The clusters of '{collection}' were made from other rows than it has now.",
            f"Run: embclust cluster --collection {collection}",
        )
    used, fields = used_settings(settings, embeddings, default_fields)
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
    gone = {n: old for n, old in stored.items() if n not in rows and old.edited}
    samples = [replace(s, needed=s.cluster not in edited | kept) for s in samples]
    return Work(samples, edited, kept, gone, rows, named, used, fields)


def used_settings(
    settings: Settings, embeddings: Embeddings, default_fields: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return what names depend on, fit for JSON, and the fields that they are made from.

    Raises UsageError for a field that no row has.
    """
    key, chosen = "name.fields", settings.name.fields
    if not chosen:
        key, chosen = "plot.text_fields", settings.plot.text_fields
    fields = naming_fields(embeddings, chosen, default_fields, key=key)
    unnoticed = getattr(plugins.load_class("namer", settings.name.kind), "unnoticed", ())
    values = artefacts.option_values("namer", settings.name)
    values = {name: value for name, value in values.items() if name not in unnoticed}
    for name, value in settings.name.options().items():
        if isinstance(value, Path) and value.is_file():  # such as a word list: its content counts
            values[name] = f"{value} ({hashlib.sha256(value.read_bytes()).hexdigest()[:12]})"
    return {**values, "fields": fields}, fields


def gone_edits(work: Work) -> list[str]:
    """Return a line for each edited name that has no cluster."""
    return [
        f"names.json has the edited name '{one.name}' for cluster {n}, which there is not; it is "
        "left out."
        for n, one in sorted(work.gone.items())
    ]


def made_from(embeddings: Embeddings, clustering: Clustering, fields: Sequence[str]) -> str:
    """Return a hash of the clusters and of what they are named from."""
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
    found = artefacts.read_artefact(workspace, collection, NAMED_FILE)
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
