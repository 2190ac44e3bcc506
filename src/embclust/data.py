"""The frozen records that flow between the steps.

Array conventions: vectors are float32 (n, d) with unit rows, in the same order and of the same
length as the ids beside them. Nothing here is ever changed after it was made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NOISE",
    "ClusterName",
    "ClusterSample",
    "Clustering",
    "CollectionInfo",
    "ContactSheet",
    "EmbeddedBatch",
    "Embeddings",
    "Item",
    "Labels",
    "Layout",
    "Modality",
    "NamingCall",
    "NamingPlan",
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
