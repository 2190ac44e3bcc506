"""Local pictures: which files a table may point at, and how they are read."""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import TYPE_CHECKING, Final

from embclust.fetch_job import Fetched, FetchFailure, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from embclust.config import ImagesSettings

__all__ = ["LocalFiles", "file_key"]

_CACHED_FOLDERS: Final = 10_000
_HOST_LIKE: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}/", re.IGNORECASE)
# O_NONBLOCK: a FIFO that took the file's place after the check must not block for ever.
_OPEN_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _RefusedError(Exception):
    """A path that must not be read."""


def _bases(settings: ImagesSettings, folder: Path) -> list[str]:
    """Where a relative path may start: the table's folder, then `images.root`."""
    bases = [os.path.realpath(folder)]
    if settings.root is not None:
        bases.append(os.path.realpath(settings.root))
    return bases


def file_key(ref: str, folder: Path, settings: ImagesSettings) -> str:
    """`file:PATH:SIZE:MTIME_NS`, or `file:PATH:absent`; PATH relative to the table's folder."""
    base = os.fspath(folder)
    path = os.path.normpath(os.path.join(base, ref))  # noqa: PTH118 - 100,000 of these in a second
    name = os.path.relpath(path, base) if ".." in ref or ref.startswith("/") else path
    name = name.removeprefix(os.path.normpath(base) + os.sep)
    try:
        found = os.stat(path)  # noqa: PTH116 - speed, as above
    except (OSError, ValueError):
        if settings.root is None or folder == settings.root:
            return f"file:{name}:absent"
        return "root-" + file_key(ref, settings.root, settings.model_copy(update={"root": None}))
    return f"file:{name}:{found.st_size}:{found.st_mtime_ns}"


class LocalFiles:
    """Reads local pictures under `images.root` (the table's folder when unset).

    A relative path starts at the table's folder; where there is no such file, at `images.root`.
    `..` and symlinks may be used but not to leave the root. Only regular files are opened.
    Threads may share one instance.
    """

    def __init__(self, settings: ImagesSettings, folder: Path) -> None:
        self._bases = _bases(settings, folder)
        self._root = self._bases[-1].rstrip(os.sep) + os.sep
        self._max_bytes = settings.max_bytes
        self._real_folders: dict[str, str] = {}

    def read(self, ref: str) -> Outcome:
        """Return the file's bytes, or why not. Never raises for a bad path."""
        try:
            return Fetched(self._read(self._find(ref)))
        except _RefusedError as error:
            reason, retryable = str(error), False
        except ValueError:  # a NUL byte or a lone surrogate
            reason, retryable = "not a valid path", False
        except OSError as error:
            reason, retryable = _explain(error, ref)
        return FetchFailure(reason, retryable, 1, reason.partition(" (")[0])

    def _find(self, ref: str) -> str:
        """Return the real path of a regular file under the root."""
        trouble: OSError | None = None
        for base in self._bases:
            try:
                path, mode = self._look(os.path.join(base, ref))  # noqa: PTH118 - speed
            except OSError as error:
                # Of what is outside the root it may not be told whether it is there.
                if self._inside(os.path.normpath(os.path.join(base, ref))):  # noqa: PTH118 - speed
                    trouble = error
                continue
            if not stat.S_ISREG(mode):
                raise _RefusedError("not a regular file")
            if self._inside(path):
                return path
        raise trouble or _RefusedError("outside images.root")

    def _inside(self, path: str) -> bool:
        return path.startswith(self._root)

    def _look(self, path: str) -> tuple[str, int]:
        """Resolve symlinks; folders are resolved once, since thousands of files share them."""
        head, tail = os.path.split(path)
        if tail in ("", ".", ".."):
            real = os.path.realpath(path)
            return real, os.lstat(real).st_mode
        folder = self._real_folders.get(head)
        if folder is None:
            if len(self._real_folders) >= _CACHED_FOLDERS:
                self._real_folders.clear()
            folder = self._real_folders[head] = os.path.realpath(head)
        real = os.path.join(folder, tail)  # noqa: PTH118 - speed
        mode = os.lstat(real).st_mode
        if stat.S_ISLNK(mode):
            real = os.path.realpath(real)
            mode = os.lstat(real).st_mode
        return real, mode

    def _read(self, path: str) -> bytes:
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise _RefusedError("not a regular file")
            if found.st_size > self._max_bytes:
                raise _RefusedError(f"too large ({found.st_size:,} bytes)")
            body = os.read(descriptor, found.st_size)
            while len(body) < found.st_size and (more := os.read(descriptor, found.st_size)):
                body += more
        finally:
            os.close(descriptor)
        if not body:
            raise _RefusedError("empty (0 bytes)")
        return body


def _explain(error: OSError, ref: str) -> tuple[str, bool]:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if ref.lower().startswith("www."):
            return "not an absolute http(s) URL", False
        if _HOST_LIKE.match(ref):
            return "no such file (and not an absolute http(s) URL)", False
        return "no such file", False
    if error.errno in (errno.EACCES, errno.EPERM):
        return "permission denied (the file cannot be read)", True
    return f"cannot be read ({os.strerror(error.errno or errno.EIO)})", True
