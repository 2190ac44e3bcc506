"""`embclust check`, `rebuild-store` and `gc`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from embclust.cli.console import Console, clean, print_json, table
from embclust.cli.options import ConfigFile, Json, Set, Wait, WorkspaceFolder
from embclust.cli.session import Session, load_settings, open_session, require_ledger
from embclust.errors import UsageError

__all__ = ["check", "gc", "rebuild_store"]

_One = Annotated[
    str | None, typer.Option("--collection", help="Only this collection; all of them if unset.")
]


def check(
    config: ConfigFile = None,
    collection: _One = None,
    full: Annotated[
        bool | None, typer.Option("--full", help="Compare every vector, not a sample.")
    ] = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    wait: Wait = None,
    json: Json = None,
) -> int:
    """Compare ledger and store: count, ids, fields, vectors. Exit 1 on a difference."""
    from embclust.steps.upkeep import check_collection

    loaded = load_settings(config, {"workspace": workspace}, set_)
    console = Console()
    reports = []
    with open_session(loaded, lock=wait or 0) as session:
        for name in _chosen(session, collection):
            ledger = require_ledger(session, name)
            known = ledger.collection(name)
            assert known is not None
            settings = load_settings(
                config, {"workspace": workspace}, set_, known.remembered, name
            ).settings
            reports.append(
                check_collection(
                    ledger, known, settings, session.workspace, console, full=bool(full)
                )
            )
    code = 1 if any(report.differences for report in reports) else 0
    if json:
        print_json({"collections": [asdict(report) for report in reports], "exit_code": code})
    else:
        table(
            ("collection", "in the ledger", "in the store", "vectors compared", "differences"),
            [
                (
                    one.collection,
                    one.ledger_rows,
                    one.store_rows,
                    one.vectors_compared,
                    len(one.differences),
                )
                for one in reports
            ],
            sys.stdout,
        )
    for report in reports:
        for difference in report.differences[:20]:
            print(clean(f"{report.collection}: {difference}"), file=sys.stderr)
    if code:
        console.note("The ledger is the truth: `embclust rebuild-store` makes the store again.")
    return code


def rebuild_store(
    config: ConfigFile = None,
    collection: _One = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    wait: Wait = None,
    json: Json = None,
) -> int:
    """Make the store again from the ledger; no download, no model."""
    from embclust.steps.sync import sync_stores

    loaded = load_settings(config, {"workspace": workspace}, set_)
    console = Console()
    done: dict[str, Any] = {}
    with open_session(loaded, lock=wait or 0) as session:
        for name in _chosen(session, collection):
            ledger = require_ledger(session, name)
            known = ledger.collection(name)
            assert known is not None
            settings = load_settings(
                config, {"workspace": workspace}, set_, known.remembered, name
            ).settings
            notes = sync_stores(
                ledger, settings, session.workspace, console, only={name}, anew=True
            )
            done[name] = ledger.counts(known).get("ok", 0)
            for note in notes:
                console.warn(note)
    if json:
        print_json({"collections": [{"collection": k, "count": v} for k, v in done.items()]})
    else:
        table(("collection", "rows written"), list(done.items()), sys.stdout)
    return 0


def gc(
    set_: Set = None, workspace: WorkspaceFolder = None, wait: Wait = None, json: Json = None
) -> int:
    """Drop vectors and thumbnails that no row uses any more, and shrink the files."""
    from embclust.steps.upkeep import collect_garbage
    from embclust.thumbs import Thumbs

    loaded = load_settings(None, {"workspace": workspace}, set_)
    with open_session(loaded, lock=wait or 0) as session:
        if session.ledger is None:
            raise _nothing(session)
        thumbs = Thumbs(session.workspace.thumbs_path)
        try:
            report = collect_garbage(session.ledger, thumbs, session.workspace)
        finally:
            thumbs.close()
    if json:
        print_json(asdict(report))
    else:
        before, after = report.bytes_before / 1e6, report.bytes_after / 1e6
        print(
            f"Dropped {report.vectors} vectors, {report.thumbnails} thumbnails,"
            f" {report.addresses} addresses and {report.stores} damaged stores;"
            f" {before:.1f} MB -> {after:.1f} MB."
        )
    return 0


def _chosen(session: Session, collection: str | None) -> list[str]:
    if collection:
        return [collection]
    known = [found.name for found in session.ledger.collections()] if session.ledger else []
    if not known:
        raise _nothing(session)
    return known


def _nothing(session: Session) -> UsageError:
    return UsageError(
        f"There is no collection in the workspace {session.workspace.root}.",
        "Run `embclust index` first, or name another --workspace.",
    )
