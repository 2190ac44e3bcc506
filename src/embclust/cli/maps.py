"""`embclust cluster`, `name` and `plot`: from vectors to a named map."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embclust.cli.console import Console, print_json, report_json, table
from embclust.cli.options import (
    Collection,
    ConfigFile,
    Dims,
    Frozen,
    ImageField,
    Json,
    K,
    Kind,
    Seed,
    Set,
    TextFields,
    Wait,
    WorkspaceFolder,
)
from embclust.cli.session import Session, load_settings, open_session, pick_collection
from embclust.errors import UsageError

if TYPE_CHECKING:
    from embclust.steps.read import Source

__all__ = ["cluster", "name", "plot"]

_REMEMBERED = ("cluster", "project", "name", "plot")


@dataclass(frozen=True, slots=True)
class _Opened:
    session: Session
    source: Source
    console: Console


def cluster(
    config: ConfigFile = None,
    collection: Collection = None,
    k: K = None,
    kind: Kind = None,
    seed: Seed = None,
    fresh: Annotated[
        bool | None, typer.Option("--fresh", help="Do not start from the last run's centres.")
    ] = None,
    frozen: Frozen = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    wait: Wait = None,
    json: Json = None,
) -> int:
    """Group a collection's vectors into clusters."""
    flags = {
        "cluster.kind": kind,
        "cluster.k": k,
        "cluster.seed": seed,
        "workspace": workspace,
    }
    with _open(config, collection, flags, set_, wait) as opened:
        from embclust.errors import FrozenError
        from embclust.steps.cluster import cluster_stale, run_cluster

        name = opened.source.info.collection
        settings = opened.session.loaded.settings
        if frozen:
            stale = cluster_stale(
                opened.session.workspace, name, opened.source.embeddings, settings
            )
            if stale is not None:
                raise FrozenError(
                    f"--frozen: the clusters of '{name}' would have to be made ({stale}).",
                    "Run the command without --frozen.",
                )
        _, report = run_cluster(
            name,
            opened.source.embeddings,
            settings,
            opened.session.workspace,
            fresh=bool(fresh),
            progress=opened.console,
        )
        _remember(opened)
    if json:
        print_json(report_json(report))
    else:
        table(("cluster", "rows"), [(one.cluster, one.size) for one in report.clusters], sys.stdout)
    silhouette = "none" if report.silhouette is None else f"{report.silhouette:.3f}"
    opened.console.note(
        f"{report.k} clusters of {report.n} rows ({report.noise} in none), cosine silhouette"
        f" {silhouette}, {report.seconds:.1f} s. Next: embclust plot --collection {name}"
    )
    _warn(opened.console, [*opened.source.notes, *report.warnings])
    return 0


def name(
    config: ConfigFile = None,
    collection: Collection = None,
    k: K = None,
    kind: Kind = None,
    text_field: TextFields = None,
    seed: Seed = None,
    force: Annotated[
        bool | None, typer.Option("--force", help="Name anew, also what was edited by hand.")
    ] = None,
    strict: Annotated[
        bool | None, typer.Option("--strict", help="Fail (exit 4) when the namer fails.")
    ] = None,
    frozen: Frozen = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    wait: Wait = None,
    json: Json = None,
) -> int:
    """Give a collection's clusters short names."""
    flags = {
        "name.kind": kind,
        "cluster.k": k,
        "cluster.seed": seed,
        "plot.text_fields": text_field or None,
        "workspace": workspace,
    }
    with _open(config, collection, flags, set_, wait) as opened:
        from embclust.errors import FrozenError
        from embclust.steps.name import names_stale, run_name
        from embclust.steps.plot import default_text_fields, ensure_clusters

        _check_text_fields(opened.source, text_field)
        settings = opened.session.loaded.settings
        clustering = ensure_clusters(
            opened.source,
            settings,
            opened.session.workspace,
            opened.console,
            frozen=bool(frozen),
        )
        fields = default_text_fields(opened.source)
        wanted = opened.source.info.collection
        if frozen:
            stale = names_stale(
                opened.session.workspace,
                wanted,
                opened.source.embeddings,
                clustering,
                settings,
                default_fields=fields,
            )
            if stale is not None:
                raise FrozenError(
                    f"--frozen: the names of '{wanted}' would have to be made ({stale}).",
                    "Run the command without --frozen.",
                )
        _, report = run_name(
            wanted,
            opened.source.embeddings,
            clustering,
            settings,
            opened.session.workspace,
            force=bool(force),
            strict=bool(strict),
            default_fields=fields,
            progress=opened.console,
        )
        _remember(opened)
    if json:
        print_json(report_json(report))
    else:
        rows = [(one.cluster, one.size, one.name, one.source) for one in report.names]
        table(("cluster", "rows", "name", "from"), rows, sys.stdout)
    opened.console.note(
        f"{len(report.names)} names, {report.seconds:.1f} s."
        f" Next: embclust plot --collection {wanted}"
    )
    _warn(opened.console, [*opened.source.notes, *report.warnings])
    return 0


def plot(
    config: ConfigFile = None,
    collection: Collection = None,
    k: K = None,
    kind: Kind = None,
    dims: Dims = None,
    text_field: TextFields = None,
    image_field: ImageField = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the page goes (an HTML file).")
    ] = None,
    open_: Annotated[
        bool | None, typer.Option("--open", help="Open the page in the browser.")
    ] = None,
    seed: Seed = None,
    frozen: Frozen = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    wait: Wait = None,
    json: Json = None,
) -> int:
    """Draw a collection's map as one HTML page; makes clusters and names when they are missing."""
    if dims not in (None, 2, 3):
        raise UsageError(
            f"--dims {dims}: a map has 2 or 3 dimensions.", "Use --dims 2 or --dims 3."
        )
    flags = {
        "cluster.kind": kind,
        "cluster.k": k,
        "cluster.seed": seed,
        "project.seed": seed,
        "project.dims": dims,
        "plot.text_fields": text_field or None,
        "plot.image_field": image_field,
        "plot.out": out,
        "workspace": workspace,
    }
    with _open(config, collection, flags, set_, wait, create=True) as opened:
        from embclust.steps.plot import run_plot
        from embclust.thumbs import Thumbs

        _check_text_fields(opened.source, text_field)
        session = opened.session
        settings = session.loaded.settings
        assert session.ledger is not None
        thumbs = Thumbs(session.workspace.thumbs_path)
        try:
            report = run_plot(
                opened.source,
                settings,
                session.workspace,
                session.ledger,
                thumbs,
                settings.project.dims,
                _picture_folder(opened),
                opened.console,
                frozen=bool(frozen),
            )
        finally:
            thumbs.close()
        _remember(opened)
    if json:
        print_json(report_json(report))
    else:
        print(report.page)
    opened.console.note(
        f"{report.drawn} of {report.points} points, {report.thumbnails} pictures,"
        f" {report.bytes / 1e6:.1f} MB, {report.seconds:.1f} s. Open it by double click."
    )
    _warn(opened.console, report.warnings)
    if open_ and not webbrowser.open(Path(report.page).resolve().as_uri()):
        opened.console.warn("No browser could be started; open the page by hand.")
    return 0


@contextmanager
def _open(
    config: Path | None,
    collection: str | None,
    flags: Mapping[str, object],
    sets: list[str] | None,
    wait: float | None,
    *,
    create: bool = False,
) -> Iterator[_Opened]:
    """Settings (with what the collection remembers), ledger and rows of one collection."""
    from embclust.steps.read import read_collection

    console = Console()
    first = load_settings(config, _without_plugin_options(flags), _places(sets))
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

        source = read_collection(
            chosen, loaded.settings, session.workspace, session.ledger, console, lock
        )
        yield _Opened(session, source, console)


def _without_plugin_options(flags: Mapping[str, object]) -> dict[str, object]:
    """Which collection is meant decides what options are known; only places matter before."""
    return {key: value for key, value in flags.items() if key == "workspace"}


def _places(sets: list[str] | None) -> list[str]:
    return [one for one in sets or [] if one.startswith(("workspace=", "store."))]


def _kept(session: Session, collection: str) -> dict[str, Any]:
    """What a collection of another program was last shown with."""
    import json

    path = session.workspace.collection_folder(collection) / "remembered.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _remember(opened: _Opened) -> None:
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


def _picture_folder(opened: _Opened) -> Path:
    """What relative picture paths refer to: images.root, the table's folder, or this one."""
    settings = opened.session.loaded.settings
    if settings.images.root:
        return settings.images.root
    if settings.source.path:
        path = settings.source.path
        return path if path.is_dir() else path.parent
    return Path()


def _check_text_fields(source: Source, wanted: list[str] | None) -> None:
    import difflib

    fields = {field for row in source.embeddings.fields for field in row}
    for field in wanted or []:
        if field not in fields:
            near = difflib.get_close_matches(field, fields, n=3) or sorted(fields)[:10]
            raise UsageError(
                f"--text-field: no row of '{source.info.collection}' has a field '{field}'.",
                f"Fields like it: {', '.join(near)}.",
            )


def _warn(console: Console, warnings: list[str]) -> None:
    for warning in warnings:
        console.warn(warning)
