"""What there is in a workspace: the collections, their clusters and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embclust.errors import UsageError
from embclust.steps.artefacts import collections_with_results
from embclust.steps.cluster import load_clustering
from embclust.steps.name import load_names

if TYPE_CHECKING:
    from embclust.data import Clustering
    from embclust.ledger import Ledger
    from embclust.workspace import Workspace

__all__ = ["describe_collections"]


def describe_collections(
    workspace: Workspace, ledger: Ledger | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return an entry for each collection, sorted by name, and what is wrong with some.

    First those of the ledger, then those of other programs that were clustered here: field and
    encoder are None for them, and the rows are those that have a cluster.
    """
    own = ledger.collections() if ledger is not None else []
    known = {one.name for one in own}
    found: list[dict[str, Any]] = []
    wrong: list[str] = []
    for one in own:
        entry = {"field": one.field, "encoder": one.encoder_id, "dim": one.dim}
        count = ledger.counts(one).get("ok", 0) if ledger is not None else 0
        clusters = load_clustering(workspace, one.name)
        results, problems = _results(workspace, one.name, clusters and clusters[0])
        found.append({"collection": one.name, **entry, "count": count, **results})
        wrong += problems
    for name in collections_with_results(workspace):
        if name in known or (clusters := load_clustering(workspace, name)) is None:
            continue
        entry = {"field": None, "encoder": None, "dim": clusters[0].centres.shape[1]}
        results, problems = _results(workspace, name, clusters[0])
        found.append({"collection": name, **entry, "count": len(clusters[0].ids), **results})
        wrong += problems
    return found, wrong


def _results(
    workspace: Workspace, collection: str, clustering: Clustering | None
) -> tuple[dict[str, Any], list[str]]:
    if clustering is None:
        return {"clusters": 0, "names": []}, []
    problems = []
    try:
        names = load_names(workspace, collection, clustering) or []
    except UsageError as error:  # one broken file hides no other collection
        names = []
        problems.append(str(error))
    return {
        "clusters": len(clustering.numbers),
        "names": [name.name for name in names],
    }, problems
