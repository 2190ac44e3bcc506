"""Which network addresses a download may reach, checked where the connection is made.

A table is untrusted: a URL in it, or a redirect behind one, must not reach this machine or its
network. Names are resolved here, every address of the answer is vetted, and the connection goes
to the vetted address itself, so that a second DNS answer cannot swap it (DNS rebinding). TLS
still checks the certificate against the host's name.

Through a proxy the proxy resolves the names: then only literal addresses (in any notation) and
names that always mean this machine can be refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import select
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

import httpcore
import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterable

    from embclust.config import ImagesSettings

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Resolver = Callable[[str, int], list[str]]

__all__ = ["PrivateAddressError", "check_host", "is_public", "make_client", "resolve"]

# `is_global` is True for these, yet they lead to an embedded IPv4 address or to a translator.
_TUNNELS: Final = tuple(
    ipaddress.ip_network(net)
    for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)
_CONNECT_SECONDS: Final = 5.0
"""How long one of several addresses may take before the next is tried."""


class PrivateAddressError(Exception):
    """The address, or the name behind it, is not a public one."""


def is_public(address: Address) -> bool:
    """True when the address is an ordinary unicast address of the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.is_site_local or any(address in net for net in _TUNNELS):
            return False
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or address.is_loopback
        or address.is_link_local
    )


def literal_address(host: str) -> Address | None:
    """The address that a host is written as, None for a name. Knows 2130706433, 0x7f.1, 127.1."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def check_host(host: str) -> None:
    """Refuse a host that can be seen to be private without asking DNS.

    Raises PrivateAddressError.
    """
    address = literal_address(host)
    if address is not None and not is_public(address):
        raise PrivateAddressError(str(address))
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        raise PrivateAddressError(name)


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as text, in the system's order of preference.

    Raises socket.gaierror.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _resolve_in_thread(resolver: Resolver, host: str, port: int) -> list[str]:
    """Run the resolver in a daemon thread: a name server that hangs must not hold up the exit."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(result: list[str] | Exception) -> None:
        if answer.done():
            return
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def work() -> None:
        result: list[str] | Exception
        try:
            result = resolver(host, port)
        except Exception as error:  # noqa: BLE001 - it is handed to the waiting coroutine
            result = error
        # RuntimeError: the loop was closed while the name server made us wait.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=work, name="embclust-dns", daemon=True).start()
    return await answer


class _Stream(httpcore.AsyncNetworkStream):
    """A connection, with two repairs to httpcore 1.0.

    It does not stay open when a deadline cancels its TLS handshake: httpcore closes it only after
    an `Exception`, and a cancellation is none. And it tells cheaply whether the server has hung
    up, which the pool asks of every idle connection twice per request.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._socket = inner.get_extra_info("socket")

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return _is_readable(self._socket)
        return self._inner.get_extra_info(info)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _Stream(await self._inner.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            await self._inner.aclose()
            raise


def _is_readable(connection: socket.socket) -> bool:
    """True when there is something to read, which on an idle connection means its end."""
    descriptor = connection.fileno()
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, vets every address, and connects to the vetted one."""

    def __init__(self, allow_private: bool, resolver: Resolver) -> None:
        self._allow_private = allow_private
        self._resolver = resolver
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises PrivateAddressError, socket.gaierror, httpcore.ConnectError."""
        addresses = await _resolve_in_thread(self._resolver, host, port)
        if not self._allow_private:
            for address in addresses:
                if not is_public(ipaddress.ip_address(address)):
                    raise PrivateAddressError(address)
        error: Exception = socket.gaierror(socket.EAI_NONAME, f"no address for {host}")
        for n, address in enumerate(addresses, start=1):
            wait = timeout if n == len(addresses) else _CONNECT_SECONDS
            try:
                return _Stream(
                    await self._inner.connect_tcp(
                        address, port, wait, local_address, socket_options
                    )
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error

    async def sleep(self, seconds: float) -> None:
        """Part of httpcore's interface."""
        await asyncio.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class GuardedTransport(httpx.AsyncBaseTransport):
    """An httpx transport over a pool whose connections go through GuardedBackend.

    Raises httpcore's exceptions where httpx's own transport would raise httpx's.
    """

    def __init__(self, settings: ImagesSettings, resolver: Resolver) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=2 * settings.workers,
            max_keepalive_connections=settings.workers,
            keepalive_expiry=30.0,
            network_backend=GuardedBackend(settings.allow_private_hosts, resolver),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; no redirects, no retries."""
        response = await self._pool.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response.stream),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


def make_client(settings: ImagesSettings, resolver: Resolver = resolve) -> httpx.AsyncClient:
    """Build the client that downloads pictures: guarded, without cookies or environment.

    Its own timeouts are off: `fetch` sets one deadline for the whole attempt, and a fixed number
    of workers keeps the pool from running dry.
    """
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    from embclust import __version__

    transport: httpx.AsyncBaseTransport
    if settings.proxy:
        limits = httpx.Limits(
            max_connections=2 * settings.workers, max_keepalive_connections=settings.workers
        )
        transport = httpx.AsyncHTTPTransport(proxy=settings.proxy, limits=limits)
    else:
        transport = GuardedTransport(settings, resolver)
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        timeout=None,  # noqa: S113 - fetch's deadline covers the whole attempt
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={
            "User-Agent": settings.user_agent or f"embclust/{__version__} (picture indexer)",
            "Accept": "image/*,*/*;q=0.5",
            "Accept-Encoding": "identity",
        },
    )
