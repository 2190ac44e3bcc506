"""What naming would send to whom, without sending it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from embclust import plugins
from embclust.data import Clustering, Embeddings, NamingPlan
from embclust.reports import NamePlanReport
from embclust.steps.naming_aids import naming_aids
from embclust.steps.naming_work import find_work, gone_edits
from embclust.steps.proposals import build_namer

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.steps.read import Source
    from embclust.workspace import Workspace

__all__ = ["plan_names"]


def plan_names(
    collection: str,
    embeddings: Embeddings,
    clustering: Clustering,
    settings: Settings,
    workspace: Workspace,
    *,
    source: Source | None = None,
    default_fields: Sequence[str] = (),
    force: bool = False,
) -> NamePlanReport:
    """Say what `run_name` would send where. Sends nothing and changes nothing.

    Raises UsageError as `run_name` does.
    """
    work = find_work(
        collection,
        embeddings,
        clustering,
        settings,
        workspace,
        default_fields=default_fields,
        force=force,
    )
    kind = settings.name.kind
    aids = naming_aids(source, settings, workspace, anew=force, read_only=True)
    namer = build_namer(kind, settings, {**aids, "advance": lambda _: None})
    says = hasattr(namer, "plan")
    plan = NamingPlan("", "", [], [], [], None)
    if says and work.needed:
        plan = namer.plan(work.samples)
    leaves: bool | None = bool(plan.calls) and not _is_here(plan.host)
    if not says and kind not in plugins.NAMERS:
        leaves = None
    return NamePlanReport(
        collection=collection,
        kind=kind,
        leaves_machine=leaves,
        host=plan.host,
        model=plan.model,
        clusters=len(work.samples),
        kept=sorted(work.kept),
        edited=sorted(work.edited),
        known=plan.known,
        over_limit=plan.over_limit,
        calls=plan.calls,
        tokens_in=sum(call.tokens_in for call in plan.calls),
        tokens_out=sum(call.tokens_out for call in plan.calls),
        price=plan.price,
        warnings=gone_edits(work),
    )


def _is_here(host: str) -> bool:
    """Whether host[:port] is this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
