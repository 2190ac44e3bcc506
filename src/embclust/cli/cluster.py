"""`embclust cluster`: from vectors to clusters and their figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from embclust.cli.cluster_tables import print_figures
from embclust.cli.collection import open_collection, remember, write_back_clusters
from embclust.cli.console import print_json, report_json
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
    WriteBack,
)
from embclust.wording import counted

if TYPE_CHECKING:
    from embclust.reports import ClusterReport

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
    compare: Annotated[
        str | None,
        typer.Option(
            "--compare", metavar="COLUMN", help="Compare the clusters with a column of labels."
        ),
    ] = None,
    write_back: WriteBack = None,
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
        from embclust.steps.compare import check_column, compare_column
        from embclust.steps.ensure import ensure_clusters
        from embclust.steps.write_back import check_write_back

        name = opened.source.info.collection
        if compare is not None:
            check_column(opened.source.embeddings.fields, compare, name)
        if write_back:
            check_write_back(opened.source)
        settings = opened.session.loaded.settings
        if frozen:
            ensure_clusters(
                opened.source, settings, opened.session.workspace, opened.console, frozen=True
            )
        clustering, report = run_cluster(
            name,
            opened.source.embeddings,
            settings,
            opened.session.workspace,
            fresh=bool(fresh),
            progress=opened.console,
        )
        if compare is not None:
            found = compare_column(opened.source.embeddings, clustering, compare)
            report.details["compare"] = found.as_json()
        remember(opened)
        if write_back:
            report.details["written_back"] = write_back_clusters(opened, clustering, wait)
    if json:
        print_json(report_json(report))
    else:
        print_figures(report)
    opened.console.note(f"{_summary(report)} Next: embclust plot --collection {name}")
    opened.console.warn_all([*opened.source.notes, *report.warnings])
    return 0


def _summary(report: ClusterReport) -> str:
    parts = [f"{counted(report.k, 'cluster')} of {counted(report.n, 'row')}"]
    if report.noise:
        parts[0] += f" ({report.noise:,} in none)"
    if report.silhouette is not None:
        parts.append(f"cosine silhouette {report.silhouette:.3f}")
    if report.details["stability"] is not None:
        parts.append(f"stability {report.details['stability']['ari']:.2f}")
    return f"{', '.join(parts)}, {report.seconds:.1f} s."
