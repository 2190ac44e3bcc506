"""What the commands report: the keys of `--json` are a contract, and these are they.

Every report becomes one JSON object, with `"schema": 1` beside its fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from embclust.data import NamingCall

__all__ = [
    "ClusterReport",
    "ClusterSize",
    "CollectionReport",
    "IndexReport",
    "NamePlanReport",
    "NameReport",
    "NamedCluster",
    "PlotReport",
]


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
