"""What embclust records in a Chroma collection's metadata, and what it reads there."""

from __future__ import annotations

import heapq
import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust import __version__
from embclust.data import CollectionInfo
from embclust.errors import EncoderMismatchError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from embclust.data import EmbeddedBatch

__all__ = [
    "check_same",
    "collection_metadata",
    "dim_of",
    "exact_nearest",
    "info_of",
    "is_own",
    "space_of",
]

SCHEMA: Final = 1
_ENCODER: Final = "embclust:encoder_id"
_DIM: Final = "embclust:dim"
_FIELD: Final = "embclust:field"


def collection_metadata(info: CollectionInfo) -> dict[str, str | int]:
    """Return what a new collection is labelled with."""
    return {
        _ENCODER: info.encoder_id,
        _DIM: info.dim,
        _FIELD: info.field,
        "embclust:schema": SCHEMA,
        "embclust:version": __version__,
    }


def is_own(handle: Any) -> bool:
    """Say whether embclust made the collection."""
    return bool((handle.metadata or {}).get(_ENCODER))


def info_of(handle: Any, collection: str, call: Callable[..., Any]) -> CollectionInfo:
    """Return what is known of a collection; dim 0 of another program's empty one."""
    metadata = handle.metadata or {}
    count = int(call(handle.count))
    return CollectionInfo(
        collection,
        str(metadata.get(_FIELD, "")),
        str(metadata.get(_ENCODER, "")),
        dim_of(handle, call),
        count,
    )


def dim_of(handle: Any, call: Callable[..., Any]) -> int:
    """Return the length of a collection's vectors; 0 for another program's empty one."""
    if is_own(handle):
        return int(handle.metadata[_DIM])
    found = call(handle.get, limit=1, include=["embeddings"])["embeddings"]
    return len(found[0]) if len(found) else 0


def check_same(handle: Any, info: CollectionInfo, place: str) -> None:
    """Raise RefusedError for a foreign collection, EncoderMismatchError for another encoder's."""
    if not is_own(handle):
        raise RefusedError(
            f"Collection '{info.collection}' in {place} was made by another program.",
            "Choose another store.collection_prefix.",
        )
    encoder, dim = handle.metadata[_ENCODER], handle.metadata[_DIM]
    if (encoder, dim) != (info.encoder_id, info.dim):
        raise EncoderMismatchError(
            f"Collection '{info.collection}' was made by {encoder} ({dim} dimensions), not by"
            f" {info.encoder_id} ({info.dim} dimensions).",
            "`embclust index --reencode` makes all its vectors anew; another"
            " store.collection_prefix keeps both.",
        )


def space_of(handle: Any) -> str:
    """Return the distance a collection's index was built for: cosine, l2 or ip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        configuration = handle.configuration_json or {}
    for kind in ("hnsw", "spann"):
        space = (configuration.get(kind) or {}).get("space")
        if space:
            return str(space)
    # Before chromadb 1.0 the space was in the metadata.
    return str((handle.metadata or {}).get("hnsw:space", "l2"))


def exact_nearest(
    batches: Iterable[EmbeddedBatch], vector: NDArray[np.float32], n: int
) -> list[tuple[str, float]]:
    """Return the n rows of least cosine distance, nearest first, by looking at all of them."""
    target = np.asarray(vector, dtype=np.float64)
    target = target / (np.linalg.norm(target) or 1.0)
    best: list[tuple[float, str]] = []
    for batch in batches:
        lengths = np.linalg.norm(batch.vectors, axis=1)
        cosines = batch.vectors @ target / np.where(lengths > 0, lengths, 1.0)
        distances = np.maximum(0.0, 1.0 - cosines)
        rows = zip(distances.tolist(), (item.id for item in batch.items), strict=True)
        best = heapq.nsmallest(n, [*best, *rows])
    return [(item_id, distance) for distance, item_id in best]
