"""A real HTTP server on loopback with every fault that downloads meet.

In tests: the `fault_server` fixture, or `with FaultServer(folder=...) as server`. By hand or as
the server of a benchmark: `python tests/fault_server.py FOLDER [PORT]` serves a folder.

Routes (a query of `delay=SECONDS` works on all of them; NAME is free, so that one route gives as
many different URLs as a test needs):
    /ok/NAME.jpg            a picture; ?size=224&color=red&noise=SEED
    /same/NAME.jpg          the same bytes under every name
    /status/CODE/NAME       ?retry_after=SECONDS or ?retry_date=SECONDS_FROM_NOW
    /flaky/N/NAME           N answers of ?status=500, then a picture
    /slow-headers/NAME      never finishes its headers;  /slow-body/NAME  nor its body
    /endless/NAME           a body without end;  /big/NAME?bytes=N  with a length, sent in full
    /gzip/NAME              a picture, compressed;  /gzip-bomb/NAME?mb=100  zeros, compressed
    /brotli/NAME  /short/NAME  /rst/NAME  /rst-body/NAME  /garbage/NAME  /long-header/NAME
    /empty/NAME  /nothing/NAME (204)  /body/KIND/NAME  html, json, pdf, svg as image/jpeg
    /redirect/NAME?to=URL&status=302   /loop/NAME   /hops/N/NAME
    /etag/NAME              ETag and Last-Modified, 304 when asked
    /signed/NAME?X-Amz-Signature=...   403 without;  /auth/NAME  401 without user:pass
    /files/PATH             a file of the folder, when one was given
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import gzip
import io
import socket
import struct
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping

ETAG = '"v1"'
LAST_MODIFIED = "Mon, 01 Jun 2026 10:00:00 GMT"
BODIES = {
    "html": b"<!DOCTYPE html><html><body>Not found</body></html>",
    "json": b'{"error": "no such picture"}',
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>',
}


@functools.lru_cache(maxsize=1024)
def jpeg(size: int = 224, color: str = "red", noise: int = 0) -> bytes:
    """A JPEG; with `noise` the colours are random, so that it has a realistic length."""
    import numpy as np
    from PIL import Image

    image = Image.new("RGB", (size, size), color)
    if noise:
        pixels = np.random.default_rng(noise).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


@functools.lru_cache(maxsize=4)
def zeros_gzipped(megabytes: int) -> bytes:
    return gzip.compress(bytes(megabytes * 1_000_000), compresslevel=9)


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    target: str
    """Path and query as they came."""

    def number(self, name: str, default: float) -> float:
        return float(self.query.get(name, default))


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} X"]
        given = {"Content-Type": "image/jpeg", "Content-Length": str(len(self.body))}
        if self.status in (204, 304):
            given = {}
        lines += [f"{name}: {value}" for name, value in {**given, **self.headers}.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


class FaultServer:
    """Start with `with`; all counters may be read from any thread."""

    def __init__(
        self,
        folder: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.folder = folder.resolve() if folder else None
        self.requests: list[Request] = []
        self.hits: Counter[str] = Counter()
        self.times: dict[str, list[float]] = {}
        self.connections = 0
        self.open_connections = 0
        self.most_open = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        self.keep_requests = folder is None
        self._host, self.port, self._tls = host, port, tls
        self._handlers: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def wait(self) -> None:
        """Serve until interrupted."""
        self._thread.join()

    def settled(self, seconds: float = 3.0) -> bool:
        """True as soon as no connection is open, False when one still is after `seconds`."""
        end = time.monotonic() + seconds
        while self.open_connections and time.monotonic() < end:
            time.sleep(0.01)
        return self.open_connections == 0

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(
            self._connected, self._host, self.port, backlog=512, ssl=self._tls
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._handlers):
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        self.connections += 1
        self.open_connections += 1
        self.most_open = max(self.most_open, self.open_connections)
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:
            pass  # the server is being stopped, or the client went away
        finally:
            self.open_connections -= 1
            self._handlers.discard(task)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while first := await reader.readexactly(1):
            if first == b"\x16":  # a TLS greeting: answered as web servers do
                await self.send(writer, b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            head = first + await reader.readuntil(b"\r\n\r\n")
            self.bytes_received += len(head)
            request = _parse(head)
            if self.keep_requests:
                self.requests.append(request)
            self.hits[request.path] += 1
            self.times.setdefault(request.path, []).append(time.monotonic())
            answering = asyncio.ensure_future(self._answer(request, writer))
            if _hangs(request):
                leaving = asyncio.ensure_future(_client_gone(reader))
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
                leaving.cancel()
                if not answering.done():
                    answering.cancel()
                    return
            if not await answering:
                return

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; True when the connection may be used for another."""
        if delay := request.number("delay", 0):
            await asyncio.sleep(delay)
        route = request.path.split("/")[1]
        if route in _RAW:
            await _RAW[route](self, request, writer)
            return False
        data = self._plain(route, request).encode()
        writer.write(data)
        await writer.drain()
        self.bytes_sent += len(data)
        return True

    def _plain(self, route: str, request: Request) -> Answer:
        if route == "files" and self.folder is not None:
            return self._file(unquote(request.path.removeprefix("/files/")))
        if route == "flaky":
            fails = int(request.path.split("/")[2])
            if self.hits[request.path] <= fails:
                return Answer(int(request.number("status", 500)))
            return Answer(body=jpeg())
        maker = _PLAIN.get(route)
        return maker(request) if maker else Answer(404)

    def _file(self, name: str) -> Answer:
        assert self.folder is not None
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder) or not path.is_file():
            return Answer(404)
        return Answer(body=path.read_bytes())

    async def send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.bytes_sent += len(data)


def _parse(head: bytes) -> Request:
    lines = head.decode("latin-1").split("\r\n")
    target = lines[0].split(" ")[1]
    parts = urlsplit(target)
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines[1:])
    }
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return Request(parts.path, query, headers, target)


def _hangs(request: Request) -> bool:
    """Routes that would not notice otherwise that the client has gone."""
    return request.path.startswith(("/slow-", "/endless")) or "delay" in request.query


async def _client_gone(reader: asyncio.StreamReader) -> None:
    # Polled: waiting for a byte would swallow the first one of the client's next request.
    while not reader.at_eof() and reader.exception() is None:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def _ok(request: Request) -> Answer:
    color = request.query.get("color", "red")
    return Answer(
        body=jpeg(int(request.number("size", 224)), color, int(request.number("noise", 0)))
    )


def _status(request: Request) -> Answer:
    headers = {}
    if "retry_after" in request.query:
        headers["Retry-After"] = request.query["retry_after"]
    if "retry_date" in request.query:
        headers["Retry-After"] = formatdate(
            time.time() + request.number("retry_date", 0), usegmt=True
        )
    return Answer(int(request.path.split("/")[2]), b"sorry", headers)


def _redirect(request: Request) -> Answer:
    return Answer(int(request.number("status", 302)), headers={"Location": request.query["to"]})


def _hops(request: Request) -> Answer:
    _, _, left, name = request.path.split("/", 3)
    if int(left) == 0:
        return Answer(body=jpeg())
    return Answer(301, headers={"Location": f"/hops/{int(left) - 1}/{name}"})


def _etag(request: Request) -> Answer:
    marks = {"ETag": ETAG, "Last-Modified": LAST_MODIFIED}
    known = request.headers.get("if-none-match") == ETAG
    if known or request.headers.get("if-modified-since") == LAST_MODIFIED:
        return Answer(304, headers=marks)
    return Answer(body=jpeg(), headers=marks)


def _auth(request: Request) -> Answer:
    wanted = "Basic " + base64.b64encode(b"user:pass").decode()
    if request.headers.get("authorization") == wanted:
        return Answer(body=jpeg())
    return Answer(401, headers={"WWW-Authenticate": "Basic"})


def _signed(request: Request) -> Answer:
    return Answer(body=jpeg()) if request.query.get("X-Amz-Signature") else Answer(403)


def _bomb(request: Request) -> Answer:
    return Answer(
        body=zeros_gzipped(int(request.number("mb", 100))), headers={"Content-Encoding": "gzip"}
    )


_PLAIN: dict[str, Callable[[Request], Answer]] = {
    "ok": _ok,
    "same": lambda _: Answer(body=jpeg()),
    "status": _status,
    "empty": lambda _: Answer(),
    "nothing": lambda _: Answer(204),
    "body": lambda request: Answer(body=BODIES[request.path.split("/")[2]]),
    "redirect": _redirect,
    "loop": lambda request: Answer(302, headers={"Location": request.target}),
    "hops": _hops,
    "etag": _etag,
    "auth": _auth,
    "signed": _signed,
    "gzip": lambda _: Answer(
        body=gzip.compress(jpeg(noise=1)), headers={"Content-Encoding": "gzip"}
    ),
    "gzip-bomb": _bomb,
    "brotli": lambda _: Answer(body=b"\x8b\x03\x80", headers={"Content-Encoding": "br"}),
    "long-header": lambda _: Answer(body=jpeg(), headers={"X-Long": "x" * 200_000}),
}


async def _slow_headers(server: FaultServer, request: Request, out: asyncio.StreamWriter) -> None:
    await server.send(out, b"HTTP/1.1 200 OK\r\n")
    while True:
        await server.send(out, b"X: y\r\n")
        await asyncio.sleep(0.05)


async def _slow_body(server: FaultServer, request: Request, out: asyncio.StreamWriter) -> None:
    await server.send(out, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await server.send(out, b"\xff")
        await asyncio.sleep(0.05)


async def _endless(server: FaultServer, request: Request, out: asyncio.StreamWriter) -> None:
    await server.send(out, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await server.send(out, b"10000\r\n" + bytes(65_536) + b"\r\n")


async def _big(server: FaultServer, request: Request, out: asyncio.StreamWriter) -> None:
    size = int(request.number("bytes", 25_000_000))
    await server.send(out, f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
    for start in range(0, size, 65_536):
        await server.send(out, bytes(min(65_536, size - start)))


async def _short(server: FaultServer, request: Request, out: asyncio.StreamWriter) -> None:
    await server.send(out, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")


async def _garbage(server: FaultServer, request: Request, out: asyncio.StreamWriter) -> None:
    await server.send(out, b"\x00\x01\x02 this is not HTTP\r\n\r\n")


async def _rst(server: FaultServer, request: Request, out: asyncio.StreamWriter) -> None:
    if request.path.startswith("/rst-body"):
        await server.send(out, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n12345")
    raw = out.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


_RAW: dict[str, Callable[[FaultServer, Request, asyncio.StreamWriter], Awaitable[None]]] = {
    "slow-headers": _slow_headers,
    "slow-body": _slow_body,
    "endless": _endless,
    "big": _big,
    "short": _short,
    "garbage": _garbage,
    "rst": _rst,
    "rst-body": _rst,
}


def main() -> None:
    folder = Path(sys.argv[1])
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with FaultServer(folder, port=port) as server, contextlib.suppress(KeyboardInterrupt):
        print(f"{server.url}/files/", flush=True)
        server.wait()


if __name__ == "__main__":
    main()
