"""`embclust name`: from clusters to short names."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from embclust.cli.collection import (
    check_text_fields,
    open_collection,
    remember,
    write_back_clusters,
)
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
    TextFields,
    Wait,
    WorkspaceFolder,
    WriteBack,
)

__all__ = ["name"]


def name(
    config: ConfigFile = None,
    collection: Collection = None,
    k: K = None,
    kind: Kind = None,
    text_field: TextFields = None,
    seed: Seed = None,
    force: Annotated[
        bool | None, typer.Option("--force", help="Name anew, also what was edited by hand.")
    ] = None,
    strict: Annotated[
        bool | None, typer.Option("--strict", help="Fail (exit 4) when the namer fails.")
    ] = None,
    write_back: WriteBack = None,
    frozen: Frozen = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    wait: Wait = None,
    json: Json = None,
) -> int:
    """Give a collection's clusters short names."""
    flags = {
        "name.kind": kind,
        "cluster.k": k,
        "cluster.seed": seed,
        "plot.text_fields": text_field or None,
        "workspace": workspace,
    }
    with open_collection(config, collection, flags, set_, wait) as opened:
        from embclust.steps.ensure import default_text_fields, ensure_clusters, ensure_names
        from embclust.steps.name import run_name
        from embclust.steps.write_back import check_write_back

        check_text_fields(opened.source, text_field)
        if write_back:
            check_write_back(opened.source)
        settings = opened.session.loaded.settings
        places = (settings, opened.session.workspace, opened.console)
        clustering = ensure_clusters(opened.source, *places, frozen=bool(frozen))
        if frozen:
            ensure_names(opened.source, clustering, *places, frozen=True)
        wanted = opened.source.info.collection
        _, report = run_name(
            wanted,
            opened.source.embeddings,
            clustering,
            settings,
            opened.session.workspace,
            force=bool(force),
            strict=bool(strict),
            default_fields=default_text_fields(opened.source),
            progress=opened.console,
        )
        remember(opened)
        if write_back:
            write_back_clusters(opened, clustering, wait)
    if json:
        print_json(report_json(report))
    else:
        rows = [(one.cluster, one.size, one.name, one.source) for one in report.names]
        table(("cluster", "rows", "name", "from"), rows, sys.stdout)
    opened.console.note(
        f"{len(report.names)} names, {report.seconds:.1f} s."
        f" Next: embclust plot --collection {wanted}"
    )
    opened.console.warn_all([*opened.source.notes, *report.warnings])
    return 0
