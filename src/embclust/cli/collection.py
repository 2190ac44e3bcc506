"""Opening one collection for a command, and remembering what it was shown with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embclust.cli.console import Console
from embclust.cli.session import Session, load_settings, open_session, pick_collection
from embclust.errors import SettingsError, UsageError
from embclust.wording import counted, near_fields

if TYPE_CHECKING:
    from embclust.data import Clustering
    from embclust.settings_sources import Loaded
    from embclust.steps.read import Source

__all__ = [
    "Opened",
    "check_text_fields",
    "open_collection",
    "picture_folder",
    "remember",
    "write_back_clusters",
]

_REMEMBERED = ("cluster", "project", "name", "plot")


@dataclass(frozen=True, slots=True)
class Opened:
    """One collection, read, with what a command needs beside it."""

    session: Session
    source: Source
    console: Console


@contextmanager
def open_collection(
    config: Path | None,
    collection: str | None,
    flags: Mapping[str, object],
    sets: list[str] | None,
    wait: float | None,
    *,
    create: bool = False,
) -> Iterator[Opened]:
    """Settings (with what the collection remembers), ledger and rows of one collection."""
    from embclust.steps.read import read_collection

    console = Console()
    first = _first_settings(config, flags, sets)
    with ExitStack() as stack:
        session = stack.enter_context(open_session(first))
        chosen = pick_collection(session, collection)
        known = session.ledger.collection(chosen) if session.ledger else None
        loaded = load_settings(
            config, flags, sets, known.remembered if known else _kept(session, chosen), chosen
        )
        if create and session.ledger is None:
            # A map of another program's collection: its pictures and names need a place.
            session = stack.enter_context(open_session(loaded, create=True))
        session = Session(loaded, session.workspace, session.ledger)

        def lock() -> None:
            if (
                loaded.settings.store.options().get("path") is None
                and session.workspace.root.exists()
            ):
                stack.enter_context(session.workspace.lock(wait or 0))

        busy = session.workspace.holder()
        source = read_collection(
            chosen, loaded.settings, session.workspace, session.ledger, console, lock
        )
        if known and busy:
            console.warn(
                f"The workspace is in use by {busy}: rows it is still to write are left out."
            )
        yield Opened(session, source, console)


def _first_settings(
    config: Path | None, flags: Mapping[str, object], sets: list[str] | None
) -> Loaded:
    """Settings that are enough to find the collection."""
    try:
        return load_settings(config, _without_plugin_options(flags), _places(sets))
    except SettingsError as error:
        if config is None or config.suffix or config.exists():
            raise
        hint = f"If '{config}' is a collection: --collection {config}. {error.hint}"
        raise SettingsError(error.message, hint) from error


def _without_plugin_options(flags: Mapping[str, object]) -> dict[str, object]:
    """Which collection is meant decides what options are known; only places matter before."""
    return {key: value for key, value in flags.items() if key == "workspace"}


def _places(sets: list[str] | None) -> list[str]:
    return [one for one in sets or [] if one.startswith(("workspace=", "store."))]


def _kept(session: Session, collection: str) -> dict[str, Any]:
    """What a collection of another program was last shown with."""
    path = session.workspace.collection_folder(collection) / "remembered.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def remember(opened: Opened) -> None:
    """Keep what the collection was shown with, so that the next command needs no flags."""
    from embclust.workspace import json_bytes, write_whole

    given = {
        section: value
        for section, value in opened.session.loaded.explicit.items()
        if section in _REMEMBERED
    }
    if isinstance(given.get("plot"), dict):
        given["plot"] = {key: value for key, value in given["plot"].items() if key != "out"}
    session, name = opened.session, opened.source.info.collection
    known = session.ledger.collection(name) if session.ledger else None
    before = known.remembered if known else _kept(session, name)
    after = dict(before)
    for section, value in given.items():
        old = after.get(section) or {}
        same_kind = value.get("kind", old.get("kind")) == old.get("kind")
        after[section] = {**old, **value} if same_kind else value
    if after == before:
        return
    if known and session.ledger:
        session.ledger.remember(known, after)
    else:
        path = session.workspace.collection_folder(name) / "remembered.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json_bytes(after))


def write_back_clusters(opened: Opened, clustering: Clustering, wait: float | None) -> int:
    """Put clusters and the names there are on the rows in the store; returns how many changed."""
    from embclust.steps import names_file
    from embclust.steps.write_back import write_back

    session, name = opened.session, opened.source.info.collection
    assert session.ledger is not None  # `check_write_back` refuses other programs' collections
    names = {n: one.name for n, one in names_file.read(session.workspace, name).items()}
    with session.workspace.lock(wait or 0):
        changed, notes = write_back(
            name,
            clustering,
            names,
            session.loaded.settings,
            session.workspace,
            session.ledger,
            opened.console,
        )
    opened.console.warn_all(notes)
    opened.console.note(
        f"Wrote cluster and cluster_name to {counted(changed, 'row')} of the store."
    )
    return changed


def picture_folder(opened: Opened) -> Path:
    """What relative picture paths refer to: images.root, the table's folder, or this one."""
    settings = opened.session.loaded.settings
    if settings.images.root:
        return settings.images.root
    if settings.source.path:
        path = settings.source.path
        return path if path.is_dir() else path.parent
    return Path()


def check_text_fields(source: Source, wanted: list[str] | None) -> None:
    """Raise UsageError, naming fields like it, for a field that no row has."""
    fields = {field for row in source.embeddings.fields for field in row}
    for field in wanted or []:
        if field not in fields:
            raise UsageError(
                f"--text-field: no row of '{source.info.collection}' has a field '{field}'.",
                f"Fields like it: {', '.join(near_fields(field, fields))}.",
            )
