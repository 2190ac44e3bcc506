"""What a page is made of, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embclust.data import Scalar

__all__ = ["Built", "PageCluster", "PageData", "check"]

Thumbnails = Callable[[int], bytes | None] | Sequence[bytes | None]


@dataclass(frozen=True, slots=True)
class PageCluster:
    """One cluster as the page shows it.

    `size`: rows of the whole collection, drawn or not. `medoid_rows`: indices into `PageData.ids`,
    the most typical row first. `keywords`: words that tell it from the others, the best first.
    `silhouette`: the mean over its rows, -1 to 1, None where it was not computed.
    """

    number: int
    name: str
    size: int
    source: str = ""
    keywords: list[str] = field(default_factory=list)
    medoid_rows: list[int] = field(default_factory=list)
    silhouette: float | None = None


@dataclass(frozen=True, slots=True)
class PageData:
    """Everything a page shows; row i of every list and array is the same point.

    `layouts`: dimensions (2 or 3) -> float32 (n, 2) or (n, 3), at least one.
    `clusters`: int32 (n,), -1 = noise. `named`: the clusters, noise left out.
    `columns`: column -> one value per row; these are shown, searched, coloured and filtered by.
    `text_fields`: columns that come first on the card, in this order.
    `links`: the picture's own address per row; only http and https ones are kept.
    `thumbnails`: one encoded picture per row (any format Pillow reads, upright), or a function
    of the row; None for a row without one. Leave None for a collection without pictures.
    `neighbours`: int32 (n, m), rows of the nearest points in vector space, nearest first, -1 =
    none. `facts`: label -> value, shown in this order: what was made from what, with its quality.
    `total_points`: rows before sampling. `default_dims`: the layout shown first; None: the one
    with most dimensions.
    """

    title: str
    collection: str
    encoder: str
    ids: list[str]
    layouts: dict[int, NDArray[np.float32]]
    clusters: NDArray[np.int32]
    named: list[PageCluster]
    columns: dict[str, list[Scalar | None]]
    text_fields: list[str] = field(default_factory=list)
    links: list[str | None] | None = None
    thumbnails: Thumbnails | None = None
    neighbours: NDArray[np.int32] | None = None
    facts: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    credit: str | None = None
    total_points: int | None = None
    default_dims: int | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A finished page.

    `thumbnails`: how many rows have a picture. `notes`: what a reader of the run's summary should
    know (smaller pictures, cut cells, …). `sidecar`: files that belong beside the page, relative
    path -> content; empty when the page stands alone.
    """

    html: bytes
    thumbnails: int
    notes: list[str]
    sidecar: Mapping[str, bytes] = field(default_factory=dict)


def check(data: PageData) -> None:
    """Raise ValueError when the parts do not fit together: a bug of the caller."""
    n = len(data.ids)
    _check_lengths(data, n)
    _check_layouts(data, n)
    _check_clusters(data, n)
    if data.neighbours is not None and n:
        low, high = int(data.neighbours.min(initial=0)), int(data.neighbours.max(initial=0))
        if low < -1 or high >= n:
            raise ValueError(f"neighbours: rows {low} to {high} for {n} ids")


def _check_clusters(data: PageData, n: int) -> None:
    for cluster in data.named:
        if any(not 0 <= row < n for row in cluster.medoid_rows):
            raise ValueError("a cluster's medoid row does not exist")
        if cluster.silhouette is not None and not -1 <= cluster.silhouette <= 1:
            raise ValueError(f"cluster {cluster.number}: silhouette {cluster.silhouette}")


def _check_lengths(data: PageData, n: int) -> None:
    lengths = {f"column {name!r}": len(values) for name, values in data.columns.items()}
    lengths["clusters"] = len(data.clusters)
    for name in ("links", "neighbours", "thumbnails"):
        part = getattr(data, name)
        if part is not None and not callable(part):
            lengths[name] = len(part)
    for name, length in lengths.items():
        if length != n:
            raise ValueError(f"{name}: {length} entries for {n} ids")


def _check_layouts(data: PageData, n: int) -> None:
    import numpy as np

    if not data.layouts:
        raise ValueError("a page needs at least one layout")
    if data.default_dims is not None and data.default_dims not in data.layouts:
        raise ValueError(f"default_dims: there is no layout {data.default_dims}")
    for dims, coords in data.layouts.items():
        if dims not in (2, 3) or coords.shape != (n, dims):
            raise ValueError(f"layout {dims}: shape {coords.shape} for {n} ids")
        if not np.isfinite(coords).all():
            raise ValueError(f"layout {dims}: coordinates that are not finite")
