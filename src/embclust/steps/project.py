"""The projection step: vectors -> positions on the map, made anew only when something changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust import plugins
from embclust.data import Embeddings, Layout
from embclust.errors import EmbclustError, UsageError
from embclust.steps import artefacts, tables

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.protocols import Progress
    from embclust.workspace import Workspace

__all__ = ["layout_file", "layout_stale", "load_layout", "run_project"]

_LIBRARIES: Final = ("numpy", "openTSNE", "pyarrow", "scikit-learn", "scipy")


def layout_file(dims: int) -> str:
    """Return the name of the artefact: layout-2d.parquet or layout-3d.parquet."""
    return f"layout-{dims}d.parquet"


def run_project(
    collection: str,
    embeddings: Embeddings,
    settings: Settings,
    workspace: Workspace,
    dims: int,
    progress: Progress,
    *,
    fresh: bool = False,
) -> Layout:
    """Lay a collection out in 2 or 3 dimensions and keep the result.

    A layout of the same vectors made with the same settings is taken as it is, unless `fresh`.
    Raises UsageError for no rows.
    """
    if not embeddings.ids:
        raise UsageError(
            f"Collection '{collection}' has no rows to lay out.",
            "Put some in with: embclust index CONFIG",
        )
    if not fresh and layout_stale(workspace, collection, embeddings, settings, dims) is None:
        kept = load_layout(workspace, collection, dims)
        if kept is not None:
            return kept[0]
    kind = settings.project.kind
    with progress.stage(f"Laying out in {dims}D", None) as bar:
        projector = plugins.build("projector", kind, settings.project.options())
        coords = projector.project(embeddings.vectors, dims, bar)
    if coords.shape != (len(embeddings.ids), dims) or not np.isfinite(coords).all():
        raise EmbclustError(
            f"The projector '{kind}' returned no usable positions: shape {coords.shape} for "
            f"{len(embeddings.ids)} rows in {dims} dimensions.",
            "Try another one with --set project.kind=pca.",
        )
    layout = Layout(embeddings.ids, np.asarray(coords, dtype=np.float32))
    data = tables.layout_bytes(layout)
    recorded = artefacts.entry(
        data,
        made_from=artefacts.signature(embeddings),
        settings=artefacts.option_values("projector", settings.project),
        libraries=_LIBRARIES,
    )
    artefacts.save(workspace, collection, {layout_file(dims): (data, recorded)})
    return layout


def load_layout(
    workspace: Workspace, collection: str, dims: int
) -> tuple[Layout, dict[str, Any]] | None:
    """Return the last layout and its manifest entry; None when there is none that is whole."""
    found = artefacts.read_artefact(workspace, collection, layout_file(dims))
    return None if found is None else (tables.layout_from(found[0]), found[1])


def layout_stale(
    workspace: Workspace, collection: str, embeddings: Embeddings, settings: Settings, dims: int
) -> str | None:
    """Return why the map must be made anew, None when it is fresh."""
    found = artefacts.read_artefact(workspace, collection, layout_file(dims))
    if found is None:
        return f"there is no {dims}D map yet"
    if found[1]["made_from"] != artefacts.signature(embeddings):
        return "the rows changed"
    used = artefacts.option_values("projector", settings.project)
    return artefacts.difference("project", found[1]["settings"], used)
