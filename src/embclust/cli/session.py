"""What every command does first: settings, workspace, ledger, lock."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embclust.errors import CollectionNotFoundError, UsageError

if TYPE_CHECKING:
    from embclust.ledger import Ledger
    from embclust.settings_sources import Loaded
    from embclust.workspace import Workspace

__all__ = ["Session", "load_settings", "open_session", "pick_collection"]


@dataclass(frozen=True, slots=True)
class Session:
    """Settings, workspace and ledger (None: nothing was indexed here yet) of one command."""

    loaded: Loaded
    workspace: Workspace
    ledger: Ledger | None


def load_settings(
    config: Path | None,
    flags: Mapping[str, object],
    sets: list[str] | None,
    remembered: Mapping[str, Any] | None = None,
    remembered_with: str = "",
) -> Loaded:
    """Merge flags, environment, file and what a collection remembers."""
    from embclust.settings_sources import load

    given = {key: value for key, value in flags.items() if value is not None}
    return load(
        config,
        given,
        sets or [],
        os.environ,
        remembered,
        remembered_with=remembered_with or "the collection",
    )


@contextmanager
def open_session(
    loaded: Loaded, *, create: bool = False, lock: float | None = None
) -> Iterator[Session]:
    """Open the workspace the settings name; with `lock`, alone (waiting that many seconds)."""
    from embclust.ledger import open_ledger
    from embclust.workspace import Workspace

    workspace = Workspace(loaded.settings.workspace)
    with ExitStack() as stack:
        if create or workspace.root.is_file():  # creating says what is wrong with a file
            workspace.create()
        if lock is not None and workspace.root.exists():
            stack.enter_context(workspace.lock(lock))
        ledger = open_ledger(workspace.ledger_path, create=create)
        if ledger is not None:
            stack.callback(ledger.close)
        yield Session(loaded, workspace, ledger)


def pick_collection(session: Session, wanted: str | None) -> str:
    """The collection a command is about: the one named, or the only one there is."""
    if wanted:
        return wanted
    known = _known(session)
    prefix = session.loaded.settings.store.collection_prefix
    fields = session.loaded.settings.fields
    named = [prefix + field for field in (*fields.image_templates(), *fields.texts)]
    candidates = [name for name in known if name in named] or known
    if len(candidates) == 1:
        return candidates[0]
    if not known:
        raise UsageError(
            f"There is no collection in the workspace {session.workspace.root}.",
            "Run `embclust index` first, or name a store with --set store.path=FOLDER and "
            "--collection.",
        )
    raise UsageError(
        "Which collection? " + ", ".join(known[:20]) + ".", "Name one with --collection."
    )


def require_known(session: Session, collection: str) -> None:
    """Raise CollectionNotFoundError where neither the ledger nor a result knows the name.

    Results alone are there of another program's collection.
    """
    known = _known(session)
    if collection not in known and not session.workspace.collection_folder(collection).is_dir():
        raise CollectionNotFoundError(collection, known)


def require_ledger(session: Session, collection: str) -> Ledger:
    """The ledger, for commands that need a collection in it."""
    known = _known(session)
    if session.ledger is None or collection not in known:
        raise CollectionNotFoundError(collection, known)
    return session.ledger


def _known(session: Session) -> list[str]:
    """The names in the ledger, sorted."""
    return [found.name for found in session.ledger.collections()] if session.ledger else []
