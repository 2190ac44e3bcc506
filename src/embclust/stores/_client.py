"""Importing chromadb and opening a client, both without surprises from the surroundings."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from embclust.errors import MissingExtraError, ServerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "chromadb_version",
    "close_client",
    "import_chromadb",
    "open_embedded",
    "open_server",
]


_CHECK_URL: Final = "Check store.url."


def chromadb_version() -> str:
    """Return the installed chromadb's version without importing it; '' when there is none."""
    try:
        return metadata.version("chromadb")
    except metadata.PackageNotFoundError:
        return ""


def import_chromadb() -> Any:
    """Import chromadb deaf to a `.env` in the current folder, and silent.

    chromadb reads `.env` when it is imported and whenever a client is made: settings there could
    send the data to another place, and one that is not UTF-8 makes the import fail.
    """
    if "chromadb" not in sys.modules:
        logging.getLogger("chromadb").setLevel(logging.CRITICAL)
        try:
            with _away_from_dotenv(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import chromadb.config
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"The Chroma store needs the package '{error.name}'.", "pip install chromadb"
            ) from error
    chromadb = sys.modules["chromadb"]
    chromadb.config.Settings.model_config["env_file"] = None
    return chromadb


@contextmanager
def _away_from_dotenv() -> Iterator[None]:
    """Stand in an empty folder while the block runs, when the current one has a `.env`.

    The current folder belongs to the whole process, so it is left alone where it does no harm.
    """
    if not os.path.lexists(".env"):
        yield
        return
    here = os.open(".", os.O_RDONLY)
    try:
        with tempfile.TemporaryDirectory(prefix="embclust-") as empty:
            os.chdir(empty)
            try:
                yield
            finally:
                os.fchdir(here)
    finally:
        os.close(here)


def open_embedded(folder: Path, tenant: str, database: str) -> Any:
    """Open the embedded store in a folder, and create it if need be.

    Every setting that matters is explicit: environment variables such as CHROMA_API_IMPL or
    MIGRATIONS would apply otherwise.
    """
    chromadb = import_chromadb()
    settings = chromadb.config.Settings(
        chroma_api_impl="chromadb.api.rust.RustBindingsAPI",
        is_persistent=True,
        persist_directory=str(folder),
        anonymized_telemetry=False,
        allow_reset=False,
        migrations="apply",
        migrations_hash_algorithm="md5",
        chroma_otel_collection_endpoint="",
    )
    return chromadb.PersistentClient(
        path=str(folder), settings=settings, tenant=tenant, database=database
    )


def open_server(
    url: str, name: str, headers: Mapping[str, str], tenant: str, database: str, timeout: float
) -> Any:
    """Connect to a Chroma server, called `name` in messages.

    Raises httpx's errors when it does not answer in `timeout` seconds, ServerError when it does
    not work, UsageError when it refuses the token or is no Chroma server.
    """
    import httpx

    chromadb = import_chromadb()
    _check_server(url, name, headers, (tenant, database), timeout)
    settings = chromadb.config.Settings(
        chroma_api_impl="chromadb.api.fastapi.FastAPI",
        chroma_server_host=url,
        chroma_server_http_port=8000,  # required by chromadb, ignored when the host is a URL
        chroma_server_ssl_enabled=url.startswith("https"),
        chroma_server_headers=dict(headers),
        anonymized_telemetry=False,
        chroma_otel_collection_endpoint="",
    )
    client = chromadb.Client(settings=settings, tenant=tenant, database=database)
    for session in _sessions(client):
        session.timeout = httpx.Timeout(timeout)
    return client


def _check_server(
    url: str, name: str, headers: Mapping[str, str], names: tuple[str, str], timeout: float
) -> None:
    """Ask before chromadb does.

    It sets no timeout while it connects, and leaves sockets open when the database is missing.
    """
    import httpx

    tenant, database = (quote(part, safe="") for part in names)
    for path in ("heartbeat", f"tenants/{tenant}/databases/{database}"):
        reply = httpx.get(f"{url}/api/v2/{path}", headers=dict(headers), timeout=timeout)
        status = f"(HTTP {reply.status_code})"
        if reply.status_code in {401, 403}:
            raise UsageError(f"{name} refused the token {status}.", "Set store.token.")
        if reply.is_server_error:
            raise ServerError(f"{name} does not work {status}.")
        if not reply.is_success and path == "heartbeat":
            raise UsageError(f"{name} is no Chroma server of version 1 {status}.", _CHECK_URL)
        if not reply.is_success:
            raise UsageError(
                f"{name} has no database '{names[1]}' of tenant '{names[0]}' {status}.",
                "Check store.tenant and store.database.",
            )


def close_client(client: Any) -> None:
    """Release a client; the last one on a folder releases its files.

    chromadb 1.5.9 leaves a server's connections open, and keeps a reference to them.
    """
    sessions = _sessions(client)
    systems = [getattr(part, "_system", None) for part in _parts(client)]
    client.close()
    for session in sessions:
        session.close()
    if sessions:
        known = type(client)._identifier_to_system  # noqa: SLF001 - no public way to forget it
        for identifier in [key for key, system in known.items() if system in systems]:
            del known[identifier]


def _parts(client: Any) -> list[Any]:
    """Return a client and the admin client inside it, which has a connection of its own."""
    return [part for part in (client, getattr(client, "_admin_client", None)) if part is not None]


def _sessions(client: Any) -> list[Any]:
    """Return the httpx sessions of a server client; none of an embedded one."""
    found = (getattr(getattr(part, "_server", None), "_session", None) for part in _parts(client))
    return [session for session in found if session is not None]
