"""The frozen records that flow between the steps.

Array conventions: vectors are float32 (n, d) with unit rows, in the same order and of the same
length as the ids beside them. Nothing here is ever changed after it was made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NOISE",
    "ClusterName",
    "ClusterReport",
    "ClusterSample",
    "ClusterSize",
    "Clustering",
    "CollectionInfo",
    "CollectionReport",
    "ContactSheet",
    "EmbeddedBatch",
    "Embeddings",
    "IndexReport",
    "Item",
    "Labels",
    "Layout",
    "Modality",
    "NamePlanReport",
    "NameReport",
    "NamedCluster",
    "NamingCall",
    "NamingPlan",
    "PlotReport",
    "Prepared",
    "Scalar",
    "Skipped",
    "Stage",
    "Vectors",
]

Vectors = NDArray[np.float32]
Labels = NDArray[np.int32]
Scalar = str | int | float | bool
Modality = Literal["image", "text"]
Stage = Literal["read", "fetch", "prepare", "encode"]

NOISE = -1
"""The cluster number of rows that belong to no cluster."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row: its id and its cleaned fields, in the table's column order."""

    id: str
    fields: dict[str, Scalar]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that failed in one field. It is data: it is stored, counted and reported."""

    item_id: str
    field: str
    stage: Stage
    reason: str
    retryable: bool
    attempts: int = 1
    kind: str = ""
    """A short class of the failure; rows that failed alike have the same."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What an encoder made of one raw input on the CPU: pixels as uint8 (3, h, w), or the text."""

    value: NDArray[np.uint8] | str
    cut: bool = False
    """True when the input was longer than the model reads (a text cut at the context length)."""


@dataclass(frozen=True, slots=True)
class EmbeddedBatch:
    """Items with their vectors: float32 (n, d), unit rows, same order and length as `items`."""

    items: list[Item]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What is read back of a collection, sorted by id."""

    ids: list[str]
    vectors: Vectors
    fields: list[dict[str, Scalar]]


@dataclass(frozen=True, slots=True)
class Clustering:
    """Which cluster each row is in.

    `clusters`: int32 (n,), numbers that survive re-runs (gaps allowed), -1 = noise.
    `centres`: float32 (k, d), unit rows, in the order of `numbers`, the sorted distinct
    non-noise cluster numbers.
    `distances`: float32 (n,), cosine distance to the own centre (noise: to the nearest).
    `medoids`: cluster number -> index of its most typical row.
    """

    ids: list[str]
    clusters: Labels
    numbers: list[int]
    centres: Vectors
    distances: NDArray[np.float32]
    medoids: dict[int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions on the map: float32 (n, 2) or (n, 3)."""

    ids: list[str]
    coords: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClusterSample:
    """What a namer sees of one cluster.

    `texts`: one text per member row (the chosen text fields, joined), all of them.
    `fields`: the fields of each member row, same order.
    `representatives`: indices into `texts`, the most typical rows first.
    `centre`: float32 (d,), unit length.
    `vectors`: float32 (m, d), unit rows, of some of its rows, from the most to the least typical.
    `needed`: False when the cluster has a name already; it is shown all the same, because names
    tell clusters apart, and what a namer says of it is not used.
    """

    cluster: int
    size: int
    ids: list[str]
    texts: list[str]
    fields: list[dict[str, Scalar]]
    representatives: list[int]
    centre: NDArray[np.float32]
    vectors: Vectors = field(default_factory=lambda: np.empty((0, 0), np.float32))
    needed: bool = True


@dataclass(frozen=True, slots=True)
class ContactSheet:
    """Small pictures of a cluster's most typical rows in one JPEG, and whose they are."""

    jpeg: bytes
    width: int
    height: int
    ids: list[str]


@dataclass(frozen=True, slots=True)
class NamingCall:
    """One question that a namer would send. Token counts are estimates.

    `texts`: everything written that is sent. `pictures`: the rows on the contact sheet.
    """

    cluster: int
    texts: list[str]
    pictures: list[str]
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class NamingPlan:
    """What a namer would send to `host`.

    `known`: clusters whose answer is kept from before; `over_limit`: clusters it would not ask
    about. `price`: estimated, in the currency of the prices in the settings; None without those.
    """

    host: str
    model: str
    calls: list[NamingCall]
    known: list[int]
    over_limit: list[int]
    price: float | None


@dataclass(frozen=True, slots=True)
class ClusterName:
    """A cluster's name, where it came from, and the rows it was made from."""

    cluster: int
    name: str
    source: str
    """The namer's kind; `fallback: REASON` when the chosen namer had none; `edited` by hand."""
    evidence_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """What a store knows of a collection. Empty `encoder_id`: made by another program."""

    collection: str
    field: str
    encoder_id: str
    dim: int
    count: int


@dataclass(frozen=True, slots=True)
class CollectionReport:
    """One collection's part of an index run.

    rows = indexed + reused + updated + unchanged + missing + failed + pending.
    `gone` rows were in the collection and are no longer in the table (with `--prune` they are
    removed); `count` is what is in the collection now.
    """

    collection: str
    field: str
    rows: int = 0
    indexed: int = 0
    reused: int = 0
    updated: int = 0
    unchanged: int = 0
    missing: int = 0
    failed: int = 0
    pending: int = 0
    gone: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What `index --json` prints, and what its summary is made of."""

    collections: list[CollectionReport]
    duplicates: int
    rejected_rows: int
    seconds: float
    items_per_second: float
    failures_file: str | None
    exit_code: int
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ClusterSize:
    """How many rows a cluster has."""

    cluster: int
    size: int


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What `cluster --json` prints. `silhouette` is None with fewer than two clusters."""

    collection: str
    kind: str
    k: int
    n: int
    noise: int
    clusters: list[ClusterSize]
    silhouette: float | None
    seconds: float
    artifact: str
    warnings: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NamedCluster:
    """One line of a name report."""

    cluster: int
    name: str
    source: str
    size: int


@dataclass(frozen=True, slots=True)
class NameReport:
    """What `name --json` prints."""

    collection: str
    kind: str
    names: list[NamedCluster]
    seconds: float
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NamePlanReport:
    """What `name --dry-run --json` prints.

    `leaves_machine`: None when a namer from outside does not say what it sends. `kept` and
    `edited`: clusters that have a name already. The other fields are `NamingPlan`'s.
    """

    collection: str
    kind: str
    leaves_machine: bool | None
    host: str
    model: str
    clusters: int
    kept: list[int]
    edited: list[int]
    known: list[int]
    over_limit: list[int]
    calls: list[NamingCall]
    tokens_in: int
    tokens_out: int
    price: float | None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PlotReport:
    """What `plot --json` prints. `dims`: 2, 3 or "both". `bytes` is the page's size on disk."""

    collection: str
    page: str
    dims: int | Literal["both"]
    points: int
    drawn: int
    thumbnails: int
    bytes: int
    seconds: float
    warnings: list[str] = field(default_factory=list)
    png: str | None = None
    """The still, where one was asked for."""
