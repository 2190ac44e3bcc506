"""What became of jobs: their vectors, and every row that waited for them, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from embclust.staging._comparing import keep, reuse, settle
from embclust.staging._writing import Batch, write_batch

if TYPE_CHECKING:
    from embclust.data import Skipped, Vectors
    from embclust.ledger import Ledger
    from embclust.staging.records import Done, Target

__all__ = ["finish", "not_modified"]


def finish(
    ledger: Ledger,
    targets: Sequence[Target],
    source: int,
    done: Sequence[Done],
    failed: Sequence[tuple[str, Skipped]],
    vectors: tuple[Sequence[bytes], Vectors] | None,
) -> None:
    """See `Staging.finish`. `targets`: those of one modality, which share an encoder."""
    by_number = {one.number: one for one in targets}
    encoder = targets[0].collection.encoder
    with ledger.transaction() as change:
        if vectors is not None:
            ledger.put_vectors(encoder, *vectors)
        batch = Batch()
        for one in done:
            _finish_one(ledger, by_number, encoder, one, batch)
        for source_key, skipped in failed:
            _fail(ledger, by_number, source_key, skipped, batch)
        write_batch(ledger, batch, source, change)


def not_modified(
    ledger: Ledger, targets: Sequence[Target], source: int, source_keys: Sequence[str]
) -> None:
    """See `Staging.not_modified`."""
    with ledger.transaction() as change:
        for target in targets:
            for source_key in source_keys:
                keep(ledger, target, source_key)
                reuse(ledger, target, source, change, source_key)
            settle(ledger, target, source, change)


def _finish_one(
    ledger: Ledger, targets: Mapping[int, Target], encoder: int, one: Done, batch: Batch
) -> None:
    vector = ledger.db.execute(
        "SELECT id FROM main.vectors WHERE encoder = ? AND content_key = ?",
        (encoder, one.content_key),
    ).fetchone()[0]
    values = {"state": "ok", "content_key": one.content_key, "vector": vector}
    # The first row is the one that was encoded; the others share its vector.
    verdict = "indexed" if one.encoded else "reused"
    for number, item_id in _open_rows(ledger, targets, one.source_key):
        batch.add(targets[number], item_id, verdict, values)
        verdict = "reused"
    ledger.db.execute(
        "INSERT INTO main.resources (source_key, content_key, etag, last_modified)"
        " VALUES (?, ?, ?, ?) ON CONFLICT (source_key) DO UPDATE SET"
        " content_key = excluded.content_key, etag = excluded.etag,"
        " last_modified = excluded.last_modified",
        (one.source_key, one.content_key, one.etag, one.last_modified),
    )


def _open_rows(
    ledger: Ledger, targets: Mapping[int, Target], source_key: str
) -> list[tuple[int, str]]:
    """The rows that wait for this source, as (target, id) in table order."""
    found = ledger.db.execute(
        # The literal lets SQLite use the partial index.
        "SELECT k.target, k.item_id FROM temp.keys k JOIN temp.staged s USING (item_id)"
        " WHERE k.source_key = ? AND k.verdict = 'work' ORDER BY s.seq, k.target",
        (source_key,),
    )
    return [(number, item_id) for number, item_id in found if number in targets]


def _fail(
    ledger: Ledger, targets: Mapping[int, Target], source_key: str, skipped: Skipped, batch: Batch
) -> None:
    values = {
        "state": "failed",
        "stage": skipped.stage,
        "reason": skipped.reason,
        "retryable": skipped.retryable,
        "attempts": skipped.attempts,
    }
    for number, item_id in _open_rows(ledger, targets, source_key):
        target = targets[number]
        if _has_vector(ledger, target, item_id, source_key):
            # A picture that was read before from the very same place, and cannot be read now
            # (--refresh), is still on the map: losing it would be worse than keeping it.
            ledger.db.execute(
                "UPDATE temp.keys SET verdict = 'failed', kept = ?"
                " WHERE target = ? AND item_id = ?",
                (f"{skipped.reason} (the earlier vector is kept)", number, item_id),
            )
        else:
            batch.add(target, item_id, "failed", values)


def _has_vector(ledger: Ledger, target: Target, item_id: str, source_key: str) -> bool:
    found = ledger.db.execute(
        "SELECT 1 FROM main.rows r JOIN main.vectors v ON v.id = r.vector"
        " WHERE r.collection = ? AND r.item_id = ? AND r.state = 'ok' AND r.source_key = ?"
        " AND v.encoder = ?",
        (target.collection.id, item_id, source_key, target.collection.encoder),
    )
    return found.fetchone() is not None
