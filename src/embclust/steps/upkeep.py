"""Looking after a workspace: compare ledger and store, rebuild the store, drop what is unused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embclust.errors import CollectionNotFoundError
from embclust.steps import written_back
from embclust.steps.differences import same_fields, same_vector
from embclust.steps.sync import open_store, store_damage

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.ledger import Collection, Ledger
    from embclust.protocols import Progress, Store
    from embclust.thumbs import Thumbs
    from embclust.workspace import Workspace

__all__ = ["CheckReport", "GcReport", "check_collection", "collect_garbage"]

_SAMPLE = 1000


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How a collection in the store compares with the ledger. `differences` is empty when equal."""

    collection: str
    ledger_rows: int
    store_rows: int
    vectors_compared: int
    differences: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class GcReport:
    """What was dropped, and the size of the files in bytes before and after."""

    vectors: int
    thumbnails: int
    addresses: int
    stores: int
    """Damaged stores that had been put aside."""
    bytes_before: int
    bytes_after: int


def check_collection(
    ledger: Ledger,
    collection: Collection,
    settings: Settings,
    workspace: Workspace,
    progress: Progress,
    *,
    full: bool = False,
) -> CheckReport:
    """Compare count, ids, fields and vectors: a sample of 1,000 rows, with `full` all of them.

    A store that cannot be trusted is not opened; why it cannot is the only difference then.
    """
    expected = ledger.embeddings(collection)
    reason = store_damage(ledger, settings, workspace, deep=True)
    if reason is not None:
        return CheckReport(collection.name, len(expected.ids), 0, 0, [f"the store {reason}"])
    position = {item_id: i for i, item_id in enumerate(expected.ids)}
    rng = np.random.default_rng(0)
    wanted = (
        set(expected.ids)
        if full or len(expected.ids) <= _SAMPLE
        else {expected.ids[i] for i in rng.choice(len(expected.ids), _SAMPLE, replace=False)}
    )
    written = written_back.read(workspace, collection.name)
    seen: set[str] = set()
    differences: list[str] = []
    compared = 0
    store = open_store(settings, workspace, collection.name)
    try:
        with progress.stage(f"Check {collection.name}", len(expected.ids)) as bar:
            for item_id, fields, vector in _rows(store):
                bar.advance()
                if item_id in seen:
                    differences.append(f"id '{item_id}' is in the store twice")
                seen.add(item_id)
                row = position.get(item_id)
                if row is None:
                    differences.append(f"id '{item_id}' is in the store only")
                elif item_id in wanted:
                    compared += 1
                    if not same_vector(vector, expected.vectors[row]):
                        differences.append(f"the vector of id '{item_id}' differs")
                    own = written_back.merged(item_id, expected.fields[row], written)
                    if not same_fields(fields, own):
                        differences.append(f"the fields of id '{item_id}' differ")
    except CollectionNotFoundError:
        if expected.ids:
            differences.append("the store has no such collection")
    finally:
        store.close()
    differences += [
        f"id '{item_id}' is missing from the store" for item_id in position if item_id not in seen
    ]
    return CheckReport(collection.name, len(expected.ids), len(seen), compared, differences)


def _rows(store: Store) -> Iterator[tuple[str, dict[str, object], np.ndarray]]:
    for batch in store.scan():
        for item, vector in zip(batch.items, batch.vectors, strict=True):
            yield item.id, dict(item.fields), vector


def collect_garbage(ledger: Ledger, thumbs: Thumbs, workspace: Workspace) -> GcReport:
    """Drop vectors, addresses and thumbnails that no row uses, and shrink the files.

    Damaged stores that were put aside go as well: everything in them came from the ledger.
    """
    store = workspace.store_folder
    asides = sorted(store.parent.glob(f"{store.name}.damaged-*"))
    before = _size(ledger, thumbs) + sum(_folder_size(aside) for aside in asides)
    for aside in asides:
        shutil.rmtree(aside, ignore_errors=True)
    with ledger.transaction():
        vectors = ledger.db.execute(
            "DELETE FROM vectors WHERE id NOT IN (SELECT vector FROM rows WHERE vector NOT NULL)"
        ).rowcount
        addresses = ledger.db.execute(
            "DELETE FROM resources WHERE content_key NOT IN"
            " (SELECT content_key FROM rows WHERE content_key NOT NULL)"
        ).rowcount
    used = [
        key
        for (key,) in ledger.rows(
            "SELECT DISTINCT content_key FROM rows WHERE content_key NOT NULL"
        )
    ]
    dropped = thumbs.keep_only(used)
    with ledger.lock:
        ledger.db.execute("VACUUM")
        ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    after = _size(ledger, thumbs)
    return GcReport(vectors, dropped, addresses, len(asides), before, after)


def _folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _size(ledger: Ledger, thumbs: Thumbs) -> int:
    files = [
        path.with_name(path.name + suffix)
        for path in (ledger.path, thumbs.path)
        for suffix in ("", "-wal")
    ]
    return sum(file.stat().st_size for file in files if file.exists())
