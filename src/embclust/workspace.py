"""The workspace: its folders, its lock, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from embclust.errors import DiskFullError, EmbclustError, UsageError, WorkspaceLockedError

__all__ = [
    "Workspace",
    "created_at",
    "json_bytes",
    "make_folder",
    "remove_leftovers",
    "scrub",
    "write_whole",
]

_POLL_SECONDS: Final = 0.1
_READ_ONLY: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_SUCH_PLACE: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG}
)
_UNKNOWN_HOLDER: Final = "another process"
_LONGEST_FOLDER: Final = 200
"""Bytes. File systems stop at 255, Chroma allows names of 512."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with the ledger, the embedded store and one folder of results per collection."""

    root: Path

    @property
    def ledger_path(self) -> Path:
        """What happened to each row, and every vector."""
        return self.root / "ledger.sqlite"

    @property
    def thumbs_path(self) -> Path:
        """Thumbnails, keyed by content."""
        return self.root / "thumbs.sqlite"

    @property
    def store_folder(self) -> Path:
        """The embedded Chroma store."""
        return self.root / "chroma"

    @property
    def lock_path(self) -> Path:
        """Holds the flock, and who holds it; never deleted, or two could hold 'the' lock."""
        return self.root / ".lock"

    def collection_folder(self, collection: str) -> Path:
        """Return the folder of a collection's results; it need not exist.

        Raises UsageError for a name that would lead out of the workspace.
        """
        if not collection or collection.startswith(".") or set(collection) & set("/\\\0"):
            raise UsageError(
                f"'{scrub(collection)}' cannot be a collection's name.",
                "Use letters, digits, '.', '_' and '-', starting with a letter or digit.",
            )
        raw = scrub(collection).encode()
        folder = scrub(collection)
        if len(raw) > _LONGEST_FOLDER:
            start = raw[: _LONGEST_FOLDER - 20].decode(errors="ignore")
            folder = f"{start}-{hashlib.sha256(raw).hexdigest()[:16]}"
        return self.root / "collections" / folder

    def create(self) -> None:
        """Make the folder if it is not there. Raises UsageError when it cannot be written to."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError(
                f"The workspace {self.root} is not a folder.",
                "Choose another one with --set workspace=FOLDER.",
            ) from error
        except OSError as error:
            raise _translated(error, self.root) from error
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise _read_only(self.root)

    def free_bytes(self) -> int:
        """Return the bytes left for an ordinary user on the workspace's file system."""
        folder = self.root.absolute()
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free

    @contextlib.contextmanager
    def lock(self, wait: float = 0) -> Iterator[None]:
        """Hold the workspace alone while the block runs; makes the folder if need be.

        `wait`: seconds to wait for another process. An flock frees itself when its process
        dies, also by kill -9, and is not handed on to programs that this one starts.
        Not reentrant. Raises WorkspaceLockedError naming the holder's pid.
        """
        self.create()
        descriptor = self._open_lock()
        try:
            self._acquire(descriptor, wait)
            _write_holder(descriptor)
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def holder(self) -> str | None:
        """Return which other process works here; None when nobody seems to.

        Read from the note of the lock's holder: asking by flock could refuse a process that
        wants the lock in the same moment.
        """
        try:
            found = json.loads(self.lock_path.read_text("utf-8"))
            os.kill(found["pid"], 0)
        except PermissionError:
            pass  # another user's process: it is there
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None
        return None if found["pid"] == os.getpid() else _holder_text(found)

    def _open_lock(self) -> int:
        try:
            return os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _translated(error, self.lock_path) from error

    def _acquire(self, descriptor: int, wait: float) -> None:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise self._locked(descriptor, wait) from None
                time.sleep(_POLL_SECONDS)
            except OSError as error:
                raise UsageError(
                    f"The file system of {self.root} cannot lock files: {error.strerror}.",
                    "Put the workspace on a local disk with --set workspace=FOLDER.",
                ) from error
            else:
                return

    def _locked(self, descriptor: int, wait: float) -> WorkspaceLockedError:
        holder = _read_holder(descriptor)
        waited = f" (waited {wait:g} s)" if wait else ""
        return WorkspaceLockedError(
            f"The workspace {self.root} is in use by {holder}{waited}.",
            "Try again when it is done, or let this command wait with --wait SECONDS.",
        )


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that, whatever happens, the old or the new content is there, complete.

    The parent folder must exist. Raises DiskFullError or, when the place cannot be written to,
    UsageError; the old file is untouched then and nothing is left beside it.
    """
    target = Path(os.path.realpath(path))  # a link stays a link
    temporary = target.with_name(f".{target.name[:60]}.{secrets.token_hex(4)}.tmp")
    try:
        _write_synced(temporary, data)
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _translated(error, path) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and its parents. Raises what `write_whole` raises."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _translated(error, folder) from error


def remove_leftovers(folder: Path) -> None:
    """Delete what a killed `write_whole` left in a folder. Only while the lock is held."""
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def json_bytes(value: Any) -> bytes:
    """Return JSON with sorted keys and a trailing newline; lone surrogates become U+FFFD.

    Raises ValueError for NaN and Inf, which are not JSON.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True)
    return (scrub(text) + "\n").encode()


def scrub(text: str) -> str:
    """Replace lone surrogates, which no encoding can write, by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def created_at() -> str:
    """Return the time to put into results, UTC; SOURCE_DATE_EPOCH when that is set.

    See https://reproducible-builds.org/specs/source-date-epoch/.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        moment = datetime.now(UTC) if not epoch else datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"SOURCE_DATE_EPOCH={epoch!r} is not a time.", "Give seconds since 1970, or unset it."
        ) from error
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_synced(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o666)  # the umask decides, as for any file
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder; the file itself is on disk.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


def _write_holder(descriptor: int) -> None:
    # The subcommand alone: other arguments may hold what is not for others' eyes.
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])[:200]
    holder = {"pid": os.getpid(), "command": command, "start": time.time()}
    with contextlib.suppress(OSError):  # a full disk: the lock holds, only the note is missing
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json_bytes(holder), 0)


def _read_holder(descriptor: int) -> str:
    try:
        return _holder_text(json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, OSError):
        return _UNKNOWN_HOLDER


def _holder_text(holder: Any) -> str:
    try:
        started = datetime.fromtimestamp(holder["start"], UTC).strftime("%H:%M:%S UTC")
        return f"process {int(holder['pid'])} ('{holder['command']}', since {started})"
    except (ValueError, KeyError, TypeError, OSError, OverflowError):
        return _UNKNOWN_HOLDER


def _read_only(path: Path) -> UsageError:
    return UsageError(
        f"The workspace is read-only: cannot write to {path}.",
        "Choose another one with --set workspace=FOLDER, or change its permissions.",
    )


def _translated(error: OSError, path: Path) -> EmbclustError:
    if error.errno in _NO_SPACE:
        return DiskFullError(
            f"No space left for {path}: {error.strerror}.",
            "Free some space and run the same command again.",
        )
    if error.errno in _READ_ONLY:
        return UsageError(
            f"{path} is read-only: {error.strerror}.",
            "Choose a place that can be written to, such as --set workspace=FOLDER.",
        )
    if error.errno in _NO_SUCH_PLACE:
        return UsageError(f"Cannot write {path}: {error.strerror}.", "Choose another place.")
    return EmbclustError(f"Cannot write {path}: {error.strerror}.")
