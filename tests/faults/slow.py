"""A clusterer and a projector that say when they began and then take their time."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from embclust.data import Vectors
from embclust.protocols import Bar

__all__ = ["SlowClusterer", "SlowProjector"]


class _Options(BaseModel):
    """Options of both."""

    model_config = ConfigDict(extra="forbid")

    begun: str
    """File that comes into being when the work begins."""
    seconds: float = 60


class SlowClusterer:
    """Everything is one cluster, after a long time."""

    class Options(_Options):
        """Options."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def cluster(
        self, vectors: Vectors, start: Vectors | None = None
    ) -> tuple[NDArray[np.int32], Vectors]:
        """See `Clusterer.cluster`."""
        _work(self._options)
        centre = vectors.mean(axis=0, keepdims=True)
        unit = (centre / np.linalg.norm(centre)).astype(np.float32)
        return np.zeros(len(vectors), np.int32), unit


class SlowProjector:
    """The first axes, after a long time."""

    class Options(_Options):
        """Options."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def project(self, vectors: Vectors, dims: int, progress: Bar) -> NDArray[np.float32]:
        """See `Projector.project`."""
        _work(self._options)
        return np.ascontiguousarray(vectors[:, :dims] - vectors[:, :dims].mean(axis=0))


def _work(options: _Options) -> None:
    Path(options.begun).write_text("begun")
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        np.linalg.norm(np.ones((200, 200)))
