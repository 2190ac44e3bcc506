"""A Chroma server that is down, slow, broken, strict, or gets too much at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from embclust.data import EmbeddedBatch, Item
from embclust.errors import CollectionNotFoundError, EmbclustError, ServerError, UsageError
from embclust.stores import _writing
from embclust.stores.chroma import ChromaStore
from tests.stores.chroma_server import batch, free_port, info, running, start, vectors


def at(url: str, collection: str = "shoes", **options: object) -> ChromaStore:
    checked = ChromaStore.Options.model_validate({"url": url, **options})
    return ChromaStore(checked, collection=collection, folder=Path("unused"))


@contextmanager
def stub(status: int, wait: float = 0) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Answers everything alike; gives its address and the headers it got."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({key.lower(): value for key, value in self.headers.items()})
            time.sleep(wait)
            body = b"{}"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_that_is_down_is_missing() -> None:
    with pytest.raises(ServerError, match=r"does not answer.*store.url") as caught:
        at(f"http://user:secret@127.0.0.1:{free_port()}", retries=1).info()
    assert caught.value.exit_code == 4
    assert "secret" not in str(caught.value)


def test_a_server_that_fails_is_asked_again() -> None:
    with stub(503) as (url, seen), pytest.raises(ServerError, match="503"):
        at(url, retries=2).info()
    assert len(seen) == 3


def test_a_server_that_hangs_is_given_up() -> None:
    begin = time.monotonic()
    with stub(200, wait=3) as (url, _), pytest.raises(ServerError):
        at(url, timeout=0.3, retries=0).info()
    assert time.monotonic() - begin < 5


def test_a_refused_token_is_a_usage_error_and_is_never_shown() -> None:
    with stub(401) as (url, seen):
        store = at(url, token="canary-1", headers={"X-Team": "canary-2"})
        with pytest.raises(UsageError, match="token") as caught:
            store.info()
    assert len(seen) == 1
    assert seen[0]["authorization"] == "Bearer canary-1"
    assert seen[0]["x-chroma-token"] == "canary-1"
    assert seen[0]["x-team"] == "canary-2"
    assert "canary" not in str(caught.value) + repr(store._options)


def test_something_else_at_the_address_is_a_usage_error() -> None:
    with stub(404) as (url, _), pytest.raises(UsageError, match="no Chroma server"):
        at(url).info()


@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path / "server", port)
    store = at(f"http://127.0.0.1:{port}", retries=8)
    store.create(info("shoes"))
    store.upsert(batch(["a", "b"]))
    process.kill()
    process.wait()
    with pytest.raises(ServerError):
        at(f"http://127.0.0.1:{port}", retries=0).info()
    starting = threading.Thread(target=lambda: servers.append(start(tmp_path / "server", port)))
    servers = [process]
    starting.start()
    store.upsert(batch(["b", "c"], seed=1))
    starting.join()
    assert store.info().count == 3
    servers[-1].kill()
    servers[-1].wait()
    impatient = at(f"http://127.0.0.1:{port}", retries=0)
    with pytest.raises(ServerError):
        impatient.info()
    store.close()


def test_a_missing_database_is_a_usage_error(tmp_path: Path) -> None:
    with running(tmp_path / "server") as url:
        with pytest.raises(UsageError, match="no database 'other'"):
            at(url, database="other").info()
        store = at(url)
        assert store.collections() == []
        with pytest.raises(CollectionNotFoundError):
            store.info()
        store.close()


@pytest.mark.slow
def test_more_than_a_request_may_hold_is_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [Item(str(i), {"text": f"{i} " + "y" * 1_000_000}) for i in range(50)]
    with running(tmp_path / "server") as url:
        store = at(url, timeout=120)
        store.create(info("shoes"))
        store.upsert(EmbeddedBatch(items, vectors(50)))
        assert store.info().count == 50
        # Without our own limit the server's refusal halves the batch.
        monkeypatch.setattr(_writing, "_MAX_BYTES", 10**12)
        store.upsert(EmbeddedBatch(items, vectors(50, seed=1)))
        assert store.info().count == 50
        monstrous = EmbeddedBatch([Item("m", {"text": "z" * 45_000_000})], vectors(1))
        with pytest.raises(EmbclustError, match="'m' is too large"):
            store.upsert(monstrous)
        assert store.info().count == 50
        store.close()
