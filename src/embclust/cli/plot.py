"""`embclust plot`: from a collection to a page with a named map."""

from __future__ import annotations

import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from embclust.cli.collection import check_text_fields, open_collection, picture_folder, remember
from embclust.cli.console import Console, print_json, report_json
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
from embclust.wording import counted

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
    png: Annotated[
        Path | None,
        typer.Option("--png", metavar="FILE", help="Also a still of the page (needs Chromium)."),
    ] = None,
    png_size: Annotated[
        str | None,
        typer.Option(
            "--png-size", metavar="WIDTHxHEIGHT", help="Its size in pixels: 1600x1000 if unset."
        ),
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
    if png is not None:
        _check_png(png, png_size)
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
    if png is not None:
        report = replace(report, png=str(_draw(Path(report.page), png, png_size, opened.console)))
    if json:
        print_json(report_json(report))
    else:
        print(report.page)
    opened.console.note(
        f"{report.drawn:,} of {counted(report.points, 'point')},"
        f" {counted(report.thumbnails, 'picture')},"
        f" {report.bytes / 1e6:.1f} MB, {report.seconds:.1f} s. Open it by double click."
    )
    opened.console.warn_all(report.warnings)
    if open_ and not webbrowser.open(Path(report.page).resolve().as_uri()):
        opened.console.warn("No browser could be started; open the page by hand.")
    return 0


def _check_png(png: Path, size: str | None) -> None:
    """Raise, before any work, what would keep the still from being made."""
    from embclust.steps.plot import check_file
    from embclust.steps.still import find_chromium, parse_size

    if size is not None:
        parse_size(size)
    check_file("--png", png)
    if png.suffix.lower() != ".png":
        raise UsageError(
            f"--png {png}: a still is a PNG picture.", f"Name it {png.with_suffix('.png')}."
        )
    find_chromium()


def _draw(page: Path, png: Path, size: str | None, console: Console) -> Path:
    from embclust.steps.still import DEFAULT_SIZE, draw_still, parse_size

    with console.stage("Still"):
        draw_still(page, png, parse_size(size) if size else DEFAULT_SIZE)
    console.note(f"A still of it: {png}")
    return png
