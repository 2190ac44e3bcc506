"""`--write-back`: put each row's cluster, and the cluster's name, on the row in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from embclust.data import EmbeddedBatch, Item
from embclust.errors import RefusedError, UsageError
from embclust.steps import written_back
from embclust.steps.sync import open_store, store_target, sync_stores

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.data import Clustering
    from embclust.ledger import Ledger
    from embclust.protocols import Progress
    from embclust.steps.read import Source
    from embclust.workspace import Workspace

__all__ = ["check_write_back", "write_back"]

_PAGE: Final = 2000


def check_write_back(source: Source) -> None:
    """Raise, before any work, where nothing can be written back.

    RefusedError for a collection of another program: its store is only ever read. UsageError
    when the table itself has columns of these names.
    """
    name = source.info.collection
    if source.foreign:
        raise RefusedError(
            f"--write-back: '{name}' was made by another program, and embclust only reads its"
            " store.",
            "clusters.parquet in the collection's folder of the workspace holds the same values.",
        )
    taken = [
        column
        for column in (written_back.CLUSTER, written_back.CLUSTER_NAME)
        if any(column in fields for fields in source.embeddings.fields)
    ]
    if taken:
        raise UsageError(
            f"--write-back: the rows of '{name}' have a column '{taken[0]}' of their own.",
            "Rename it in the table, or leave --write-back out.",
        )


def write_back(
    collection: str,
    clustering: Clustering,
    names: Mapping[int, str],
    settings: Settings,
    workspace: Workspace,
    ledger: Ledger,
    progress: Progress,
) -> tuple[int, list[str]]:
    """Write clusters to the store; returns how many rows changed there, and notes.

    The workspace must be locked. The store is brought up to date first, and repaired if need
    be. It is marked dirty while it is written: after a kill the next sync makes it anew, with
    what had been written back before. Noise is cluster -1, without a name.
    Raises ServerError, DiskFullError.
    """
    notes = sync_stores(ledger, settings, workspace, progress, only={collection})
    known = ledger.collection(collection)
    if known is None:
        raise UsageError(f"Collection '{collection}' was dropped meanwhile.")
    rows = ledger.embeddings(known)
    before = written_back.read(workspace, collection)
    numbers = dict(zip(clustering.ids, clustering.clusters.tolist(), strict=True))
    now = {
        item_id: written_back.fields_of(numbers[item_id], names.get(numbers[item_id]))
        for item_id in rows.ids
        if item_id in numbers
    }
    changed = [at for at, one in enumerate(rows.ids) if now.get(one) != before.get(one)]
    if not changed:
        return 0, notes
    target = store_target(settings)
    store = open_store(settings, workspace, collection)
    ledger.mark_store(target, dirty=True)
    try:
        with progress.stage(f"Write back {collection}", len(changed)) as bar:
            for start in range(0, len(changed), _PAGE):
                page = changed[start : start + _PAGE]
                items = [
                    Item(rows.ids[at], written_back.merged(rows.ids[at], rows.fields[at], now))
                    for at in page
                ]
                store.upsert(EmbeddedBatch(items, rows.vectors[page]))
                bar.advance(len(page))
        # Last: a server that was left half way is written to again by the next one.
        written_back.save(workspace, collection, now)
    finally:
        store.close()
    ledger.mark_store(target, dirty=False, fingerprint=store.fingerprint())
    return len(changed), notes
