"""Bring the vector store up to date from the ledger, and rebuild it when it cannot be trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from collections.abc import Collection as Names
from typing import TYPE_CHECKING

import numpy as np

from embclust import plugins
from embclust.data import CollectionInfo, EmbeddedBatch, Item
from embclust.errors import CollectionNotFoundError
from embclust.steps import written_back
from embclust.steps.differences import first_difference

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.ledger import Change, Collection, Ledger
    from embclust.protocols import Progress, Store
    from embclust.workspace import Workspace

__all__ = ["check_store", "open_store", "store_damage", "store_target", "sync_stores"]

_PAGE = 2000


def open_store(settings: Settings, workspace: Workspace, collection: str) -> Store:
    """Build the store of a collection as the settings say; nothing is opened yet."""
    store: Store = plugins.build(
        "store",
        settings.store.kind,
        settings.store.options(),
        collection=collection,
        folder=workspace.store_folder,
    )
    return store


def check_store(settings: Settings, workspace: Workspace) -> None:
    """Raise now what would refuse the rows after a night of encoding; opens nothing."""
    store = open_store(settings, workspace, "check")
    try:
        store.check()
    finally:
        store.close()


def store_target(settings: Settings) -> str:
    """Which place the settings mean, as text to compare with the last sync's. No secrets."""
    places = {
        key: str(value)
        for key, value in sorted(settings.store.options().items())
        if key in ("path", "url") and value is not None
    }
    return json.dumps({"kind": settings.store.kind, **places})


def sync_stores(
    ledger: Ledger,
    settings: Settings,
    workspace: Workspace,
    progress: Progress,
    *,
    only: Names[str] = (),
    anew: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> list[str]:
    """Write what changed since the last sync; returns what a person should know.

    `only`: the collections to bring here; others that were in the same place are rebuilt with
    them when the place turns out damaged. `anew`: make them again although nothing seems wrong.
    Raises ServerError, DiskFullError; the ledger is complete whatever happens here.
    """
    target = store_target(settings)
    held = {found.name for found in ledger.collections() if found.store == target}
    notes = _mistrust(ledger, settings, workspace, target, progress)
    wanted = {*only, *held} if notes else set(only)
    for collection in ledger.collections():
        if not collection.dim:
            continue  # Nothing of it was ever encoded: there is nothing to make in the store.
        fresh = anew or collection.store != target
        behind = ledger.last_change(collection) > collection.synced
        if collection.name in wanted and (fresh or behind) and not stop():
            store = open_store(settings, workspace, collection.name)
            ledger.mark_store(target, dirty=True)
            try:
                written = written_back.read(workspace, collection.name)
                _write(ledger, collection, store, target, written, progress, fresh=fresh, stop=stop)
            finally:
                store.close()
            ledger.mark_store(target, dirty=False, fingerprint=store.fingerprint())
    return notes


def store_damage(
    ledger: Ledger, settings: Settings, workspace: Workspace, *, deep: bool = False
) -> str | None:
    """Why the store the settings mean cannot be trusted, None when nothing speaks against it.

    Opens nothing in this process, which a torn index could crash. `deep`: read all of it, in a
    child process, also when nobody touched its files since they were left clean.
    """
    store = open_store(settings, workspace, "probe")
    try:
        return _damage(ledger, store, store_target(settings), store.fingerprint(), deep=deep)
    finally:
        store.close()


def _damage(
    ledger: Ledger, store: Store, target: str, fingerprint: str, *, deep: bool
) -> str | None:
    state = ledger.store_state(target)
    held = any(found.store == target for found in ledger.collections())
    # Also a store whose first sync was killed, so that the ledger holds nothing to be in it.
    if not fingerprint or (state is None and not held):
        return None
    if state is None or state[0]:
        return "was not closed cleanly"
    # Files that nobody touched since they were left clean need no look inside.
    return store.damage(deep=deep or state[1] != fingerprint)


def _differs(
    ledger: Ledger, settings: Settings, workspace: Workspace, target: str, progress: Progress
) -> str | None:
    """Why a store that somebody touched is not what it was; only for one that can be read."""
    held = [found for found in ledger.collections() if found.store == target]
    with progress.stage("Check the store", len(held)) as bar:
        for collection in held:
            store = open_store(settings, workspace, collection.name)
            try:
                written = written_back.read(workspace, collection.name)
                found = first_difference(ledger, collection, store, written)
            finally:
                store.close()
            if found:
                return f"differs from the ledger ({found} in '{collection.name}')"
            bar.advance()
    return None


def _mistrust(
    ledger: Ledger, settings: Settings, workspace: Workspace, target: str, progress: Progress
) -> list[str]:
    """Put a store aside that cannot be trusted; everything in it then syncs anew."""
    store = open_store(settings, workspace, "probe")
    try:
        state, fingerprint = ledger.store_state(target), store.fingerprint()
        touched = bool(fingerprint and state and state[1] != fingerprint)
        reason = _damage(ledger, store, target, fingerprint, deep=False)
        if reason is None and touched:
            reason = _differs(ledger, settings, workspace, target, progress)
        if reason is None:
            if touched:  # looked at once, and not again until somebody touches it once more
                ledger.mark_store(target, dirty=False, fingerprint=store.fingerprint())
            return []
        kept = store.set_aside()
    finally:
        store.close()
    ledger.forget_store(target)
    aside = f" The old one is kept as {kept}." if kept else ""
    return [f"The store {reason}: it is rebuilt from the ledger.{aside}"]


def _write(
    ledger: Ledger,
    collection: Collection,
    store: Store,
    target: str,
    written: written_back.Written,
    progress: Progress,
    *,
    fresh: bool,
    stop: Callable[[], bool],
) -> None:
    count = ledger.counts(collection).get("ok", 0)
    info = CollectionInfo(
        collection.name, collection.field, collection.encoder_id, collection.dim, count
    )
    # Somebody may have removed it from a server: a cursor says nothing about that.
    fresh = fresh or not _exists(store)
    if fresh:
        _drop_own(store)
        ledger.set_collection(collection.id, store="", synced=0)
    synced = 0 if fresh else collection.synced
    store.create(info)
    with progress.stage(f"Store {collection.name}", count if fresh else None) as bar:
        while changes := ledger.changes(collection, synced, _PAGE):
            if stop():
                return
            for start in range(0, len(changes), _PAGE):
                _apply(store, changes[start : start + _PAGE], written, fresh=fresh)
            synced = changes[-1].change
            if not fresh:
                ledger.set_collection(collection.id, synced=synced)
            bar.advance(len(changes))
    ledger.set_collection(collection.id, store=target, synced=synced)
    ledger.forget_deleted(collection, synced)


def _exists(store: Store) -> bool:
    try:
        store.info()
    except CollectionNotFoundError:
        return False
    return True


def _drop_own(store: Store) -> None:
    """Remove what is there under this name, unless another program made it."""
    try:
        found = store.info()
    except CollectionNotFoundError:
        return
    if found.encoder_id:
        store.drop()
    # A collection of another program is left to `create`, which refuses with a reason.


def _apply(
    store: Store, changes: Sequence[Change], written: written_back.Written, *, fresh: bool
) -> None:
    kept = [change for change in changes if change.vector is not None]
    gone = [change.item.id for change in changes if change.vector is None]
    if gone and not fresh:
        store.delete(gone)
    if kept:
        vectors = np.stack([change.vector for change in kept if change.vector is not None])
        items = [
            Item(one.item.id, written_back.merged(one.item.id, one.item.fields, written))
            for one in kept
        ]
        store.upsert(EmbeddedBatch(items, vectors))
