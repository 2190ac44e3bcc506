"""`embclust index`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from embclust.cli.console import Console, print_json, report_json, table
from embclust.cli.options import Device, Json, Set, Wait, WorkspaceFolder
from embclust.cli.session import load_settings, open_session
from embclust.cli.signals import finish_batch

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.reports import IndexReport

__all__ = ["index"]

_CONFIG_SUFFIXES = (".yaml", ".yml")
_COUNTS = ("indexed", "reused", "updated", "unchanged", "missing", "failed", "pending")


def index(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CONFIG | TABLE]",
            help="A YAML config; or a CSV, TSV, JSONL or Parquet table, or a folder of images.",
        ),
    ] = None,
    id_field: Annotated[str | None, typer.Option("--id", help="The id column.")] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            "--image",
            metavar="COLUMN[=TEMPLATE]",
            help="Column of picture URLs or paths, or name=images/{id}.jpg; may be repeated.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", help="Text column; may be repeated.")
    ] = None,
    prefix: Annotated[
        str | None, typer.Option("--prefix", help="Collections are called prefix + column.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="Read at most N rows.")] = None,
    start: Annotated[int | None, typer.Option("--start", help="Skip the first N rows.")] = None,
    retry_failed: Annotated[
        bool | None, typer.Option("--retry-failed", help="Also try failed rows again (retryable).")
    ] = None,
    refresh: Annotated[
        bool | None, typer.Option("--refresh", help="Look behind unchanged URLs again.")
    ] = None,
    reencode: Annotated[
        bool | None,
        typer.Option("--reencode", help="Redo every vector (other encoder or weights)."),
    ] = None,
    prune: Annotated[
        bool | None, typer.Option("--prune", help="Remove rows that left the table.")
    ] = None,
    yes: Annotated[
        bool | None, typer.Option("--yes", help="Prune although more than 20 % would go.")
    ] = None,
    max_failures: Annotated[
        str | None,
        typer.Option(
            "--max-failures",
            metavar="N|P%",
            help="More failed rows than this exit with 3. Default 5% (from 50 rows on).",
        ),
    ] = None,
    device: Device = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    wait: Wait = None,
    json: Json = None,
) -> int:
    """Read a table, embed its pictures and texts, keep the vectors."""
    config, flags = _split(source)
    flags |= {
        "source.id_field": id_field,
        "source.limit": limit,
        "source.start": start,
        "fields.images": _images(image),
        "fields.texts": text,
        "store.collection_prefix": prefix,
        "device": device,
        "workspace": workspace,
    }
    from embclust.steps.index import IndexOptions, run_index
    from embclust.thumbs import Thumbs

    loaded = load_settings(config, flags, set_)
    options = IndexOptions(
        retry_failed=bool(retry_failed),
        refresh=bool(refresh),
        reencode=bool(reencode),
        prune=bool(prune),
        yes=bool(yes),
        max_failures=max_failures or "5%",
    )
    console = Console()
    with finish_batch() as stop, open_session(loaded, create=True, lock=wait or 0) as session:
        assert session.ledger is not None
        thumbs = Thumbs(session.workspace.thumbs_path)
        try:
            report = run_index(
                loaded.settings,
                session.workspace,
                session.ledger,
                thumbs,
                options,
                console,
                stop,
                loaded.explicit,
            )
        finally:
            thumbs.close()
    if stop.signum is not None:
        report = replace(report, exit_code=128 + stop.signum)
    if json:
        print_json(report_json(report))
    known_by = config if _has_plugins_beside_it(loaded.settings) else None
    again = _again(report, known_by, workspace)
    _show(report, console, sys.stderr if json else sys.stdout, again)
    return report.exit_code


def _split(source: Path | None) -> tuple[Path | None, dict[str, object]]:
    if source is None:
        return None, {}
    if source.suffix.lower() in _CONFIG_SUFFIXES and not source.is_dir():
        return source, {}
    return None, {"source.path": source}


def _images(given: list[str] | None) -> object:
    if not given:
        return None
    pairs = [one.partition("=") for one in given]
    if any(template for _, _, template in pairs):
        return {column: template or None for column, _, template in pairs}
    return given


def _show(report: IndexReport, console: Console, file: TextIO, again: str) -> None:
    """The closing summary: adds up, and says what to run next."""
    heads = ("collection", "rows", *_COUNTS, "gone", "now in it")
    rows = [
        (one.collection, one.rows, *(getattr(one, name) for name in _COUNTS), one.gone, one.count)
        for one in report.collections
    ]
    table(heads, rows, file)
    for warning in report.warnings:
        console.warn(warning)
    if report.duplicates:
        console.note(f"Duplicate rows merged: {report.duplicates}.")
    if report.rejected_rows:
        console.note(f"Lines of the table that could not be read: {report.rejected_rows}.")
    if report.failures_file:
        console.note(f"What failed, and why: {report.failures_file}")
    console.note(f"{report.seconds:.1f} s, {report.items_per_second:.1f} new vectors a second.")
    console.note(again)


def _again(report: IndexReport, config: Path | None, workspace: Path | None) -> str:
    """What to run next."""
    if report.exit_code > 128 or any(one.pending for one in report.collections):
        return "Not finished: run the same command again to go on from here."
    if report.exit_code == 3:
        return "Too many rows failed (--max-failures); what could be indexed is indexed."
    shown = next((one.collection for one in report.collections if one.count), None)
    if shown is None:
        return "Nothing was indexed."
    words = ["embclust", "plot", *([str(config)] if config else []), "--collection", shown]
    words += ["--workspace", str(workspace)] if workspace else []
    return f"Next: {shlex.join(words)}"


def _has_plugins_beside_it(settings: Settings) -> bool:
    """Whether a kind comes from outside: its module is found by way of the config's folder."""
    encoders = settings.encoders
    families = (settings.store, settings.cluster, settings.project, settings.name)
    return any(":" in one.kind for one in (encoders.image, encoders.text, *families))
