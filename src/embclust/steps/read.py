"""Read a collection back: from the ledger when it knows it, else from the store."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embclust.data import CollectionInfo, Embeddings, Scalar
from embclust.errors import CollectionNotFoundError, UsageError
from embclust.steps.sync import open_store
from embclust.vectors import bad_rows, unit_rows
from embclust.wording import counted

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.ledger import Ledger
    from embclust.protocols import Progress
    from embclust.workspace import Workspace

__all__ = ["Source", "read_collection", "short_id"]


@dataclass(frozen=True, slots=True)
class Source:
    """A collection's rows and what is known of it. `notes`: what its user should know."""

    info: CollectionInfo
    embeddings: Embeddings
    modality: str
    foreign: bool
    image_fields: list[str]
    notes: list[str]


def read_collection(
    name: str,
    settings: Settings,
    workspace: Workspace,
    ledger: Ledger | None,
    progress: Progress,
    lock: Callable[[], object] = lambda: None,
) -> Source:
    """Read every row, sorted by id, with unit vectors.

    `lock` is called before an embedded store is opened. Raises CollectionNotFoundError, naming
    what exists in ledger and store, and UsageError when the collection is empty.
    """
    known = ledger.collection(name) if ledger else None
    if ledger is not None and known is not None:
        with progress.stage(f"Read {name}") as bar:
            embeddings = ledger.embeddings(known)
            bar.advance(len(embeddings.ids))
        info = CollectionInfo(
            known.name, known.field, known.encoder_id, known.dim, len(embeddings.ids)
        )
        found = Source(info, embeddings, known.modality, False, ledger.image_fields(), [])
    else:
        lock()
        in_ledger = [one.name for one in ledger.collections()] if ledger else []
        found = _scan(name, settings, workspace, progress, in_ledger)
    if not found.embeddings.ids:
        raise UsageError(
            f"Collection '{name}' has no rows with a vector.",
            "Index some: `embclust index`; what failed is in the workspace's failures folder.",
        )
    return found


def _scan(
    name: str,
    settings: Settings,
    workspace: Workspace,
    progress: Progress,
    in_ledger: list[str],
) -> Source:
    path = settings.store.options().get("path")
    if path is not None and not path.exists():
        raise UsageError(f"store.path: there is no folder {path}.", "Check the path.")
    store = open_store(settings, workspace, name)
    ids: list[str] = []
    fields: list[dict[str, Scalar]] = []
    parts = []
    try:
        try:
            info = store.info()
        except CollectionNotFoundError as error:
            exist = sorted({*in_ledger, *store.collections()})
            raise CollectionNotFoundError(name, exist) from error
        with progress.stage(f"Read {name}", info.count) as bar:
            for batch in store.scan():
                ids += [item.id for item in batch.items]
                # A store need not keep the order of columns: one order, whatever it gives.
                fields += [dict(sorted(item.fields.items())) for item in batch.items]
                parts.append(np.asarray(batch.vectors, dtype=np.float32))
                bar.advance(len(batch.items))
    finally:
        store.close()
    if not ids:
        return Source(info, Embeddings([], np.empty((0, 0), np.float32), []), "", True, [], [])
    vectors = np.concatenate(parts)
    bad = bad_rows(vectors)
    notes = [f"Without a usable vector, so left out: {counted(len(bad), 'row')}."] if bad else []
    keep = [i for i in sorted(range(len(ids)), key=ids.__getitem__) if i not in bad]
    embeddings = Embeddings(
        [ids[i] for i in keep],
        unit_rows(vectors[keep]) if keep else vectors[:0],
        [fields[i] for i in keep],
    )
    return Source(info, embeddings, "", True, [], notes)


def short_id(encoder_id: str, cut: str = "") -> str:
    """An encoder's id as people read it: eight digits of a hash tell weights apart.

    `cut` stands where digits were left out.
    """
    return re.sub(r"(sha256:[0-9a-f]{8})[0-9a-f]+", rf"\g<1>{cut}", encoder_id)
