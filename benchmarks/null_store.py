"""A store that keeps nothing, so that a benchmark sees embclust's own memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from embclust.data import CollectionInfo, EmbeddedBatch
from embclust.errors import CollectionNotFoundError


class NullStore:
    """Takes everything, holds nothing."""

    class Options(BaseModel):
        """None."""

    def __init__(self, options: Options, *, collection: str, folder: Path) -> None:
        self.collection = collection

    def info(self) -> CollectionInfo:
        raise CollectionNotFoundError(self.collection, [])

    def create(self, info: CollectionInfo) -> None: ...
    def upsert(self, batch: EmbeddedBatch) -> None: ...
    def check(self) -> None: ...
    def scan(self, batch_size: int = 2000) -> Iterator[EmbeddedBatch]:
        return iter(())

    def query(self, vector: NDArray[np.float32], n: int) -> list[tuple[str, float]]:
        return []

    def delete(self, ids: Sequence[str]) -> None: ...
    def drop(self) -> None: ...
    def collections(self) -> list[str]:
        return []

    def fingerprint(self) -> str:
        return ""

    def damage(self, *, deep: bool) -> str | None:
        return None

    def set_aside(self) -> str | None:
        return None

    def close(self) -> None: ...
