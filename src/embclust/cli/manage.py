"""`embclust list`, `drop`, `init` and `config`."""

from __future__ import annotations

import json as json_module
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embclust.cli.console import Console, print_json, table
from embclust.cli.options import ConfigFile, Json, Set, Wait, WorkspaceFolder
from embclust.cli.session import load_settings, open_session, require_known, require_ledger
from embclust.errors import CollectionNotFoundError

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.ledger import Ledger
    from embclust.workspace import Workspace

__all__ = ["config_app", "drop", "init", "list_collections"]

config_app = typer.Typer(
    help="Show the settings in effect, or their schema.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def list_collections(
    config: ConfigFile = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    json: Json = None,
) -> int:
    """List the collections with field, encoder, rows, clusters and names."""
    loaded = load_settings(config, {"workspace": workspace}, set_)
    with open_session(loaded) as session:
        from embclust.steps.listing import describe_collections

        found, wrong = describe_collections(session.workspace, session.ledger)
        root = session.workspace.root
    if json:
        print_json({"collections": found, "warnings": wrong})
        return 0
    if not found:
        Console().note(f"No collections in {root}. `embclust index` makes some.")
        return 0
    table(
        ("collection", "field", "encoder", "rows", "clusters", "names"),
        [
            (
                one["collection"],
                one["field"] or "",
                one["encoder"] or "(another program's)",
                one["count"],
                one["clusters"],
                ", ".join(one["names"][:3]) + (", …" if len(one["names"]) > 3 else ""),
            )
            for one in found
        ],
        sys.stdout,
    )
    Console().warn_all(wrong)
    return 0


def drop(
    collection: Annotated[str, typer.Argument(help="The collection to remove.")],
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    wait: Wait = None,
    json: Json = None,
) -> int:
    """Remove a collection from ledger, store and results. Vectors stay for reuse until `gc`."""
    loaded = load_settings(None, {"workspace": workspace}, set_)
    with open_session(loaded, lock=wait or 0) as session:
        require_known(session, collection)
        known = session.ledger.collection(collection) if session.ledger else None
        if session.ledger is not None and known is not None:
            remembered = known.remembered
            loaded = load_settings(None, {"workspace": workspace}, set_, remembered, collection)
            _drop_from_store(session.ledger, loaded.settings, session.workspace, collection)
            session.ledger.drop(known)
        # Of another program's collection only this goes: what embclust made of it.
        results = session.workspace.collection_folder(collection)
        shutil.rmtree(results, ignore_errors=known is not None)
    if json:
        print_json({"collection": collection, "dropped": True})
    else:
        Console().note(f"Dropped '{collection}'.")
    return 0


def _drop_from_store(
    ledger: Ledger, settings: Settings, workspace: Workspace, collection: str
) -> None:
    from embclust.steps.sync import open_store, store_damage

    store = open_store(settings, workspace, collection)
    try:
        # A damaged store is not opened: the next sync puts it aside as a whole.
        if store_damage(ledger, settings, workspace) is None:
            store.drop()
    except CollectionNotFoundError:
        pass  # never synced, or removed by hand: the ledger is what counts
    finally:
        store.close()


def init(
    source: Annotated[Path, typer.Argument(metavar="TABLE", help="The table to look at.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the config goes; beside the table if unset.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="The table's text encoding, e.g. cp1252.")
    ] = None,
    json: Json = None,
) -> int:
    """Write a commented YAML config for a table, with guesses for its columns."""
    from embclust.steps.init import write_config

    settings = load_settings(None, {"source.encoding": encoding}, None).settings
    path = write_config(source, out, encoding=settings.source.encoding)
    if json:
        print_json({"config": str(path)})
    else:
        print(path)
        Console().note(f"Look it over, then: embclust index {path}")
    return 0


@config_app.command("show")
def config_show(
    config: ConfigFile = None,
    collection: Annotated[
        str | None, typer.Option("--collection", help="Also what this collection remembers.")
    ] = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    json: Json = None,
) -> int:
    """Show every setting in effect and where it came from; secrets are hidden."""
    from embclust.settings_sources import describe

    loaded = load_settings(config, {"workspace": workspace}, set_)
    if collection:
        with open_session(loaded) as session:
            known = require_ledger(session, collection).collection(collection)
            assert known is not None
            loaded = load_settings(
                config, {"workspace": workspace}, set_, known.remembered, collection
            )
    found = describe(loaded)
    if json:
        print_json(
            {"settings": {key: {"value": value, "from": origin} for key, value, origin in found}}
        )
    else:
        table(("setting", "value", "from"), found, sys.stdout)
    return 0


@config_app.command("schema")
def config_schema() -> int:
    """Print the settings' JSON schema, for editors."""
    from embclust.settings_docs import schema

    print(json_module.dumps(schema(), indent=2))
    return 0
