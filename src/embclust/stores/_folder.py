"""A folder that holds an embedded Chroma store: whose it is, its lock, copies, leftovers."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from embclust.errors import UsageError, WorkspaceLockedError
from embclust.stores._client import chromadb_version

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DATABASE",
    "Owner",
    "copy_store",
    "fingerprint",
    "lock",
    "made_by",
    "mark",
    "owner",
    "remove_orphans",
    "segment_folders",
    "set_aside",
]

Owner = Literal["nobody", "embclust", "other program", "no store"]
"""nobody: nothing is there yet; no store: a folder with other things in it."""

DATABASE: Final = "chroma.sqlite3"
MARKER: Final = ".embclust-store.json"
LOCK: Final = ".embclust-store.lock"
_SEGMENT: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COPY_ATTEMPTS: Final = 3


def owner(folder: Path) -> Owner:
    """Say who made the store in a folder. Looks at names only."""
    if not folder.is_dir():
        return "no store" if folder.exists() else "nobody"
    if (folder / MARKER).is_file():
        return "embclust"
    if (folder / DATABASE).exists():
        return "other program"
    return "no store" if any(folder.iterdir()) else "nobody"


def made_by(folder: Path) -> str | None:
    """Return the chromadb version that made embclust's own store; None: not embclust's."""
    try:
        marker: Any = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return str(marker["chromadb"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def mark(folder: Path) -> None:
    """Make the folder, if need be, and mark it as embclust's. Raises UsageError: not writable."""
    text = json.dumps({"schema": 1, "chromadb": chromadb_version()}) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f"{MARKER}.{os.getpid()}"
        beside.write_text(text, encoding="utf-8")
        beside.replace(folder / MARKER)
    except PermissionError as error:
        raise _not_writable(folder, error) from error
    except OSError as error:
        if shutil.disk_usage(_existing(folder)).free == 0:
            raise
        raise _not_writable(folder, error) from error


def lock(folder: Path) -> int | None:
    """Take the folder for this process and return the descriptor to close afterwards.

    None: this process holds it already, through another store object; when that one is closed
    first, the folder is no longer guarded. Raises WorkspaceLockedError naming the holder.
    """
    path = folder / LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        if holder == str(os.getpid()):
            return None
        raise WorkspaceLockedError(
            f"The vector store in {folder} is in use by process {holder or '(unknown)'}.",
            "Try again when it has ended.",
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def segment_folders(folder: Path) -> list[Path]:
    """Return the folders of vector segments, sorted; other folders are not Chroma's."""
    return sorted(
        path for path in folder.iterdir() if _SEGMENT.fullmatch(path.name) and path.is_dir()
    )


def fingerprint(folder: Path) -> str:
    """Return a hash of the names, sizes and times of a store's files; 'absent' without one."""
    if not (folder / DATABASE).exists():
        return "absent"
    digest = hashlib.sha256()
    for line in _signature(folder):
        digest.update(line.encode())
    return digest.hexdigest()


def set_aside(folder: Path) -> Path | None:
    """Rename a store's folder to a free sibling `NAME.damaged-YYYYmmdd-HHMMSS`.

    None when there is no folder. Nothing may have the store open.
    """
    if not folder.is_dir():
        return None
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        suffix = f"-{number}" if number > 1 else ""
        aside = folder.with_name(f"{folder.name}.damaged-{stamp}{suffix}")
        if not aside.exists():
            folder.rename(aside)
            return aside
    raise UsageError(f"There are a thousand damaged stores beside {folder}.", "Remove some.")


def remove_orphans(folder: Path) -> None:
    """Remove segment folders of collections that are gone: Chroma leaves them lying."""
    with closing(_connect(folder / DATABASE)) as database:
        known = {row[0] for row in database.execute("SELECT id FROM segments")}
    for path in segment_folders(folder):
        if path.name not in known:
            shutil.rmtree(path, ignore_errors=True)


def copy_store(folder: Path, collection: str) -> tuple[tempfile.TemporaryDirectory[str], list[str]]:
    """Copy what is needed to read one collection, and leave the original as it is.

    Opening a store applies migrations and may write its queue into the index, so a store of
    another program is only ever opened as a copy. Returns the copy and warnings: a store that
    its owner keeps writing to is copied as it is after three attempts.
    """
    for _ in range(_COPY_ATTEMPTS):
        before = list(_signature(folder))
        copy = tempfile.TemporaryDirectory(prefix="embclust-store-")
        try:
            _copy_files(folder, Path(copy.name), collection)
        except FileNotFoundError:
            copy.cleanup()  # its owner removed a file meanwhile
            continue
        except BaseException:
            copy.cleanup()
            raise
        if list(_signature(folder)) == before:
            return copy, _open_transactions(folder)
        copy.cleanup()
    copy = tempfile.TemporaryDirectory(prefix="embclust-store-")
    with suppress(FileNotFoundError):
        _copy_files(folder, Path(copy.name), collection)
    return copy, [f"{folder} kept changing while it was copied: the newest rows may be missing."]


def _copy_files(folder: Path, to: Path, collection: str) -> None:
    for path in sorted(folder.glob(f"{DATABASE}*")):
        shutil.copyfile(path, to / path.name)
    wanted = _segments_of(to / DATABASE, collection)
    for path in segment_folders(folder):
        if wanted is None or path.name in wanted:
            shutil.copytree(path, to / path.name, copy_function=shutil.copyfile)


def _segments_of(database_path: Path, collection: str) -> set[str] | None:
    """Return the segments of the collections of that name; None: the schema is another."""
    try:
        with closing(_connect(database_path)) as database:
            found = database.execute(
                "SELECT segments.id FROM segments JOIN collections"
                " ON segments.collection = collections.id WHERE collections.name = ?",
                (collection,),
            )
            return {row[0] for row in found}
    except sqlite3.Error:
        return None


def _open_transactions(folder: Path) -> list[str]:
    left = [name for name in ("-journal", "-wal") if (folder / f"{DATABASE}{name}").exists()]
    if not left:
        return []
    return [f"Another program has {folder} open: what it has not finished writing is missing."]


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)


def _signature(folder: Path) -> Iterator[str]:
    files = sorted(folder.glob(f"{DATABASE}*"))
    for segment in segment_folders(folder):
        files += sorted(segment.iterdir())
    for path in files:
        try:
            state = path.stat()
        except FileNotFoundError:
            continue
        yield f"{path.relative_to(folder)}\0{state.st_size}\0{state.st_mtime_ns}\n"


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.is_dir():
        folder = folder.parent
    return folder


def _not_writable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        f"The vector store's folder {folder} cannot be written to: {error.strerror}.",
        "Choose another one with --set store.path=FOLDER.",
    )
