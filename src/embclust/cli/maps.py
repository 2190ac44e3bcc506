"""`embclust cluster`, `name` and `plot`: from vectors to a named map."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embclust.cli.collection import (
    check_text_fields,
    open_collection,
    picture_folder,
    remember,
)
from embclust.cli.console import Console, print_json, report_json, table
from embclust.cli.options import (
    Collection,
    ConfigFile,
    Dims,
    Frozen,
    ImageField,
    Json,
    K,
    Kind,
    Seed,
    Set,
    TextFields,
    Wait,
    WorkspaceFolder,
)
from embclust.errors import UsageError

if TYPE_CHECKING:
    pass

__all__ = ["cluster", "name", "plot"]


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
        from embclust.steps.plot import ensure_clusters

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
    _warn(opened.console, [*opened.source.notes, *report.warnings])
    return 0


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
        from embclust.steps.name import run_name
        from embclust.steps.plot import default_text_fields, ensure_clusters, ensure_names

        check_text_fields(opened.source, text_field)
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
    if json:
        print_json(report_json(report))
    else:
        rows = [(one.cluster, one.size, one.name, one.source) for one in report.names]
        table(("cluster", "rows", "name", "from"), rows, sys.stdout)
    opened.console.note(
        f"{len(report.names)} names, {report.seconds:.1f} s."
        f" Next: embclust plot --collection {wanted}"
    )
    _warn(opened.console, [*opened.source.notes, *report.warnings])
    return 0


def plot(
    config: ConfigFile = None,
    collection: Collection = None,
    k: K = None,
    kind: Kind = None,
    dims: Dims = None,
    text_field: TextFields = None,
    image_field: ImageField = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the page goes (an HTML file).")
    ] = None,
    open_: Annotated[
        bool | None, typer.Option("--open", help="Open the page in the browser.")
    ] = None,
    seed: Seed = None,
    frozen: Frozen = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    wait: Wait = None,
    json: Json = None,
) -> int:
    """Draw a collection's map as one HTML page; makes clusters and names when they are missing."""
    if dims not in (None, 2, 3):
        raise UsageError(
            f"--dims {dims}: a map has 2 or 3 dimensions.", "Use --dims 2 or --dims 3."
        )
    flags = {
        "cluster.kind": kind,
        "cluster.k": k,
        "cluster.seed": seed,
        "project.seed": seed,
        "project.dims": dims,
        "plot.text_fields": text_field or None,
        "plot.image_field": image_field,
        "plot.out": out,
        "workspace": workspace,
    }
    with open_collection(config, collection, flags, set_, wait, create=True) as opened:
        from embclust.steps.plot import run_plot
        from embclust.thumbs import Thumbs

        check_text_fields(opened.source, text_field)
        session = opened.session
        settings = session.loaded.settings
        assert session.ledger is not None
        thumbs = Thumbs(session.workspace.thumbs_path)
        try:
            report = run_plot(
                opened.source,
                settings,
                session.workspace,
                session.ledger,
                thumbs,
                settings.project.dims,
                picture_folder(opened),
                opened.console,
                frozen=bool(frozen),
            )
        finally:
            thumbs.close()
        remember(opened)
    if json:
        print_json(report_json(report))
    else:
        print(report.page)
    opened.console.note(
        f"{report.drawn} of {report.points} points, {report.thumbnails} pictures,"
        f" {report.bytes / 1e6:.1f} MB, {report.seconds:.1f} s. Open it by double click."
    )
    _warn(opened.console, report.warnings)
    if open_ and not webbrowser.open(Path(report.page).resolve().as_uri()):
        opened.console.warn("No browser could be started; open the page by hand.")
    return 0


def _warn(console: Console, warnings: list[str]) -> None:
    for warning in warnings:
        console.warn(warning)
