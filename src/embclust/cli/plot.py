"""`embclust plot`: from a collection to a page with a named map."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from embclust.cli.collection import check_text_fields, open_collection, picture_folder, remember
from embclust.cli.console import print_json, report_json
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

__all__ = ["plot"]


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
    if dims not in (None, "2", "3", "both", "auto"):
        raise UsageError(
            f"--dims {dims}: a map has 2 or 3 dimensions, or a switch for both.",
            "Use --dims 2, --dims 3 or --dims both.",
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
    opened.console.warn_all(report.warnings)
    if open_ and not webbrowser.open(Path(report.page).resolve().as_uri()):
        opened.console.warn("No browser could be started; open the page by hand.")
    return 0
