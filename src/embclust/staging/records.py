"""What goes in and out of a staged run: fields, cells, jobs and how they ended."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embclust.data import Modality
    from embclust.ledger import Collection

__all__ = ["Cell", "Done", "Job", "Target", "text_key"]


@dataclass(frozen=True, slots=True)
class Target:
    """One field of the table and the collection it goes to."""

    number: int
    field: str
    modality: Modality
    collection: Collection


@dataclass(frozen=True, slots=True)
class Cell:
    """What one target's cell holds. `source_key` None: nothing.

    `ref` is the cell's text where the stored fields must not show it as it is (secrets in a
    URL); it lives in the staging tables only. `size`: the text's length in characters.
    """

    source_key: str | None
    ref: str | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to encode: every row with this source key gets its vector."""

    source_key: str
    ref: str
    item_id: str
    field: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A job that has its vector in the ledger by now, under `content_key`."""

    source_key: str
    content_key: bytes
    encoded: bool
    etag: str | None = None
    last_modified: str | None = None


def text_key(text: str) -> bytes:
    """The content key of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
