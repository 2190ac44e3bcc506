"""`embclust cluster`: from vectors to clusters and their figures."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from embclust.cli.collection import open_collection, remember
from embclust.cli.console import print_json, report_json, table
from embclust.cli.options import (
    Collection,
    ConfigFile,
    Frozen,
    Json,
    K,
    Kind,
    Seed,
    Set,
    Wait,
    WorkspaceFolder,
)

__all__ = ["cluster"]


def cluster(
    config: ConfigFile = None,
    collection: Collection = None,
    k: K = None,
    kind: Kind = None,
    seed: Seed = None,
    fresh: Annotated[
        bool | None, typer.Option("--fresh", help="Do not start from the last run's centres.")
    ] = None,
    frozen: Frozen = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    wait: Wait = None,
    json: Json = None,
) -> int:
    """Group a collection's vectors into clusters."""
    flags = {
        "cluster.kind": kind,
        "cluster.k": k,
        "cluster.seed": seed,
        "workspace": workspace,
    }
    with open_collection(config, collection, flags, set_, wait) as opened:
        from embclust.steps.cluster import run_cluster
        from embclust.steps.ensure import ensure_clusters

        name = opened.source.info.collection
        settings = opened.session.loaded.settings
        if frozen:
            ensure_clusters(
                opened.source, settings, opened.session.workspace, opened.console, frozen=True
            )
        _, report = run_cluster(
            name,
            opened.source.embeddings,
            settings,
            opened.session.workspace,
            fresh=bool(fresh),
            progress=opened.console,
        )
        remember(opened)
    if json:
        print_json(report_json(report))
    else:
        table(("cluster", "rows"), [(one.cluster, one.size) for one in report.clusters], sys.stdout)
    silhouette = "none" if report.silhouette is None else f"{report.silhouette:.3f}"
    opened.console.note(
        f"{report.k} clusters of {report.n} rows ({report.noise} in none), cosine silhouette"
        f" {silhouette}, {report.seconds:.1f} s. Next: embclust plot --collection {name}"
    )
    opened.console.warn_all([*opened.source.notes, *report.warnings])
    return 0
