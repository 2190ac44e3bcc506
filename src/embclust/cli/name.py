"""`embclust name`: from clusters to short names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from embclust.cli.collection import (
    Opened,
    check_text_fields,
    open_collection,
    remember,
    write_back_clusters,
)
from embclust.cli.console import clean, print_json, report_json, table
from embclust.cli.options import (
    Collection,
    ConfigFile,
    Frozen,
    Json,
    K,
    Kind,
    Seed,
    Set,
    TextFields,
    Wait,
    WorkspaceFolder,
    WriteBack,
)
from embclust.errors import UsageError
from embclust.wording import counted

if TYPE_CHECKING:
    from embclust.data import Clustering
    from embclust.reports import NamePlanReport, NameReport

__all__ = ["name"]


def name(
    config: ConfigFile = None,
    collection: Collection = None,
    k: K = None,
    kind: Kind = None,
    text_field: TextFields = None,
    name_field: Annotated[
        list[str] | None,
        typer.Option("--name-field", help="Field to name from, but not to show; repeatable."),
    ] = None,
    pictures: Annotated[
        bool | None, typer.Option("--pictures", help="Show the pictures to a model that sees.")
    ] = None,
    max_calls: Annotated[
        int | None, typer.Option("--max-calls", help="Most questions to a model in this run.")
    ] = None,
    dry_run: Annotated[
        bool | None,
        typer.Option("--dry-run", help="Print what would be sent where; send and change nothing."),
    ] = None,
    seed: Seed = None,
    force: Annotated[
        bool | None, typer.Option("--force", help="Name anew, also what was edited by hand.")
    ] = None,
    strict: Annotated[
        bool | None, typer.Option("--strict", help="Fail (exit 4) when the namer fails.")
    ] = None,
    write_back: WriteBack = None,
    frozen: Frozen = None,
    set_: Set = None,
    workspace: WorkspaceFolder = None,
    wait: Wait = None,
    json: Json = None,
) -> int:
    """Give a collection's clusters short names."""
    flags = {
        "name.kind": kind,
        "name.fields": name_field or ([] if text_field else None),
        "name.pictures": pictures,
        "name.max_calls": max_calls,
        "cluster.k": k,
        "cluster.seed": seed,
        "plot.text_fields": text_field or None,
        "workspace": workspace,
    }
    with open_collection(config, collection, flags, set_, wait) as opened:
        check_text_fields(opened.source, text_field)
        if dry_run:
            return _show_plan(opened, force=bool(force), json=bool(json))
        if write_back:
            from embclust.steps.write_back import check_write_back

            check_write_back(opened.source)
        clustering, report = _name(
            opened, force=bool(force), strict=bool(strict), frozen=bool(frozen)
        )
        remember(opened)
        if write_back:
            write_back_clusters(opened, clustering, wait)
    if json:
        print_json(report_json(report))
    else:
        rows = [(one.cluster, one.size, one.name, one.source) for one in report.names]
        table(("cluster", "rows", "name", "from"), rows, sys.stdout)
    opened.console.note(
        f"{counted(len(report.names), 'name')}, {report.seconds:.1f} s."
        f" Next: embclust plot --collection {report.collection}"
    )
    opened.console.warn_all([*opened.source.notes, *report.warnings])
    return 0


def _name(
    opened: Opened, *, force: bool, strict: bool, frozen: bool
) -> tuple[Clustering, NameReport]:
    from embclust.steps.ensure import default_text_fields, ensure_clusters, ensure_names
    from embclust.steps.name import run_name

    settings, source = opened.session.loaded.settings, opened.source
    places = (settings, opened.session.workspace, opened.console)
    clustering = ensure_clusters(source, *places, frozen=frozen)
    if frozen:
        ensure_names(source, clustering, *places, frozen=True)
    _, report = run_name(
        source.info.collection,
        source.embeddings,
        clustering,
        settings,
        opened.session.workspace,
        source=source,
        force=force,
        strict=strict,
        default_fields=default_text_fields(source),
        progress=opened.console,
    )
    return clustering, report


def _show_plan(opened: Opened, *, force: bool, json: bool) -> int:
    from embclust.steps.cluster import cluster_stale, load_clustering
    from embclust.steps.ensure import default_text_fields
    from embclust.steps.name_plan import plan_names

    settings, source = opened.session.loaded.settings, opened.source
    workspace, name = opened.session.workspace, source.info.collection
    found = load_clustering(workspace, name)
    stale = cluster_stale(workspace, name, source.embeddings, settings)
    if found is None or stale is not None:
        raise UsageError(
            f"--dry-run changes nothing, and the clusters of '{name}' would have to be made"
            f" first ({stale or 'there are none'}).",
            f"Run: embclust cluster --collection {name}",
        )
    report = plan_names(
        name,
        source.embeddings,
        found[0],
        settings,
        workspace,
        source=source,
        default_fields=default_text_fields(source),
        force=force,
    )
    if json:
        print_json(report_json(report))
    else:
        for line in _plan_lines(report):
            print(clean(line))
    opened.console.warn_all([*source.notes, *report.warnings])
    return 0


def _plan_lines(plan: NamePlanReport) -> Iterator[str]:
    named = len(plan.kept) + len(plan.edited)
    yield (
        f"{counted(plan.clusters, 'cluster')}; {named} with a name that stays,"
        f" {len(plan.edited)} of them edited by hand."
    )
    if plan.known:
        yield f"{len(plan.known)} have an answer that is kept from before."
    if plan.leaves_machine is None:
        yield f"The namer '{plan.kind}' is not embclust's and does not say what it would send."
        return
    if not plan.calls:
        yield "Nothing leaves this machine."
    else:
        where = "" if plan.leaves_machine else " (this machine)"
        yield (
            f"{counted(len(plan.calls), 'call')} to {plan.host}{where}, model {plan.model};"
            " one more for each reply that cannot be used."
        )
        yield f"About {plan.tokens_in} tokens sent and {plan.tokens_out} received, {_price(plan)}."
    if plan.over_limit:
        over = counted(len(plan.over_limit), "cluster")
        yield f"Over name.max_calls, so with keyword names: {over}."
    for call in plan.calls:
        yield ""
        yield f"Cluster {call.cluster}, about {call.tokens_in} tokens:"
        yield from call.texts
        if call.pictures:
            yield f"with one picture made of those of the rows {', '.join(call.pictures)}"


def _price(plan: NamePlanReport) -> str:
    if plan.price is None:
        return "price not known (set name.price_in and name.price_out)"
    return f"price {plan.price:g}"
