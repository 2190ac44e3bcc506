"""What chromadb raises, as the program's own errors.

chromadb 1.5.9 raises its own tree, plain `Exception` (HTTP errors without a known body),
`ValueError` (no connection), httpx errors (a connection that breaks), and panics of its Rust core,
which are BaseExceptions.
"""

from __future__ import annotations

import errno
import shutil
import time
from typing import TYPE_CHECKING, Any, Final

from embclust.errors import (
    DiskFullError,
    EmbclustError,
    ServerError,
    StoreDamagedError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

__all__ = ["AbsentError", "TooLargeError", "Translated", "retrying"]

_FULL: Final = ("disk is full", "no space left", "disk full", "code: 13")
_READ_ONLY: Final = ("readonly database", "read-only file system", "permission denied")
_TOO_LARGE: Final = ("payload too large", "length limit exceeded", "entity too large")
_FREE_BYTES_OF_A_FULL_DISK: Final = 1 << 20


class AbsentError(Exception):
    """Chroma knows no such collection, tenant or database."""


class TooLargeError(Exception):
    """A request with more rows or bytes than the server accepts."""


class Translated:
    """Context in which what chromadb raises becomes an error of ours.

    `place` is how messages name the store; `folder` is where it lies, None for a server.
    """

    def __init__(self, place: str, folder: Path | None) -> None:
        self._place = place
        self._folder = folder

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, EmbclustError | AbsentError | TooLargeError):
            return
        translated = self._translate(error)
        if translated is not None:
            raise translated from error

    def _translate(self, error: BaseException) -> Exception | None:
        text = str(error)
        name = type(error).__name__
        if name == "NotFoundError":
            return AbsentError(text)
        if self._folder is None:
            too_large = name == "BatchSizeExceededError" or _has(text.lower(), _TOO_LARGE)
            return TooLargeError(text) if too_large else _server_error(self._place, error)
        return self._folder_error(error, self._folder)

    def _folder_error(self, error: BaseException, folder: Path) -> Exception | None:
        text = str(error)
        name = type(error).__name__
        if _is_disk_full(error, folder):
            return DiskFullError(
                f"No space left for the vector store in {self._place}.",
                "Free some space and run the same command again: nothing is lost.",
            )
        if _has(text.lower(), _READ_ONLY):
            return UsageError(f"The vector store in {self._place} cannot be written to: {text}.")
        if name in {"InternalError", "PanicException", "DatabaseError"}:
            return StoreDamagedError(
                f"The vector store in {self._place} cannot be read: {_first_line(text)}.",
                "`embclust rebuild-store` makes it anew.",
            )
        if isinstance(error, Exception):
            return EmbclustError(
                f"The vector store in {self._place} refused a request: {_first_line(text)}."
            )
        return None


def retrying(call: Callable[[], Any], attempts: int, *, wait: float = 0.25) -> Any:
    """Return what `call` returns, trying again after a ServerError, twice as late each time.

    Every request the store makes may be repeated: ids are fixed, so a second upsert of the same
    rows changes nothing. Raises the last ServerError.
    """
    for attempt in range(1, attempts + 1):
        try:
            return call()
        except ServerError:
            if attempt == attempts:
                raise
            time.sleep(wait * 2 ** (attempt - 1))
    raise AssertionError("attempts must be at least 1")


def _server_error(place: str, error: BaseException) -> Exception | None:
    import httpx

    name = type(error).__name__
    if name in {"AuthorizationError", "ChromaAuthError"}:
        return UsageError(f"The Chroma server {place} refused the token.", "Set store.token.")
    if name in {"InvalidArgumentError", "TypeError"}:
        return EmbclustError(
            f"The Chroma server {place} refused a request: {_first_line(str(error))}."
        )
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL):
        return ServerError(f"The Chroma server {place} does not answer: {error or name}.", _HINT)
    if isinstance(error, Exception):
        return ServerError(
            f"The Chroma server {place} failed: {_first_line(str(error)) or name}.", _HINT
        )
    return None


_HINT: Final = "Check store.url and that the server runs, then run the same command again."


def _is_disk_full(error: BaseException, folder: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    if _has(str(error).lower(), _FULL):
        return True
    # Chroma reports some failed writes of its index without saying why.
    return (
        type(error).__name__ == "InternalError"
        and folder.is_dir()
        and shutil.disk_usage(folder).free < _FREE_BYTES_OF_A_FULL_DISK
    )


def _has(text: str, needles: tuple[str, ...]) -> bool:
    return any(needle in text for needle in needles)


def _first_line(text: str) -> str:
    return (text.splitlines() or [""])[0].strip().rstrip(".")[:300]
