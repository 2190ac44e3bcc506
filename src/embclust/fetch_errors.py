"""Why a download failed, in words, and whether another attempt makes sense."""

from __future__ import annotations

import socket
import ssl
import zlib
from typing import TYPE_CHECKING, Final

from embclust.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FailedError", "explain", "inflate", "too_large"]

_PIECE: Final = 65_536


class FailedError(Exception):
    """One failed attempt. `wait`: seconds the server asked for before the next."""

    def __init__(
        self, reason: str, kind: str, retryable: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.retryable = retryable
        self.wait = wait


def too_large(cap: int) -> FailedError:
    """The body is longer than `images.max_bytes`."""
    return FailedError(f"too large (more than {cap:,} bytes, images.max_bytes)", "too large")


def explain(error: Exception, host: str, deadline: float) -> FailedError:
    """Name the cause of an exception that ended an attempt at `host`."""
    import httpcore
    import httpx

    if isinstance(error, FailedError):
        return error
    for cause in _causes(error):
        if (named := _root_cause(cause, host)) is not None:
            return named
    if isinstance(error, TimeoutError | httpx.TimeoutException | httpcore.TimeoutException):
        return FailedError(f"deadline of {deadline:g} s passed", "deadline", retryable=True)
    words = redact(str(error)) or type(error).__name__
    if "location header" in words:  # httpx reads it before we can
        return FailedError("redirect to what is not a valid URL", "redirects")
    for kind, classes in (
        ("cannot connect", (httpx.ConnectError, httpcore.ConnectError)),
        ("broken answer", (httpx.RemoteProtocolError, httpcore.RemoteProtocolError)),
        ("proxy error", (httpx.ProxyError, httpcore.ProxyError)),
        ("connection broken", (httpx.NetworkError, httpcore.NetworkError, OSError)),
    ):
        if isinstance(error, classes):
            return FailedError(f"{kind} ({host}: {words})", kind, retryable=True)
    return FailedError(f"{type(error).__name__}: {words}", type(error).__name__)


def _root_cause(cause: BaseException, host: str) -> FailedError | None:
    from embclust.fetch_guard import PrivateAddressError

    if isinstance(cause, PrivateAddressError):
        reason = f"private address {cause} (images.allow_private_hosts lets it through)"
        return FailedError(reason, "private address")
    if isinstance(cause, socket.gaierror):
        return FailedError(f"DNS: {host}: {cause.strerror or cause}", "dns", retryable=True)
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLWantReadError):
        words = getattr(cause, "verify_message", "") or cause.reason or str(cause)
        return FailedError(f"TLS error at {host}: {words}", "tls", retryable=True)
    if isinstance(cause, ConnectionRefusedError):
        return FailedError(f"connection refused by {host}", "refused", retryable=True)
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and what led to it, also where a library wrote `raise ... from None`."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def inflate(body: bytes, encoding: str, cap: int) -> bytes:
    """Undo a compression that the server was asked not to use, without ever exceeding the cap.

    The length is counted first and the bytes kept in a second pass: a bomb costs no memory.
    Raises FailedError.
    """
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise FailedError(f"sent as '{encoding[:20]}', which was not asked for", "encoding")
    try:
        size = 0
        for piece in _inflated(body):
            size += len(piece)
            if size > cap:
                raise too_large(cap)
        return b"".join(_inflated(body))
    except zlib.error as error:
        raise FailedError(f"broken {encoding} body ({error})", "encoding") from error


def _inflated(body: bytes) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=47)  # 47: gzip or zlib, whichever it is
    rest = body
    while not decoder.eof:
        piece = decoder.decompress(rest, _PIECE)
        if not piece and not decoder.unconsumed_tail and not decoder.eof:
            raise zlib.error("incomplete")
        rest = decoder.unconsumed_tail
        yield piece
