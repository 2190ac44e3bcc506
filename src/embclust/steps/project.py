"""The projection step: vectors -> positions on the map, made anew only when something changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust import plugins
from embclust.data import Embeddings, Layout
from embclust.errors import EmbclustError, UsageError
from embclust.steps import artefacts, tables
from embclust.steps.trust import Trust, measure_trust

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.config import Settings
    from embclust.protocols import Progress
    from embclust.workspace import Workspace

__all__ = [
    "BOTH_UP_TO",
    "Map",
    "layout_file",
    "layout_stale",
    "load_map",
    "run_project",
    "wanted_dims",
]

BOTH_UP_TO: Final = 20_000
"""With more rows a second map costs minutes, so that it is made only when asked for."""
_LIBRARIES: Final = ("numpy", "openTSNE", "pyarrow", "scikit-learn", "scipy")


@dataclass(frozen=True, slots=True)
class Map:
    """A layout, how far it can be trusted, and the projection that made it.

    `trust` is None where there are too few rows to say. `details` is what the projector says of
    its work, such as how many points were fitted; empty for one that says nothing.
    """

    layout: Layout
    kind: str
    trust: Trust | None
    details: dict[str, Any]


def layout_file(dims: int) -> str:
    """Return the name of the artefact: layout-2d.parquet or layout-3d.parquet."""
    return f"layout-{dims}d.parquet"


def wanted_dims(settings: Settings, rows: int) -> list[int]:
    """Return which maps the settings ask for: [2], [3] or [2, 3]."""
    chosen = settings.project.dims
    if chosen == "auto":
        chosen = "both" if rows <= BOTH_UP_TO else 3
    return [2, 3] if chosen == "both" else [chosen]


def run_project(
    collection: str,
    embeddings: Embeddings,
    settings: Settings,
    workspace: Workspace,
    dims: Sequence[int],
    progress: Progress,
    *,
    fresh: bool = False,
) -> dict[int, Map]:
    """Lay a collection out in 2 or 3 dimensions, or each of both, and keep every result.

    A layout of the same vectors made with the same settings is taken as it is, unless `fresh`.
    All are made by one projector, which may keep what they share. Raises UsageError for no rows.
    """
    if not embeddings.ids:
        raise UsageError(
            f"Collection '{collection}' has no rows to lay out.",
            "Put some in with: embclust index CONFIG",
        )
    projector = plugins.build("projector", settings.project.kind, settings.project.options())
    maps: dict[int, Map] = {}
    for each in dims:
        stale = fresh or layout_stale(workspace, collection, embeddings, settings, each)
        kept = None if stale else load_map(workspace, collection, each)
        if kept is None:
            with progress.stage(f"Laying out in {each}D", None) as bar:
                coords = projector.project(embeddings.vectors, each, bar)
            layout = _checked(embeddings, coords, each, settings.project.kind)
            with progress.stage(f"Measuring the {each}D map", None):
                trust = measure_trust(embeddings.vectors, layout.coords)
            details = dict(getattr(projector, "details", {}))
            kept = Map(layout, settings.project.kind, trust, details)
            _save(workspace, collection, embeddings, settings, kept)
        maps[each] = kept
    return maps


def _checked(embeddings: Embeddings, coords: NDArray[np.float32], dims: int, kind: str) -> Layout:
    if coords.shape != (len(embeddings.ids), dims) or not np.isfinite(coords).all():
        raise EmbclustError(
            f"The projector '{kind}' returned no usable positions: shape {coords.shape} for "
            f"{len(embeddings.ids)} rows in {dims} dimensions.",
            "Try another one with --set project.kind=pca.",
        )
    return Layout(embeddings.ids, np.asarray(coords, dtype=np.float32))


def _save(
    workspace: Workspace, collection: str, embeddings: Embeddings, settings: Settings, made: Map
) -> None:
    data = tables.layout_bytes(made.layout)
    recorded = artefacts.entry(
        data,
        made_from=artefacts.signature(embeddings),
        settings=artefacts.option_values("projector", settings.project),
        libraries=_LIBRARIES,
        details=made.details,
        trustworthiness=None if made.trust is None else made.trust.as_json(),
    )
    file = layout_file(made.layout.coords.shape[1])
    artefacts.save(workspace, collection, {file: (data, recorded)})


def load_map(workspace: Workspace, collection: str, dims: int) -> Map | None:
    """Return the last map of so many dimensions; None when there is none that is whole."""
    found = artefacts.read_artefact(workspace, collection, layout_file(dims))
    if found is None:
        return None
    trust = found[1].get("trustworthiness")
    return Map(
        layout=tables.layout_from(found[0]),
        kind=found[1]["settings"]["kind"],
        trust=None if trust is None else Trust(**trust),
        details=found[1].get("details", {}),
    )


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
