"""Vectors to a page: makes what is missing, stale or asked for differently, then draws."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust.errors import UsageError
from embclust.page import Built, PageData, build_page
from embclust.reports import PlotReport
from embclust.steps.cluster_report import cluster_warnings
from embclust.steps.drawn import choose_rows
from embclust.steps.ensure import (
    default_text_fields,
    ensure_clusters,
    ensure_maps,
    ensure_names,
)
from embclust.steps.facts import facts
from embclust.steps.neighbours import nearest_rows
from embclust.steps.page_clusters import page_clusters
from embclust.steps.pictures import Pictures, choose_image_field, find_pictures
from embclust.steps.project import wanted_dims
from embclust.steps.quality import load_quality
from embclust.steps.read import short_id
from embclust.wording import counted
from embclust.workspace import make_folder, write_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.config import Settings
    from embclust.data import Vectors
    from embclust.ledger import Ledger
    from embclust.protocols import Progress
    from embclust.steps.project import Map
    from embclust.steps.read import Source
    from embclust.thumbs import Thumbs
    from embclust.workspace import Workspace

    Rows = NDArray[np.intp]

_NEIGHBOURS: Final = 12

__all__ = ["check_file", "run_plot"]


def run_plot(
    source: Source,
    settings: Settings,
    workspace: Workspace,
    ledger: Ledger,
    thumbs: Thumbs,
    folder: Path,
    progress: Progress,
    *,
    frozen: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> PlotReport:
    """Write the page of a collection and return what is on it.

    `folder`: what relative picture paths refer to. Raises UsageError, before any work, for a
    page that cannot be written or an image field that no row has, and FrozenError.
    """
    started = time.monotonic()
    name = source.info.collection
    page = settings.plot.out or workspace.collection_folder(name) / "map.html"
    check_file("plot.out", page)
    field = choose_image_field(source, settings.plot.image_field)
    clustering = ensure_clusters(source, settings, workspace, progress, frozen=frozen)
    names, warnings = ensure_names(source, clustering, settings, workspace, progress, frozen=frozen)
    quality = load_quality(workspace, name)
    dims = wanted_dims(settings, len(clustering.ids))
    maps = ensure_maps(source, dims, settings, workspace, progress, frozen=frozen)
    pictures = find_pictures(source, field, settings, ledger, thumbs, folder, progress, stop)
    drawn = choose_rows(clustering, maps[max(maps)].layout.coords, settings.plot.max_points)
    data = PageData(
        title=settings.plot.title or name,
        collection=name,
        encoder=short_id(source.info.encoder_id, "…") or "made by another program",
        ids=[clustering.ids[i] for i in drawn],
        layouts={each: made.layout.coords[drawn] for each, made in maps.items()},
        clusters=clustering.clusters[drawn],
        named=page_clusters(source, clustering, names, drawn, settings, quality),
        columns=_columns(source, drawn),
        text_fields=settings.plot.text_fields or default_text_fields(source),
        **_shown(pictures, field, clustering.ids, drawn, thumbs),
        neighbours=_neighbours(source.embeddings.vectors, drawn, progress),
        facts=facts(source, clustering, maps, settings, len(drawn), quality),
        warnings=[
            *source.notes,
            *(cluster_warnings(quality) if quality else []),
            *warnings,
            *pictures.notes,
            *_fitted(maps, len(clustering.ids)),
            *_sampled(len(drawn), len(clustering.ids)),
        ],
        credit=settings.plot.credit,
        total_points=len(clustering.ids),
    )
    with progress.stage("Page"):
        built = _write(data, page, settings.plot.max_bytes)
    return PlotReport(
        collection=name,
        page=str(page),
        dims="both" if len(dims) == 2 else dims[0],
        points=len(clustering.ids),
        drawn=len(drawn),
        thumbnails=built.thumbnails,
        bytes=len(built.html),
        seconds=round(time.monotonic() - started, 3),
        warnings=[*data.warnings, *built.notes],
    )


def _write(data: PageData, page: Path, max_bytes: int) -> Built:
    """Build the page and write it, what lies beside it first."""
    built = build_page(data, max_bytes, sidecar_dir=f"{page.stem}_files")
    make_folder(page.parent)
    for path, content in built.sidecar.items():
        target = page.parent / path
        make_folder(target.parent)
        write_whole(target, content)
    write_whole(page, built.html)
    return built


def check_file(asked_by: str, file: Path) -> None:
    """Raise UsageError, naming the option, where no file can be written."""
    if file.is_dir():
        raise UsageError(f"{asked_by}: {file} is a folder.", "Name a file in it.")
    place = file.absolute().parent
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise UsageError(f"{asked_by}: {place} is not a folder.", "Choose another place.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(f"{asked_by}: {place} cannot be written to.", "Choose another place.")


def _shown(
    pictures: Pictures, field: str | None, ids: list[str], drawn: Rows, thumbs: Thumbs
) -> dict[str, Any]:
    """The page's links and thumbnails; none at all where the collection has no pictures."""
    if field is None:
        return {}
    chosen = [ids[i] for i in drawn]
    keys = [pictures.keys.get(item_id, b"") for item_id in chosen]
    kept = thumbs.get(sorted(set(keys) - {b""}))
    return {
        "links": [pictures.links.get(item_id) for item_id in chosen],
        "thumbnails": [kept.get(key) for key in keys],
    }


def _neighbours(vectors: Vectors, drawn: Rows, progress: Progress) -> NDArray[np.int32] | None:
    """The nearest drawn rows of each drawn row, nearest first: int32 (n, 12 or fewer)."""
    if len(drawn) < 2:
        return None
    with progress.stage("Neighbours", len(drawn)) as bar:
        all_drawn = len(drawn) == len(vectors)
        return nearest_rows(vectors if all_drawn else vectors[drawn], _NEIGHBOURS, bar)


def _fitted(maps: Mapping[int, Map], points: int) -> list[str]:
    return [
        f"The {dims}D map is fitted on {made.details['fitted']:,} of {counted(points, 'point')} "
        "(project.landmarks)."
        for dims, made in maps.items()
        if "fitted" in made.details
    ]


def _sampled(drawn: int, points: int) -> list[str]:
    if drawn == points:
        return []
    counts = f"{drawn:,} of {points:,} points are drawn, fewer where they are dense"
    return [f"{counts}; plot.max_points draws more."]


def _columns(source: Source, drawn: Rows) -> dict[str, list[str | int | float | bool | None]]:
    rows = [source.embeddings.fields[i] for i in drawn]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}
