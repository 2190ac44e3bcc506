"""Rows to vectors: read the table, compare with the ledger, fetch, encode, commit, sync."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embclust.data import Item, Modality
from embclust.errors import (
    DiskFullError,
    RefusedError,
    UsageError,
)
from embclust.fetch import source_key
from embclust.redact import redact
from embclust.reports import CollectionReport, IndexReport
from embclust.rows import Rejected, Table, open_table
from embclust.staging import Cell, Staging, Target, text_key
from embclust.steps.encode import EncodeResult, encode_modality
from embclust.steps.failures import write_failures
from embclust.steps.plans import (
    Plan,
    build_encoders,
    check_collections,
    make_plans,
    renamed,
)
from embclust.steps.sync import check_store, sync_stores
from embclust.wording import counted

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.ledger import Ledger
    from embclust.protocols import Encoder, Progress
    from embclust.thumbs import Thumbs
    from embclust.workspace import Workspace

__all__ = ["IndexOptions", "run_index"]

_MIN_FREE = 100_000_000
_PERCENT_FROM = 50
_HOW_SHOWN = ("cluster", "project", "name", "plot")


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """What one index run is asked to do, beyond the settings.

    `max_failures`: a number of rows, or a percentage such as "5%" that counts from 50 rows on.
    """

    retry_failed: bool = False
    refresh: bool = False
    reencode: bool = False
    prune: bool = False
    yes: bool = False
    max_failures: str = "5%"


def run_index(
    settings: Settings,
    workspace: Workspace,
    ledger: Ledger,
    thumbs: Thumbs,
    options: IndexOptions,
    progress: Progress,
    stop: Callable[[], bool],
    remember: dict[str, Any],
) -> IndexReport:
    """Index the table of the settings; the workspace's lock is held by the caller.

    Stops after the batch in hand when `stop()` turns true; what is left is `pending`. Raises
    the errors of its parts before any work; afterwards a row's problem is in the report only.
    """
    started = time.monotonic()
    _check_options(settings, options)
    table = open_table(settings.source, settings.fields)
    plans = make_plans(settings)
    encoders = build_encoders(settings, plans)
    check_collections(ledger, plans, encoders, reencode=options.reencode)
    check_store(settings, workspace)
    if workspace.free_bytes() < _MIN_FREE:
        raise DiskFullError(
            f"Less than {_MIN_FREE // 10**6} MB are free where the workspace {workspace.root} is.",
            "Free some space and run the same command again.",
        )
    with Staging(ledger) as staging:
        rejected = _stage(table, plans, settings, staging, progress)
        targets = [
            Target(
                number,
                plan.field,
                plan.modality,
                ledger.ensure_collection(
                    plan.collection,
                    plan.field,
                    plan.modality,
                    encoders[plan.modality].encoder_id,
                    reencode=options.reencode,
                ),
            )
            for number, plan in enumerate(plans)
        ]
        staging.compare(
            targets,
            ledger.source(table.name),
            retry_failed=options.retry_failed,
            refresh=options.refresh,
            reencode=options.reencode,
        )
        gone = [_gone(staging, target, settings) for target in targets]
        notes = _claimed(staging, table)
        notes += _prune_or_refuse(staging, targets, settings, options, len(rejected))
        results = _encode(
            staging, encoders, settings, table.folder, thumbs, options, progress, stop
        )
        reports = [
            _report(ledger, staging, target, left)
            for target, left in zip(targets, gone, strict=True)
        ]
        failures_file = write_failures(
            workspace, ledger, staging, targets, rejected, Path(table.name).stem
        )
        duplicates = staging.duplicates
    for target in targets:
        _remember(ledger, target, remember)
    notes += sync_stores(
        ledger,
        settings,
        workspace,
        progress,
        only={target.collection.name for target in targets},
        stop=stop,
    )
    seconds = time.monotonic() - started
    for result in results:
        notes += result.notes
    indexed = sum(report.indexed for report in reports)
    return IndexReport(
        collections=reports,
        duplicates=duplicates,
        rejected_rows=len(rejected),
        seconds=round(seconds, 3),
        items_per_second=round(indexed / seconds, 1) if seconds else 0.0,
        failures_file=str(failures_file) if failures_file else None,
        exit_code=_exit_code(reports, results, options.max_failures),
        warnings=[*table.warnings, *renamed(plans, settings), *notes],
    )


def _check_options(settings: Settings, options: IndexOptions) -> None:
    if options.prune and (settings.source.start or settings.source.limit):
        raise UsageError(
            "--prune cannot go with --start or --limit: rows outside the part that is read would"
            " seem gone.",
            "Leave one of them out.",
        )
    _allowed(options.max_failures, 1)


def _stage(
    table: Table, plans: list[Plan], settings: Settings, staging: Staging, progress: Progress
) -> list[Rejected]:
    rejected: list[Rejected] = []
    with progress.stage("Read the table") as bar:
        for row in table.rows():
            if isinstance(row, Rejected):
                rejected.append(row)
                continue
            shown = _without_secrets(row.item)
            cells = [_cell(plan, row.item, shown, table.folder, settings) for plan in plans]
            staging.add(shown, row.line, cells, settings.source.on_duplicate)
            bar.advance()
    staging.end()
    return rejected


def _without_secrets(item: Item) -> Item:
    """The row as it may be kept and shown: URLs lose passwords, tokens and signatures."""
    fields = item.fields
    for name, value in item.fields.items():
        # Only a URL with a user or a parameter can carry a secret.
        if isinstance(value, str) and "//" in value and ("@" in value or "=" in value):
            fields = {**fields, name: redact(value)}
    return item if fields == item.fields else Item(item.id, fields)


def _cell(plan: Plan, item: Item, shown: Item, folder: Path, settings: Settings) -> Cell:
    text = str(item.fields.get(plan.field, "")).strip()
    if not text:
        return Cell(None)
    if plan.modality == "text":
        text = str(shown.fields[plan.field]).strip()
        return Cell(f"text:{text_key(text).hex()}", size=len(text))
    secret = item is not shown and item.fields[plan.field] != shown.fields[plan.field]
    return Cell(source_key(text, folder, settings.images), text if secret else None)


def _claimed(staging: Staging, table: Table) -> list[str]:
    return [
        f"{counted(count, 'row')} of '{name}' came from another table before: from now on of"
        f" {table.path.name}."
        for name, count in staging.claimed.items()
        if count
    ]


def _prune_or_refuse(
    staging: Staging,
    targets: list[Target],
    settings: Settings,
    options: IndexOptions,
    rejected: int,
) -> list[str]:
    if not options.prune:
        return []
    for target in targets:
        gone = staging.gone(target)
        held = staging.held(target)
        if not options.yes and gone > 0.2 * held:
            raise RefusedError(
                f"--prune would remove {gone:,} of the {counted(held, 'row')} that"
                f" {settings.source.path} has in '{target.collection.name}', more than 20 %.",
                "Add --yes if that is right.",
            )
        if not options.yes and gone and rejected:
            raise RefusedError(
                f"--prune would remove {counted(gone, 'row')} from '{target.collection.name}', but"
                f" {counted(rejected, 'line')} of the table could not be read and may be among"
                " them.",
                "Mend the lines, or add --yes.",
            )
    removed = [(target.collection.name, staging.prune(target)) for target in targets]
    return [
        f"Removed {counted(count, 'row')} that left the table from '{name}'."
        for name, count in removed
        if count
    ]


def _encode(
    staging: Staging,
    encoders: dict[Modality, Encoder],
    settings: Settings,
    folder: Path,
    thumbs: Thumbs,
    options: IndexOptions,
    progress: Progress,
    stop: Callable[[], bool],
) -> list[EncodeResult]:
    planned = [modality for modality in encoders if staging.plan_jobs(modality)]
    # Both checks come before the first download: a missing text model must not cost a night.
    for modality in planned:
        encoders[modality].check()
    results: list[EncodeResult] = []
    for modality in sorted(planned):
        if stop() or any(result.gave_up for result in results):
            break
        results.append(
            encode_modality(
                modality,
                staging,
                encoders[modality],
                settings,
                folder,
                thumbs,
                progress,
                stop,
                reencode=options.reencode,
            )
        )
    return results


def _gone(staging: Staging, target: Target, settings: Settings) -> int:
    """Rows that left the table, also when they are pruned; unknown when only a part is read."""
    part = settings.source.start or settings.source.limit
    return 0 if part else staging.gone(target)


def _report(ledger: Ledger, staging: Staging, target: Target, gone: int) -> CollectionReport:
    verdicts = staging.verdicts(target)
    pending = verdicts.pop("work", 0)
    return CollectionReport(
        collection=target.collection.name,
        field=target.field,
        rows=staging.rows,
        pending=pending,
        gone=gone,
        count=ledger.counts(target.collection).get("ok", 0),
        **verdicts,
    )


def _remember(ledger: Ledger, target: Target, given: dict[str, Any]) -> None:
    """Keep the explicit settings with the collection, so that later commands need no config.

    How it was shown stays; where it came from and went to is this run's alone.
    """
    known = ledger.collection(target.collection.name)
    if known is None:
        return
    shown = {key: value for key, value in known.remembered.items() if key in _HOW_SHOWN}
    merged = {**shown, **given}
    if json.dumps(known.remembered, sort_keys=True) != json.dumps(merged, sort_keys=True):
        ledger.remember(known, merged)


def _allowed(text: str, rows: int) -> float:
    """How many rows may fail. Raises UsageError for text that is no number or percentage."""
    try:
        if text.strip().endswith("%"):
            share = float(text.strip()[:-1]) / 100
            return share * rows if rows >= _PERCENT_FROM else float("inf")
        return float(int(text))
    except ValueError:
        raise UsageError(
            f"--max-failures '{text}' is neither a number nor a percentage.",
            "Write for example 20 or 5%.",
        ) from None


def _exit_code(
    reports: list[CollectionReport], results: list[EncodeResult], max_failures: str
) -> int:
    if any(result.gave_up for result in results):
        return 3
    too_many = any(report.failed > _allowed(max_failures, report.rows) for report in reports)
    return 3 if too_many else 0
