"""Clusters, names and maps as they are, or made when missing, stale or asked for differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from embclust.errors import FrozenError
from embclust.steps.cluster import cluster_stale, load_clustering, run_cluster
from embclust.steps.name import load_names, names_stale, run_name
from embclust.steps.project import layout_stale, run_project

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.data import Clustering, ClusterName
    from embclust.protocols import Progress
    from embclust.steps.project import Map
    from embclust.steps.read import Source
    from embclust.workspace import Workspace

__all__ = ["default_text_fields", "ensure_clusters", "ensure_maps", "ensure_names"]


def ensure_clusters(
    source: Source,
    settings: Settings,
    workspace: Workspace,
    progress: Progress,
    *,
    frozen: bool = False,
) -> Clustering:
    """The clusters of the rows as they are; made when missing, stale or asked for differently.

    Raises FrozenError instead when `frozen`.
    """
    name = source.info.collection
    stale = cluster_stale(workspace, name, source.embeddings, settings)
    loaded = load_clustering(workspace, name)
    if stale is None and loaded is not None:
        return loaded[0]
    _refuse_if(frozen, name, "clusters", stale or "there are none")
    progress.note(f"Clustering {name}: {stale}.")
    return run_cluster(name, source.embeddings, settings, workspace, progress=progress)[0]


def ensure_names(
    source: Source,
    clustering: Clustering,
    settings: Settings,
    workspace: Workspace,
    progress: Progress,
    *,
    frozen: bool = False,
) -> tuple[list[ClusterName], list[str]]:
    """The clusters' names, made when missing or stale, with warnings. Raises FrozenError."""
    name = source.info.collection
    fields = default_text_fields(source)
    stale = names_stale(
        workspace, name, source.embeddings, clustering, settings, default_fields=fields
    )
    loaded = load_names(workspace, name, clustering)
    if stale is None and loaded is not None:
        return loaded, []
    _refuse_if(frozen, name, "names", stale or "there are none")
    progress.note(f"Naming the clusters of {name}: {stale}.")
    names, report = run_name(
        name,
        source.embeddings,
        clustering,
        settings,
        workspace,
        source=source,
        default_fields=fields,
        progress=progress,
    )
    return names, report.warnings


def ensure_maps(
    source: Source,
    dims: Sequence[int],
    settings: Settings,
    workspace: Workspace,
    progress: Progress,
    *,
    frozen: bool = False,
) -> dict[int, Map]:
    """The map in each number of dimensions, made when missing or stale. Raises FrozenError."""
    name = source.info.collection
    for each in dims:
        stale = layout_stale(workspace, name, source.embeddings, settings, each)
        if stale is not None:
            _refuse_if(frozen, name, f"{each}D map", stale)
            progress.note(f"Laying out {name} in {each}D: {stale}.")
    return run_project(name, source.embeddings, settings, workspace, dims, progress)


def default_text_fields(source: Source) -> list[str]:
    """Fields to name from when none are set: the collection's own text, else all text-like ones."""
    if source.modality == "text":
        return [source.info.field]
    return []


def _refuse_if(frozen: bool, collection: str, what: str, why: str) -> None:
    if frozen:
        raise FrozenError(
            f"--frozen: the {what} of '{collection}' would have to be made ({why}).",
            "Run the same command without --frozen.",
        )
