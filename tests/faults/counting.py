"""An encoder that writes down everything it encodes, and misbehaves on demand.

It is loaded as `kind: tests.faults.counting:CountingEncoder` by the program under test.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from embclust.data import Modality, Prepared, Vectors
from embclust.encoders.hashing import HashingEncoder
from embclust.errors import BadInputError

__all__ = ["CountingEncoder", "content", "reference"]

DIM = 16


class CountingEncoder:
    """The hashing encoder's vectors, with a log, a pace, a memory limit and bad moods."""

    class Options(BaseModel):
        """Options."""

        model_config = ConfigDict(extra="forbid", validate_default=True)

        log: str = Field("", description="File that gets one line per encoded content.")
        batch_size: int = Field(32, description="Inputs at once.")
        delay: float = Field(0.0, description="Seconds that a batch takes.")
        memory: int = Field(0, description="MemoryError for more inputs at once; 0: never.")
        longest: int = Field(0, description="Texts beyond this many letters are cut; 0: none.")
        generation: int = Field(1, description="Stands for another model's weights.")
        hold: str = Field("", description="File while which exists no batch ends.")
        fill: str = Field("", description="File that fills the disk at the first batch ...")
        leave: int = Field(0, description="... but for this many bytes.")

    def __init__(self, options: Options, *, modality: Modality, device: str, base: Path) -> None:
        hashing = HashingEncoder.Options(dim=DIM, batch_size=options.batch_size)
        self._inner = HashingEncoder(hashing, modality=modality, device=device, base=base)
        self._options = options
        self.modality: Modality = modality
        self.dim = DIM
        self.batch_size = options.batch_size
        self.precision = "float32"
        self.encoder_id = f"counting/{modality} generation={options.generation}"

    def check(self) -> None:
        """Nothing can be missing."""

    def fingerprint(self) -> str | None:
        """There are no weights."""
        return None

    def prepare(self, raw: Any) -> Prepared:
        """Take the input; a text that says `unreadable` is refused, a long one cut."""
        prepared = self._inner.prepare(raw)
        text = prepared.value
        if not isinstance(text, str):
            return prepared
        if text.startswith("unreadable"):
            raise BadInputError("cannot be read, says the encoder")
        longest = self._options.longest
        return Prepared(text, cut=bool(longest and len(text) > longest))

    def encode(self, batch: Sequence[Prepared]) -> Vectors:
        """Encode; a text that starts with nan, inf or zero gets such a vector."""
        options = self._options
        if options.memory and len(batch) > options.memory:
            raise MemoryError
        if any(str(one.value).startswith("huge") for one in batch if isinstance(one.value, str)):
            raise MemoryError
        if options.fill and not Path(options.fill).exists():
            fill_disk(Path(options.fill), options.leave)
        if options.log:
            _append(Path(options.log), _distinct_end([content(one) for one in batch]))
        while options.hold and Path(options.hold).exists():
            time.sleep(0.02)
        if options.delay:
            time.sleep(options.delay)
        vectors = np.roll(self._inner.encode(batch), options.generation - 1, axis=1)
        for row, one in enumerate(batch):
            for word, value in (("nan", np.nan), ("inf", np.inf), ("zero", 0.0)):
                if isinstance(one.value, str) and one.value.startswith(word):
                    vectors[row] = value
        return vectors


def content(prepared: Prepared) -> str:
    """What the log calls an input."""
    value = prepared.value
    data = value.encode() if isinstance(value, str) else value.tobytes()
    return hashlib.sha256(data).hexdigest()[:16]


def reference(text: str, generation: int = 1) -> Vectors:
    """The unit vector that a text must end up with: float32 (16,)."""
    hashing = HashingEncoder.Options(dim=DIM)
    encoder = HashingEncoder(hashing, modality="text", device="cpu", base=Path())
    vector = np.roll(encoder.encode([encoder.prepare(text)])[0], generation - 1)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def fill_disk(path: Path, leave: int) -> None:
    """Write zeros until only `leave` bytes are free where the file is."""
    with path.open("wb") as file:
        while (room := shutil.disk_usage(path.parent).free - leave) > 0:
            file.write(bytes(min(room, 1 << 20)))
            file.flush()


def _distinct_end(contents: list[str]) -> list[str]:
    """Leave out the repetitions of the last one that fill the last batch up."""
    while len(contents) > 1 and contents[-1] == contents[-2]:
        contents.pop()
    return contents


def _append(path: Path, lines: list[str]) -> None:
    # One write of one batch: a kill leaves all of its lines or none.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, "".join(f"{line}\n" for line in lines).encode())
    finally:
        os.close(descriptor)
