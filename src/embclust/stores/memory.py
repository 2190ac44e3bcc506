"""Vectors in this process's memory, for tests and dry runs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from embclust.data import CollectionInfo, EmbeddedBatch, Item
from embclust.errors import CollectionNotFoundError, EmbclustError, EncoderMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from embclust.data import Vectors

__all__ = ["MemoryStore"]


@dataclass(slots=True)
class _Collection:
    info: CollectionInfo
    rows: dict[str, tuple[Item, Vectors]] = field(default_factory=dict)


@dataclass(slots=True)
class _Place:
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    collections: dict[str, _Collection] = field(default_factory=dict)


class MemoryStore:
    """One collection in memory, for as long as the process lives; nothing is written anywhere.

    Stores opened for the same folder see the same collections: the folder's name is the key.
    That is the one place where the program keeps state beside its arguments.
    """

    class Options(BaseModel):
        """Nothing to choose."""

        model_config = ConfigDict(extra="forbid")

    _places: ClassVar[dict[Path, _Place]] = {}

    def __init__(self, options: Options, *, collection: str, folder: Path) -> None:
        self._options = options
        self._name = collection
        self._folder = folder.expanduser().absolute()
        self._closed = False

    def info(self) -> CollectionInfo:
        """See `Store.info`."""
        found = self._existing()
        known = found.info
        return CollectionInfo(self._name, known.field, known.encoder_id, known.dim, len(found.rows))

    def check(self) -> None:
        """See `Store.check`. It may always be written to."""

    def create(self, info: CollectionInfo) -> None:
        """See `Store.create`."""
        self._check_open()
        place = self._places.setdefault(self._folder, _Place())
        known = place.collections.setdefault(self._name, _Collection(info)).info
        if (known.encoder_id, known.dim) != (info.encoder_id, info.dim):
            raise EncoderMismatchError(
                f"Collection '{self._name}' was made by {known.encoder_id} ({known.dim}"
                f" dimensions), not by {info.encoder_id} ({info.dim} dimensions).",
                "`embclust index --reencode` makes all its vectors anew.",
            )

    def upsert(self, batch: EmbeddedBatch) -> None:
        """See `Store.upsert`."""
        found = self._existing()
        if not batch.items:
            return
        vectors = np.array(batch.vectors, dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(batch.items):
            raise EmbclustError(
                f"{len(batch.items)} items came with vectors of shape {vectors.shape}."
            )
        if vectors.shape[1] != found.info.dim:
            raise EncoderMismatchError(
                f"The collection holds vectors of {found.info.dim} dimensions, not"
                f" {vectors.shape[1]}.",
                "`embclust index --reencode` makes all its vectors anew.",
            )
        if not np.isfinite(vectors).all():
            raise EmbclustError("A vector is not finite.")
        for item, vector in zip(batch.items, vectors, strict=True):
            found.rows[item.id] = (Item(item.id, dict(item.fields)), vector)

    def scan(self, batch_size: int = 2000) -> Iterator[EmbeddedBatch]:
        """See `Store.scan`."""
        rows = list(self._existing().rows.values())
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            items = [Item(item.id, dict(item.fields)) for item, _ in part]
            yield EmbeddedBatch(items, np.stack([vector for _, vector in part]))

    def query(self, vector: NDArray[np.float32], n: int) -> list[tuple[str, float]]:
        """See `Store.query`. Exact."""
        rows = list(self._existing().rows.values())
        if n <= 0 or not rows:
            return []
        vectors = np.stack([row for _, row in rows]).astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(vector)
        cosines = vectors @ np.asarray(vector, dtype=np.float64) / np.where(lengths, lengths, 1.0)
        distances = np.maximum(0.0, 1.0 - cosines)
        order = np.argsort(distances, kind="stable")[:n]
        return [(rows[int(i)][0].id, float(distances[i])) for i in order]

    def delete(self, ids: Sequence[str]) -> None:
        """See `Store.delete`."""
        rows = self._existing().rows
        for item_id in ids:
            rows.pop(item_id, None)

    def drop(self) -> None:
        """See `Store.drop`."""
        self._existing()
        del self._places[self._folder].collections[self._name]

    def collections(self) -> list[str]:
        """See `Store.collections`."""
        self._check_open()
        place = self._places.get(self._folder)
        return sorted(place.collections) if place else []

    def fingerprint(self) -> str:
        """See `Store.fingerprint`. Another one in every process: what was here is gone then."""
        place = self._places.get(self._folder)
        return place.token if place else "absent"

    def damage(self, *, deep: bool) -> str | None:  # noqa: ARG002 - the protocol's signature
        """See `Store.damage`."""
        return None if self._folder in self._places else "ended with the process that held it"

    def set_aside(self) -> str | None:
        """See `Store.set_aside`. Forgets everything; there is nothing to keep."""
        self._places.pop(self._folder, None)
        return None

    def close(self) -> None:
        """See `Store.close`. The collection stays until the process ends."""
        self._closed = True

    def _existing(self) -> _Collection:
        names = self.collections()
        if self._name not in names:
            raise CollectionNotFoundError(self._name, names)
        return self._places[self._folder].collections[self._name]

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("this store is closed")
