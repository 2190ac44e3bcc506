"""What goes into a fetch and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FetchFailure", "FetchJob", "Fetched", "Outcome"]


@dataclass(frozen=True, slots=True)
class FetchJob:
    """One picture to get. `key` is the caller's and comes back untouched.

    With `etag` or `last_modified` of an earlier answer the request is conditional, and an
    unchanged picture comes back as `Fetched(not_modified=True)` without a body.
    """

    key: object
    ref: str
    """The table's cell: an http(s) URL, or a path."""
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes of a file as they are; nobody has looked whether they are a picture."""

    body: bytes
    attempts: int = 1
    etag: str | None = None
    last_modified: str | None = None
    not_modified: bool = False


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """Why there is no picture. `reason` is one line, without secrets."""

    reason: str
    retryable: bool
    """True when a later run may well succeed."""
    attempts: int
    """Attempts made; 0 when the cell itself was refused."""
    kind: str
    """A short stable class, such as `http 404`, `dns`, `refused`, `deadline`."""


Outcome = Fetched | FetchFailure
