"""A verdict for every staged row, and the rows that need no fetching or encoding.

All of it runs in the caller's transaction; `change` is that transaction's number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embclust.staging._writing import Batch, write_batch, write_missing

if TYPE_CHECKING:
    from embclust.ledger import Ledger
    from embclust.staging.records import Target

__all__ = ["claim", "judge", "keep", "reuse", "settle"]


def claim(ledger: Ledger, target: Target, source: int) -> int:
    """Make this table the owner of its rows, so that its --prune may remove them.

    A row belongs to the table that had it last. Returns how many were another table's.
    """
    cursor = ledger.db.execute(
        "UPDATE main.rows SET source = :source WHERE collection = :collection"
        " AND source != :source AND state != 'deleted' AND EXISTS ("
        " SELECT 1 FROM temp.keys k WHERE k.target = :target AND k.item_id = rows.item_id)",
        {"source": source, "collection": target.collection.id, "target": target.number},
    )
    return cursor.rowcount


def judge(ledger: Ledger, target: Target, *, again: bool, retry_failed: bool) -> None:
    """Give every row its verdict. `again`: what has a vector already is work all the same."""
    # A join with the vectors would read every vector's page; their ids come from the index alone.
    ledger.db.execute(
        """
        UPDATE temp.keys SET verdict = CASE
          WHEN keys.source_key IS NULL THEN 'missing'
          WHEN f.state IS NULL OR f.state NOT IN ('ok', 'failed') THEN 'work'
          WHEN f.source_key IS NOT keys.source_key THEN 'work'
          WHEN f.state = 'failed' THEN
            CASE WHEN :again OR (:retry AND f.retryable) THEN 'work' ELSE 'failed' END
          WHEN :again OR f.vector IS NULL OR f.vector NOT IN
            (SELECT id FROM main.vectors WHERE encoder = :encoder) THEN 'work'
          WHEN f.fields_hash != s.fields_hash THEN 'updated'
          ELSE 'unchanged' END
        FROM temp.staged s LEFT JOIN main.rows f
          ON f.collection = :collection AND f.item_id = s.item_id
        WHERE keys.target = :target AND s.item_id = keys.item_id
        """,
        {
            "again": again,
            "retry": retry_failed,
            "encoder": target.collection.encoder,
            "collection": target.collection.id,
            "target": target.number,
        },
    )


def reuse(
    ledger: Ledger, target: Target, source: int, change: int, only: str | None = None
) -> None:
    """Give rows their vector when their source was read before, for this encoder.

    `only`: the rows with this source key.
    """
    found = ledger.db.execute(
        "SELECT k.item_id, v.content_key, v.id FROM temp.keys k"
        " JOIN main.resources u ON u.source_key = k.source_key"
        " JOIN main.vectors v ON v.content_key = u.content_key AND v.encoder = ?"
        " WHERE k.target = ? AND k.verdict = 'work' AND (? IS NULL OR k.source_key = ?)",
        (target.collection.encoder, target.number, only, only),
    ).fetchall()
    batch = Batch()
    for item_id, content_key, vector in found:
        values = {"state": "ok", "content_key": content_key, "vector": vector}
        batch.add(target, item_id, "reused", values)
    write_batch(ledger, batch, source, change)


def settle(ledger: Ledger, target: Target, source: int, change: int) -> None:
    """Write the rows that are updated or missing as the table has them now."""
    # Also failed rows: the report and a later retry show the row as it is now.
    ledger.db.execute(
        "UPDATE main.rows SET fields = s.fields, fields_hash = s.fields_hash,"
        " change = :change, source = :source"
        " FROM temp.keys k JOIN temp.staged s ON s.item_id = k.item_id"
        " WHERE rows.collection = :collection AND rows.item_id = k.item_id"
        " AND k.target = :target AND (k.verdict = 'updated'"
        "   OR (k.verdict = 'failed' AND rows.fields_hash != s.fields_hash))",
        {
            "change": change,
            "source": source,
            "collection": target.collection.id,
            "target": target.number,
        },
    )
    write_missing(ledger, target, source, change)


def keep(ledger: Ledger, target: Target, source_key: str) -> None:
    """Judge the rows whose source has not changed: they keep their vector of this encoder."""
    ledger.db.execute(
        "UPDATE temp.keys SET verdict = CASE WHEN r.fields_hash = s.fields_hash"
        "  THEN 'unchanged' ELSE 'updated' END"
        " FROM temp.staged s JOIN main.rows r ON r.item_id = s.item_id"
        " JOIN main.vectors v ON v.id = r.vector"
        " WHERE keys.target = ? AND keys.source_key = ? AND keys.verdict = 'work'"
        " AND s.item_id = keys.item_id AND r.collection = ? AND r.state = 'ok'"
        " AND r.source_key = keys.source_key AND v.encoder = ?",
        (target.number, source_key, target.collection.id, target.collection.encoder),
    )
