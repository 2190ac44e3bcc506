"""From staged rows to rows of the ledger: one statement, whatever became of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from embclust.ledger import Ledger
    from embclust.staging.records import Target

__all__ = ["Batch", "write_batch", "write_missing"]

_UPSERT: Final = """
INSERT INTO main.rows (collection, item_id, source, change, state, fields, fields_hash, source_key,
                       content_key, vector, stage, reason, retryable, attempts)
SELECT :collection, k.item_id, :source, :change, :state, s.fields, s.fields_hash, k.source_key,
       :content_key, :vector, :stage, :reason, :retryable, :attempts
FROM temp.keys k JOIN temp.staged s ON s.item_id = k.item_id
WHERE k.target = :target AND {where}
ON CONFLICT (collection, item_id) DO UPDATE SET
  source = excluded.source, change = excluded.change, state = excluded.state,
  fields = excluded.fields, fields_hash = excluded.fields_hash, source_key = excluded.source_key,
  content_key = excluded.content_key, vector = excluded.vector, stage = excluded.stage,
  reason = excluded.reason, retryable = excluded.retryable, attempts = excluded.attempts
"""
_NOTHING: Final[dict[str, Any]] = dict.fromkeys(
    ("content_key", "vector", "stage", "reason", "retryable", "attempts")
)


class Batch:
    """Rows to be written in one transaction, with their verdicts."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.verdicts: list[tuple[str, int, str]] = []

    def add(self, target: Target, item_id: str, verdict: str, values: dict[str, Any]) -> None:
        """Take one row: `values` are its columns in the ledger that are not NULL."""
        where = {"collection": target.collection.id, "target": target.number, "item_id": item_id}
        self.rows.append({**values, **where})
        self.verdicts.append((verdict, target.number, item_id))


def write_batch(ledger: Ledger, batch: Batch, source: int, change: int) -> None:
    """Write the rows and their verdicts, in the caller's transaction `change`."""
    common = {**_NOTHING, "source": source, "change": change}
    ledger.db.executemany(
        _UPSERT.format(where="k.item_id = :item_id"),
        [{**common, **values} for values in batch.rows],
    )
    ledger.db.executemany(
        "UPDATE temp.keys SET verdict = ? WHERE target = ? AND item_id = ?", batch.verdicts
    )


def write_missing(ledger: Ledger, target: Target, source: int, change: int) -> None:
    """Write the rows whose cell is empty, unless the ledger has them as such already."""
    ledger.db.execute(
        _UPSERT.format(
            where="k.verdict = 'missing' AND NOT EXISTS (SELECT 1 FROM main.rows r"
            " WHERE r.collection = :collection AND r.item_id = k.item_id"
            " AND r.state = 'missing' AND r.fields_hash = s.fields_hash)"
        ),
        {
            **_NOTHING,
            "source": source,
            "change": change,
            "collection": target.collection.id,
            "target": target.number,
            "state": "missing",
            "reason": "empty cell",
        },
    )
