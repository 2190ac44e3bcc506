"""The distinct things that are to be fetched and encoded, in their order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from embclust.staging.records import Job

if TYPE_CHECKING:
    from embclust.data import Modality
    from embclust.ledger import Ledger
    from embclust.staging.records import Target

__all__ = ["plan_jobs", "read_jobs"]


def plan_jobs(ledger: Ledger, targets: Sequence[Target], modality: Modality) -> int:
    """See `Staging.plan_jobs`."""
    order = "min(s.seq)" if modality == "image" else "min(k.size), k.source_key"
    numbers = [target.number for target in targets if target.modality == modality]
    marks = ",".join("?" * len(numbers))
    with ledger.lock:
        ledger.db.execute("DELETE FROM temp.jobs")
        ledger.db.execute(
            "INSERT INTO temp.jobs (target, source_key, seq)"
            # One number holds row and target, so that both come from the same cell.
            " SELECT min(s.seq * 1000 + k.target) % 1000, k.source_key,"
            " min(s.seq * 1000 + k.target) / 1000 FROM temp.keys k"
            " JOIN temp.staged s ON s.item_id = k.item_id"
            f" WHERE k.verdict = 'work' AND k.target IN ({marks})"
            f" GROUP BY k.source_key ORDER BY {order}",
            numbers,
        )
        found = ledger.db.execute("SELECT count(*) FROM temp.jobs").fetchone()
    return int(found[0])


def read_jobs(ledger: Ledger, targets: Sequence[Target], page: int) -> Iterator[Job]:
    """See `Staging.jobs`."""
    fields = {target.number: target.field for target in targets}
    after = 0
    while True:
        found = ledger.rows(
            "SELECT j.pos, j.target, j.source_key, s.item_id, s.fields, k.ref, u.etag,"
            " u.last_modified FROM temp.jobs j JOIN temp.staged s ON s.seq = j.seq"
            " JOIN temp.keys k ON k.target = j.target AND k.item_id = s.item_id"
            " LEFT JOIN main.resources u ON u.source_key = j.source_key"
            " WHERE j.pos > ? ORDER BY j.pos LIMIT ?",
            after,
            page,
        )
        for pos, target, source_key, item_id, text, raw, etag, modified in found:
            after = pos
            field = fields[target]
            ref = raw or str(json.loads(text)[field])
            yield Job(source_key, ref, item_id, field, etag, modified)
        if len(found) < page:
            return
