"""The contracts between the steps and the plug-ins, stated once.

A plug-in is any class that fits: there is nothing to inherit. Each has a nested pydantic model
`Options` (types, defaults, help text) and is built as `Class(options, ...)` with the keywords
shown at each protocol. Constructing is cheap and touches neither the network nor a heavy
library; those are imported inside the methods that use them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from embclust.data import (
        ClusterSample,
        CollectionInfo,
        EmbeddedBatch,
        Modality,
        Prepared,
        Vectors,
    )

__all__ = [
    "Bar",
    "Clusterer",
    "Encoder",
    "Namer",
    "Progress",
    "Projector",
    "Store",
]


class Encoder(Protocol):
    """Turns pictures or texts into vectors. Does not batch, normalise or log.

    An image encoder that reads more than 224 pixels a side says so in an attribute `input_size`,
    so that large JPEGs are not decoded too small for it.

    Built as `Class(options, modality=..., device=..., base=...)`: `base` is the folder that
    relative local paths in the options refer to.
    """

    @property
    def encoder_id(self) -> str:
        """Kind, model, weights and preprocessing in one line; equal ids give equal vectors.

        Comes from names and files, without loading the model. Precision is not part of it.
        """

    @property
    def dim(self) -> int:
        """Length of a vector. Comes from names and files where they say it."""

    @property
    def modality(self) -> Modality:
        """What it reads: "image" (`PIL.Image.Image`, upright RGB) or "text" (`str`)."""

    @property
    def batch_size(self) -> int:
        """How many inputs `encode` is best given at once."""

    @property
    def precision(self) -> str:
        """The precision `encode` computes in: float32, bfloat16 or float16 (`auto` resolved)."""

    def check(self) -> None:
        """Fail early, before any heavy import: unknown model, missing weights, no cache.

        Raises UnknownModelError, ModelNotCachedError (in under 5 s), MissingExtraError.
        """

    def fingerprint(self) -> str | None:
        """The weights that were really loaded (commit or sha256), None before loading."""

    def prepare(self, raw: Any) -> Prepared:
        """Make one raw input ready, on the CPU, in a worker thread.

        Raises BadInputError when this one input cannot be embedded.
        """

    def encode(self, batch: Sequence[Prepared]) -> Vectors:
        """Return float32 (n, dim), row i for batch[i]; rows need not be unit length."""


class Store(Protocol):
    """One collection of vectors that people can query and share.

    Built as `Class(options, collection=..., folder=...)`: `folder` is the workspace's own store
    folder, used when the options name no other place. Opening to read never creates.
    """

    def info(self) -> CollectionInfo:
        """Raises CollectionNotFoundError, naming the collections that exist."""

    def check(self) -> None:
        """Raise RefusedError or UsageError where this place may not be written to.

        Opens nothing; a server is not asked.
        """

    def create(self, info: CollectionInfo) -> None:
        """Create the collection, or check that it is this one.

        Raises EncoderMismatchError when it exists with another encoder_id or dim.
        """

    def upsert(self, batch: EmbeddedBatch) -> None:
        """Store a batch: all of it or none. The same id replaces; fields that are gone are gone."""

    def scan(self, batch_size: int = 2000) -> Iterator[EmbeddedBatch]:
        """Every row once, in batches; vectors as stored (a foreign store's may not be unit)."""

    def query(self, vector: NDArray[np.float32], n: int) -> list[tuple[str, float]]:
        """The n nearest rows as (id, cosine distance), nearest first."""

    def delete(self, ids: Sequence[str]) -> None:
        """Remove rows; ids that are not there are ignored."""

    def drop(self) -> None:
        """Remove the collection."""

    def collections(self) -> list[str]:
        """The names of all collections in this place, sorted."""

    def fingerprint(self) -> str:
        """What the place looks like from outside; changes when someone else wrote there.

        Empty when that says nothing (a server, memory). Opens nothing.
        """

    def damage(self, *, deep: bool) -> str | None:
        """Why the place cannot be trusted, None when nothing is known against it.

        Never harms the caller, whatever state the files are in. `deep` may take seconds.
        """

    def set_aside(self) -> str | None:
        """Put a damaged place aside; returns what it is called now, None when nothing was there.

        Only for a place of embclust's own; every collection in it is gone from it then.
        """

    def close(self) -> None:
        """Let go of files and connections. Using the store afterwards is an error."""


class Clusterer(Protocol):
    """Groups vectors. Parameters and seed are options; same input, same answer.

    Built as `Class(options)`. It may have, after `cluster`, a dict `details` (what was done; plain
    values) and a list of lines `warnings` (what the user must know); both go into the report.
    """

    def cluster(
        self, vectors: Vectors, start: Vectors | None = None
    ) -> tuple[NDArray[np.int32], Vectors]:
        """Return labels int32 (n,), dense 0..k-1 with -1 for noise, and centres float32 (k, d).

        `start`: the last run's centres, float32 (k', d), used by those that can.
        Raises UsageError when the parameters do not fit the data (k > n).
        """


class Projector(Protocol):
    """Lays vectors out on a map. Seeded. Built as `Class(options)`."""

    def project(self, vectors: Vectors, dims: int, progress: Bar) -> NDArray[np.float32]:
        """Return float32 (n, dims), dims 2 or 3, centred on the origin; also for n = 1, 2, 3."""


class Namer(Protocol):
    """Proposes names. The step decides on uniqueness, fallback, concurrency and cache.

    Built as `Class(options)`.
    """

    def name(self, samples: Sequence[ClusterSample]) -> dict[int, list[str]]:
        """Return candidate names per cluster number, best first.

        A cluster that cannot be named is left out.
        """


class Bar(Protocol):
    """One running stage of a progress display."""

    def advance(self, n: int = 1) -> None:
        """Count n more as done."""

    def total(self, n: int | None) -> None:
        """There are n in all; None: not known."""


class Progress(Protocol):
    """Shows how far the long stages are."""

    def stage(self, title: str, total: int | None = None) -> AbstractContextManager[Bar]:
        """Show a stage while the block runs."""

    def note(self, message: str) -> None:
        """Print one line of chatter."""
