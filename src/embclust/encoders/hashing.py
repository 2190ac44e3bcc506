"""The `hashing` encoder: no model. For dry runs, tests, and pipelines under measurement."""

from __future__ import annotations

import hashlib
import itertools
import re
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from embclust.data import Prepared
from embclust.encoders._options import clean_text
from embclust.encoders._pixels import Preprocess, to_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from embclust.data import Modality, Vectors

__all__ = ["HashingEncoder"]

_WORD: Final = re.compile(r"\w+")
_SIDE: Final = 16
_TINY: Final = Preprocess(
    size=(_SIDE, _SIDE),
    scale=(_SIDE, _SIDE),
    resize="squash",
    interpolation="box",
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
)


class HashingEncoder:
    """Texts by their hashed words and word pairs, pictures by a projection of 16x16 pixels.

    Texts: the hashing trick with signed buckets (Weinberger et al. 2009). Pictures: a random
    projection (Johnson-Lindenstrauss), so that distances between small versions are kept. Both
    are exact integers in float32: equal inputs give equal bits in any batch, on any machine.
    """

    class Options(BaseModel):
        """Options of `kind: hashing`."""

        model_config = ConfigDict(extra="forbid", validate_default=True)

        dim: int = Field(256, ge=8, le=8192, description="Length of a vector.")
        batch_size: int = Field(
            256, ge=1, le=65536, description="How many inputs are encoded at once."
        )

    def __init__(self, options: Options, *, modality: Modality, device: str, base: Path) -> None:
        del device, base  # as every encoder is built; nothing here depends on them
        self.modality: Modality = modality
        self.dim = options.dim
        self.batch_size = options.batch_size
        self.precision = "float32"
        self.encoder_id = f"hashing/{modality} v1 dim={options.dim}"
        self._projection = _projection(options.dim) if modality == "image" else None

    def check(self) -> None:
        """Nothing can be missing."""

    def fingerprint(self) -> str | None:
        """None: there are no weights."""
        return None

    def prepare(self, raw: Any) -> Prepared:
        """Return the text, or uint8 (3, 16, 16). Raises BadInputError."""
        if self.modality == "text":
            return Prepared(clean_text(raw))
        return Prepared(to_pixels(raw, _TINY))

    def encode(self, batch: Sequence[Prepared]) -> Vectors:
        """Return float32 (n, dim), no row zero."""
        if self._projection is None:
            return _hash_texts([str(p.value) for p in batch], self.dim)
        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        pixels = np.stack([np.asarray(p.value).reshape(-1) for p in batch]).astype(np.float32)
        centred = np.concatenate([pixels - 128, np.full((len(batch), 1), 127, np.float32)], axis=1)
        vectors: Vectors = (centred @ self._projection) / np.float32(2**16)
        return _never_zero(vectors, [p.tobytes() for p in pixels])


def _projection(dim: int) -> NDArray[np.float32]:
    """Return float32 (3·16·16 + 1, dim) of integers in -64..63, the same on every machine.

    The sum over 769 inputs of |128·64| stays below 2**24: exact in float32 in any order.
    """
    rows = 3 * _SIDE * _SIDE + 1
    noise = hashlib.shake_256(b"embclust hashing v1").digest(rows * dim)
    return ((np.frombuffer(noise, np.uint8) >> 1).astype(np.float32) - 64).reshape(rows, dim)


def _hash_texts(texts: list[str], dim: int) -> Vectors:
    """Return float32 (n, dim): a word counts 2, a pair of neighbouring words 1, signed."""
    hashes: list[int] = []
    weights: list[int] = []
    counts: list[int] = []
    for text in texts:
        words = _WORD.findall(text.lower()) or [text.strip()]
        grams = words + [f"{a} {b}" for a, b in itertools.pairwise(words)]
        hashes += [zlib.crc32(gram.encode()) for gram in grams]
        weights += [2] * len(words) + [1] * (len(grams) - len(words))
        counts.append(len(grams))
    hashed = np.asarray(hashes, dtype=np.int64)
    signed = np.asarray(weights, dtype=np.float64) * (1 - 2 * (hashed >> 31))
    rows = np.repeat(np.arange(len(texts)), counts)
    flat = np.bincount(rows * dim + hashed % dim, weights=signed, minlength=len(texts) * dim)
    vectors = flat.reshape(len(texts), dim).astype(np.float32)
    return _never_zero(vectors, [text.encode() for text in texts])


def _never_zero(vectors: Vectors, contents: list[bytes]) -> Vectors:
    """Give a row in which everything cancelled out one entry, chosen by its content."""
    for row in np.flatnonzero(~vectors.any(axis=1)):
        vectors[row, zlib.crc32(contents[row]) % vectors.shape[1]] = 1.0
    return vectors
