"""Where a Chroma store is (a server, or a folder) and how it may be opened."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from embclust.errors import EmbclustError, RefusedError, UsageError
from embclust.stores import _folder
from embclust.stores._client import chromadb_version, close_client, open_embedded, open_server
from embclust.stores._errors import Translated, retrying
from embclust.stores._heap import zeroed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["Place", "check_folder", "open_folder", "open_url"]


@dataclass(frozen=True, slots=True)
class Place:
    """An open store.

    `read_only` is what to raise instead of writing to it, None when it may be written to.
    `folder` is where embclust's own embedded store lies, None for a server and for a copy.
    """

    client: Any
    name: str
    folder: Path | None
    attempts: int
    read_only: EmbclustError | None
    warnings: list[str]
    closing: ExitStack = field(repr=False)
    error_folder: Path | None = None

    def call(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Any:
        """Call chromadb: its errors become ours, and a server is asked again when it fails."""

        def once() -> Any:
            with Translated(self.name, self.error_folder):
                return function(*arguments, **keywords)

        return retrying(once, self.attempts)

    def close(self) -> None:
        """Let go of the client, the lock and the copy."""
        self.closing.close()


def open_url(
    url: str, headers: Mapping[str, str], tenant: str, database: str, timeout: float, attempts: int
) -> Place:
    """Connect to a server. Raises ServerError (after `attempts`), UsageError (token refused)."""
    parts = urlsplit(url)
    name = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def once() -> Any:
        with Translated(name, None):
            return open_server(url.rstrip("/"), name, headers, tenant, database, timeout)

    client = retrying(once, attempts)
    stack = ExitStack()
    stack.callback(close_client, client)
    return Place(client, name, None, attempts, None, [], stack)


def open_folder(
    folder: Path, collection: str, tenant: str, database: str, *, write: bool
) -> Place | None:
    """Open the store in a folder; None when nothing is there and nothing is to be written.

    embclust's own store is opened in place, under its lock. Every other one, one that another
    chromadb version made and one in a read-only folder are opened as a copy, only to be read.
    Raises RefusedError: to be written to, but not embclust's. UsageError: no store, or not
    writable. WorkspaceLockedError: another process has it open.
    """
    found = _folder.owner(folder)
    if found == "no store" and not write:
        raise UsageError(
            f"{folder} is no Chroma store: it has no {_folder.DATABASE}.", "Check store.path."
        )
    reason = _why_read_only(folder, found)
    if write and reason:
        raise reason
    if found == "nobody" or (found == "embclust" and not (folder / _folder.DATABASE).exists()):
        if not write:
            return None
        with Translated(str(folder), folder):
            _folder.mark(folder)
    stack = ExitStack()
    try:
        return _open(folder, collection, (tenant, database), reason, stack)
    except BaseException:
        stack.close()
        raise


def check_folder(folder: Path) -> None:
    """Raise RefusedError or UsageError where embclust may not keep a store of its own."""
    found = _folder.owner(folder)
    reason = _why_read_only(folder, found)
    outdated = found == "embclust" and isinstance(reason, RefusedError)
    if reason and not outdated:
        raise reason


def _why_read_only(folder: Path, found: _folder.Owner) -> EmbclustError | None:
    if found == "other program":
        return RefusedError(
            f"The store in {folder} was made by another program: embclust only reads it.",
            "Choose another place with --set store.path=FOLDER.",
        )
    if found == "no store":
        return RefusedError(
            f"The folder {folder} is not empty and holds no store of embclust.",
            "Choose another place with --set store.path=FOLDER.",
        )
    made_by = _folder.made_by(folder)
    if found == "embclust" and made_by != chromadb_version():
        versions = f"chromadb {made_by or '(unknown)'}, not {chromadb_version()}"
        return RefusedError(
            f"The store in {folder} was made by {versions}.",
            "`embclust rebuild-store` makes it anew.",
        )
    if found == "embclust" and not os.access(folder, os.W_OK | os.X_OK):
        return UsageError(
            f"The store's folder {folder} cannot be written to.", "Check its permissions."
        )
    return None


def _client_of(folder: Path, tenant: str, database: str) -> Any:
    try:
        return open_embedded(folder, tenant, database)
    except ValueError as error:
        if "tenant" not in str(error).lower():
            raise
        raise UsageError(
            f"The store has no database '{database}' of tenant '{tenant}'.",
            "Check store.tenant and store.database.",
        ) from error


def _open(
    folder: Path,
    collection: str,
    names: tuple[str, str],
    read_only: EmbclustError | None,
    stack: ExitStack,
) -> Place:
    warnings: list[str] = []
    source = folder
    with Translated(str(folder), folder):
        if read_only:
            copy, warnings = _folder.copy_store(folder, collection)
            stack.callback(copy.cleanup)
            source = type(folder)(copy.name)
        else:
            descriptor = _folder.lock(folder)
            if descriptor is not None:
                stack.callback(os.close, descriptor)
            stack.enter_context(zeroed_memory())
        client = _client_of(source.resolve(), *names)
    stack.callback(close_client, client)
    own = None if read_only else folder
    return Place(client, str(folder), own, 1, read_only, warnings, stack, source)
