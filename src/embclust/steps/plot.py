"""Vectors to a page: makes what is missing, stale or asked for differently, then draws."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embclust import __version__
from embclust.data import Clustering, ClusterName, PlotReport
from embclust.errors import UsageError
from embclust.page import PageCluster, PageData, build_page
from embclust.steps.ensure import (
    default_text_fields,
    ensure_clusters,
    ensure_layout,
    ensure_names,
)
from embclust.steps.pictures import choose_image_field, find_pictures
from embclust.workspace import created_at, make_folder, write_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.config import Settings
    from embclust.data import Vectors
    from embclust.ledger import Ledger
    from embclust.protocols import Progress
    from embclust.steps.read import Source
    from embclust.thumbs import Thumbs
    from embclust.workspace import Workspace

_NEIGHBOURS = 12
_NEIGHBOURS_UP_TO = 20_000

__all__ = ["run_plot"]


def run_plot(
    source: Source,
    settings: Settings,
    workspace: Workspace,
    ledger: Ledger,
    thumbs: Thumbs,
    dims: int,
    folder: Path,
    progress: Progress,
    *,
    frozen: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> PlotReport:
    """Write the page of a collection and return what is on it."""
    started = time.monotonic()
    name = source.info.collection
    page = settings.plot.out or workspace.collection_folder(name) / "map.html"
    _check_page(page)
    field = choose_image_field(source, settings.plot.image_field)
    clustering = ensure_clusters(source, settings, workspace, progress, frozen=frozen)
    names, warnings = ensure_names(source, clustering, settings, workspace, progress, frozen=frozen)
    layout = ensure_layout(source, dims, settings, workspace, progress, frozen=frozen)
    pictures = find_pictures(source, field, settings, ledger, thumbs, folder, progress, stop)
    warnings = [*source.notes, *warnings, *pictures.notes]
    drawn = _sample(clustering, settings.plot.max_points)
    if len(drawn) < len(clustering.ids):
        warnings.append(
            f"{len(drawn)} of {len(clustering.ids)} points are drawn (plot.max_points)."
        )
    ids = [clustering.ids[i] for i in drawn]
    kept = thumbs.get(sorted({pictures.keys[i] for i in ids if i in pictures.keys}))
    data = PageData(
        title=settings.plot.title or name,
        collection=name,
        encoder=_short(source.info.encoder_id) or "made by another program",
        ids=ids,
        layouts={dims: layout.coords[drawn]},
        clusters=clustering.clusters[drawn],
        named=_page_clusters(clustering, names, drawn),
        columns=_columns(source, drawn),
        text_fields=settings.plot.text_fields or default_text_fields(source),
        links=[pictures.links.get(item_id) for item_id in ids] if field else None,
        thumbnails=[kept.get(pictures.keys.get(item_id, b"")) for item_id in ids]
        if field
        else None,
        neighbours=_neighbours(source.embeddings.vectors[drawn]),
        facts=_facts(source, clustering, settings, dims),
        warnings=warnings,
        credit=settings.plot.credit,
        total_points=len(clustering.ids),
    )
    make_folder(page.parent)
    with progress.stage("Page"):
        built = build_page(data, settings.plot.max_bytes, sidecar_dir=f"{page.stem}_files")
    for path, content in built.sidecar.items():
        target = page.parent / path
        make_folder(target.parent)
        write_whole(target, content)
    write_whole(page, built.html)
    return PlotReport(
        collection=name,
        page=str(page),
        dims=dims,
        points=len(clustering.ids),
        drawn=len(ids),
        thumbnails=built.thumbnails,
        bytes=len(built.html),
        seconds=round(time.monotonic() - started, 3),
        warnings=[*warnings, *built.notes],
    )


def _check_page(page: Path) -> None:
    """Raise UsageError, before any work, where no file can be written."""
    if page.is_dir():
        raise UsageError(f"plot.out: {page} is a folder.", "Name an HTML file in it.")
    place = page.parent
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise UsageError(f"plot.out: {place} is not a folder.", "Choose another place.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(f"plot.out: {place} cannot be written to.", "Choose another place.")


def _short(encoder_id: str) -> str:
    """The id as a headline shows it: eight digits of a hash tell weights apart."""
    return re.sub(r"(sha256:[0-9a-f]{8})[0-9a-f]+", r"\1…", encoder_id)


def _neighbours(vectors: Vectors) -> NDArray[np.int32] | None:
    """The nearest rows of each row by cosine, nearest first: int32 (n, 12 or fewer).

    None where comparing every pair would take long.
    """
    n = len(vectors)
    if not 2 <= n <= _NEIGHBOURS_UP_TO:
        return None
    from sklearn.neighbors import NearestNeighbors

    # One more than wanted: a row is its own nearest, unless it has an exact twin.
    count = min(_NEIGHBOURS, n - 1)
    search = NearestNeighbors(n_neighbors=count + 1, algorithm="brute", metric="cosine")
    found = search.fit(vectors).kneighbors(vectors, return_distance=False)
    own = found == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True
    others: NDArray[np.int32] = found[~own].reshape(n, count).astype(np.int32)
    return others


def _sample(clustering: Clustering, most: int) -> list[int]:
    """Every row, or an even share of each cluster; the same rows every time."""
    n = len(clustering.ids)
    if n <= most:
        return list(range(n))
    chosen: set[int] = set(clustering.medoids.values())
    rng = np.random.default_rng(0)
    for number in np.unique(clustering.clusters):
        members = np.flatnonzero(clustering.clusters == number)
        share = max(1, int(most * len(members) / n))
        chosen.update(rng.choice(members, min(share, len(members)), replace=False).tolist())
    return sorted(chosen)[:most]


def _page_clusters(
    clustering: Clustering, names: list[ClusterName], drawn: list[int]
) -> list[PageCluster]:
    position = {row: i for i, row in enumerate(drawn)}
    found = []
    for named in names:
        members = np.flatnonzero(clustering.clusters == named.cluster)
        nearest = members[np.argsort(clustering.distances[members], kind="stable")]
        medoids = [position[int(row)] for row in nearest if int(row) in position][:8]
        found.append(
            PageCluster(
                number=named.cluster,
                name=named.name,
                size=len(members),
                source=named.source,
                medoid_rows=medoids,
            )
        )
    return found


def _columns(source: Source, drawn: list[int]) -> dict[str, list[str | int | float | bool | None]]:
    rows = [source.embeddings.fields[i] for i in drawn]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


def _facts(source: Source, clustering: Clustering, settings: Settings, dims: int) -> dict[str, str]:
    noise = int((clustering.clusters < 0).sum())
    facts = {
        "rows": str(len(clustering.ids)),
        "clusters": f"{len(clustering.numbers)} ({settings.cluster.kind})",
        "map": f"{settings.project.kind}, {dims}D",
        "encoder": source.info.encoder_id or "another program's",
    }
    if noise:
        facts["unclustered"] = str(noise)
    return {**facts, "made": created_at()[:10], "embclust": __version__}
