"""`embclust diff`: what changed between two cluster runs, for people and for CI."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from embclust.cli.console import Console, clean, print_json, table
from embclust.cli.options import Collection, ConfigFile, Json, Set, WorkspaceFolder
from embclust.cli.session import load_settings, open_session, pick_collection, require_known
from embclust.errors import UsageError
from embclust.wording import counted

if TYPE_CHECKING:
    from embclust.steps.diff import DiffReport

__all__ = ["diff"]

_HEADS = ("cluster", "name", "what", "rows before", "rows now", "joined", "left")


def diff(
    config: ConfigFile = None,
    collection: Collection = None,
    against: Annotated[
        int | None,
        typer.Option("--against", metavar="RUN", help="An earlier run; the one before if unset."),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            metavar="CONDITIONS",
            help="Exit with 1 when one is passed, e.g. moved=5%,ari=0.9; also: new, gone, split,"
            " merged, rows_new, rows_gone.",
        ),
    ] = None,
    markdown: Annotated[
        bool | None, typer.Option("--markdown", help="Print the tables as Markdown.")
    ] = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    json: Json = None,
) -> int:
    """Compare the clusters with those of an earlier run. Exit 1 when --fail-on is hit."""
    if json and markdown:
        raise UsageError("--json and --markdown exclude each other.", "Choose one of them.")
    from dataclasses import replace

    from embclust.steps.diff import broken_limits, parse_limits, run_diff

    limits = [] if fail_on is None else parse_limits(fail_on)
    loaded = load_settings(config, {"workspace": workspace}, set_)
    with open_session(loaded) as session:
        chosen = pick_collection(session, collection)
        require_known(session, chosen)
        report = run_diff(session.workspace, chosen, against)
    report = replace(report, failed=broken_limits(report, limits))
    code = 1 if report.failed else 0
    if json:
        print_json({**report.as_json(), "exit_code": code})
    elif markdown:
        print(_markdown(report))
    else:
        table(_HEADS, _rows(report), sys.stdout)
    console = Console()
    if not markdown:
        console.note(_summary(report))
    for broken in report.failed:
        console.warn(f"--fail-on {broken}.")
    return code


def _summary(report: DiffReport) -> str:
    changed = f" Settings: {report.settings_changed}." if report.settings_changed else ""
    return (
        f"Run {report.run} against run {report.against} of {report.collection}: {report.moved:,} of"
        f" {counted(report.shared, 'row')} moved ({100 * report.moved_share:.1f} %), adjusted Rand"
        f" index {report.ari:.3f}; {counted(report.rows_new, 'row')} new, {report.rows_gone:,}"
        " gone; clusters:"
        f" {len(report.kept)} kept, {len(report.split)} split, {len(report.merged)} merged,"
        f" {len(report.new)} new, {len(report.gone)} gone.{changed}"
    )


def _rows(report: DiffReport) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for one in report.clusters:
        parts = f" ({', '.join(map(str, one.parts))})" if one.parts else ""
        what = f"{', '.join(one.states)}{parts}"
        found.append((one.cluster, one.name, what, one.before, one.after, one.joined, one.left))
    return found


def _markdown(report: DiffReport) -> str:
    lines = [
        f"### Clusters of {_cell(report.collection)}",
        "",
        _cell(_summary(report)),
        "",
        f"| {' | '.join(_HEADS)} |",
        f"| ---: | --- | --- |{' ---: |' * 4}",
        *(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in _rows(report)),
    ]
    if report.failed:
        lines += ["", *(f"- **failed** {_cell(one)}" for one in report.failed)]
    return "\n".join(lines)


def _cell(value: object) -> str:
    """A cell as text only: a name comes from other people's data."""
    text = clean(str(value)).replace("&", "&amp;").replace("<", "&lt;")
    for mark in "\\`*_[]|#!":
        text = text.replace(mark, f"\\{mark}")
    return text
