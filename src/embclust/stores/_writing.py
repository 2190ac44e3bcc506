"""Writes rows to a Chroma collection in requests that it accepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust.errors import EmbclustError, EncoderMismatchError
from embclust.stores._errors import TooLargeError
from embclust.stores._metadata import size_of, to_chroma

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embclust.data import EmbeddedBatch, Scalar, Vectors
    from embclust.stores._place import Place

__all__ = ["MAX_ROWS", "Part", "chunks", "send"]

MAX_ROWS: Final = 5000
"""Rows in one request. Chroma's own limits are 5,461 to write and 32,763 to read."""

_MAX_BYTES: Final = 32_000_000
"""A server accepts 40 MB."""

_BYTES_PER_VALUE: Final = 22
"""A float as JSON text, at most."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that go into one request, same order and length."""

    ids: list[str]
    vectors: Vectors
    records: list[dict[str, Scalar]]


def chunks(batch: EmbeddedBatch, handle: Any, place: Place) -> Iterator[Part]:
    """Check a batch and cut it into requests. Raises before the first one is yielded.

    Of several rows with one id the last counts. Raises EncoderMismatchError for another
    dimension, EmbclustError for vectors that are not finite or not one per item.
    """
    last = {item.id: row for row, item in enumerate(batch.items)}
    vectors = _checked(batch, int(handle.metadata["embclust:dim"]))
    rows = list(last.values())
    records = {row: to_chroma(batch.items[row].id, batch.items[row].fields) for row in rows}
    most = max(1, min(MAX_ROWS, int(place.call(place.client.get_max_batch_size))))
    for group in _groups(rows, records, most, vectors.shape[1] * _BYTES_PER_VALUE):
        yield Part(
            [batch.items[row].id for row in group],
            vectors[group],
            [records[row] for row in group],
        )


def send(part: Part, handle: Any, place: Place) -> None:
    """Write one request; halves it when the server says that it is too large.

    Chroma merges metadata into what is there, so keys that are gone are sent as None.
    """
    try:
        known = place.call(handle.get, ids=part.ids, include=["metadatas"])
        old = dict(zip(known["ids"], known["metadatas"] or [], strict=True))
        place.call(
            handle.upsert,
            ids=part.ids,
            embeddings=part.vectors,
            metadatas=[
                {**dict.fromkeys(set(old.get(item_id) or {}) - set(record)), **record}
                for item_id, record in zip(part.ids, part.records, strict=True)
            ],
        )
    except TooLargeError as error:
        half = len(part.ids) // 2
        if half == 0:
            raise EmbclustError(
                f"Item '{part.ids[0]}' is too large for {place.name}.", "Shorten its fields."
            ) from error
        for rows in (slice(None, half), slice(half, None)):
            send(Part(part.ids[rows], part.vectors[rows], part.records[rows]), handle, place)


def _checked(batch: EmbeddedBatch, dim: int) -> Vectors:
    vectors = np.asarray(batch.vectors, dtype=np.float32)
    if not batch.items:
        return vectors.reshape(0, dim)
    if vectors.ndim != 2 or len(vectors) != len(batch.items):
        raise EmbclustError(f"{len(batch.items)} items came with vectors of shape {vectors.shape}.")
    if vectors.shape[1] != dim:
        raise EncoderMismatchError(
            f"The collection holds vectors of {dim} dimensions, not {vectors.shape[1]}.",
            "`embclust index --reencode` makes all its vectors anew.",
        )
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise EmbclustError(f"The vector of item '{batch.items[row].id}' is not finite.")
    return vectors


def _groups(
    rows: list[int], records: dict[int, dict[str, Scalar]], most: int, vector_bytes: int
) -> Iterator[list[int]]:
    group: list[int] = []
    total = 0
    for row in rows:
        size = vector_bytes + size_of(records[row]) + 64
        if group and (len(group) == most or total + size > _MAX_BYTES):
            yield group
            group, total = [], 0
        group.append(row)
        total += size
    if group:
        yield group
