"""The list of what failed, for a person to read and a script to parse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embclust.workspace import write_whole

if TYPE_CHECKING:
    from embclust.ledger import Ledger
    from embclust.rows import Rejected
    from embclust.staging import Staging, Target
    from embclust.workspace import Workspace

__all__ = ["write_failures"]


def write_failures(
    workspace: Workspace,
    ledger: Ledger,
    staging: Staging,
    targets: Sequence[Target],
    rejected: Sequence[Rejected],
    table: str,
) -> Path | None:
    """Write `failures/TABLE.jsonl`, one line per failed row; None when nothing failed.

    It holds every row of these collections that is failed now (also from earlier runs), rows
    with nothing to embed, and the lines of the table that could not be read.
    """
    path = workspace.root / "failures" / f"{table or 'table'}.jsonl"
    records = [*_records(ledger, staging, targets)]
    records += [{"line": one.line, "stage": "read", "reason": one.reason} for one in rejected]
    if not records:
        path.unlink(missing_ok=True)
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    write_whole(path, text.encode("utf-8", "replace"))
    return path


def _records(
    ledger: Ledger, staging: Staging, targets: Sequence[Target]
) -> Iterator[dict[str, Any]]:
    for target in targets:
        failures = ledger.failures(target.collection)
        lines = staging.lines([failure.item_id for failure in failures])
        for failure in failures:
            yield {
                "collection": target.collection.name,
                "id": failure.item_id,
                "line": lines.get(failure.item_id),
                "field": failure.field,
                "stage": failure.stage,
                "reason": failure.reason,
                "retryable": failure.retryable,
                "attempts": failure.attempts,
            }
        for item_id, reason in staging.kept_failures(target):
            yield {
                "collection": target.collection.name,
                "id": item_id,
                "field": target.field,
                "stage": "fetch",
                "reason": reason,
                "retryable": True,
            }
    empty = staging.empty_rows()
    lines = staging.lines(empty)
    for item_id in empty:
        yield {
            "id": item_id,
            "line": lines.get(item_id),
            "stage": "read",
            "reason": "nothing to embed: every embedded field is empty",
            "retryable": False,
        }
