"""A headless Chromium and its DevTools protocol over two pipes: JSON, each message ends in NUL."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Browser", "BrowserGoneError"]

_ARGUMENTS: Final = (
    "--headless",
    "--remote-debugging-pipe",
    # WebGL in software: the machine may have no graphics card.
    "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
_READ_FROM, _WRITE_TO = 3, 4  # the descriptors that Chromium listens and answers on
_CLEAR: Final = 10
"""Ours lie above, so that they are not what they are put in place of."""


class BrowserGoneError(Exception):
    """The browser ended, went silent or refused; says which."""


class Browser:
    """One browser process, from `with` to its end.

    `seconds`: for everything it is asked, together. Every method raises BrowserGoneError.
    """

    def __init__(self, program: str, profile: Path, size: tuple[int, int], seconds: float) -> None:
        self._command = [
            program,
            *_ARGUMENTS,
            # Chromium refuses to run as root with its sandbox.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            f"--user-data-dir={profile}",
            f"--window-size={size[0]},{size[1]}",
            "about:blank",
        ]
        self._ends = time.monotonic() + seconds
        self._last = 0
        self._unread = b""
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        theirs_in, self._to = _pipe()
        self._from, theirs_out = _pipe()
        null = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
        try:
            self._pid = os.posix_spawn(
                self._command[0],
                self._command,
                dict(os.environ),
                file_actions=[
                    null,
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                    (os.POSIX_SPAWN_DUP2, theirs_in, _READ_FROM),
                    (os.POSIX_SPAWN_DUP2, theirs_out, _WRITE_TO),
                ],
                setpgroup=0,  # so that all of its processes can be ended
            )
        except OSError as error:
            _close(self._to, self._from)
            raise BrowserGoneError(f"it does not start ({error.strerror})") from error
        finally:
            _close(theirs_in, theirs_out)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _close(self._to, self._from)
        # It ends by itself when the pipes close; what hangs is ended.
        for _ in range(30):
            if os.waitpid(self._pid, os.WNOHANG)[0]:
                break
            time.sleep(0.1)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def ask(self, method: str, parameters: dict[str, Any], session: str = "") -> dict[str, Any]:
        """Call a method and return its result."""
        self._last += 1
        call: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if session:
            call["sessionId"] = session
        self._send(json.dumps(call).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._last:
                break
            self._events.append(message)
        if "error" in message:
            raise BrowserGoneError(f"{method}: {message['error'].get('message')}")
        result: dict[str, Any] = message["result"]
        if "exceptionDetails" in result or "errorText" in result:
            raise BrowserGoneError(f"{method}: {result.get('errorText', 'the script failed')}")
        return result

    def wait_for(self, event: str) -> None:
        """Wait until an event was reported."""
        while not any(message.get("method") == event for message in self._events):
            self._events.append(self._next())

    def _send(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._to, data) :]
        except OSError as error:
            raise BrowserGoneError("it ended by itself") from error

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            left = self._ends - time.monotonic()
            if left <= 0 or not select.select([self._from], [], [], left)[0]:
                raise BrowserGoneError("it took too long")
            read = os.read(self._from, 1 << 20)
            if not read:
                raise BrowserGoneError("it ended by itself")
            self._unread += read
        raw, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        return message


def _pipe() -> tuple[int, int]:
    """A pipe whose descriptors lie out of the way and are not passed on by themselves."""
    low = os.pipe()
    try:
        high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _CLEAR) for one in low]
    finally:
        _close(*low)
    return high[0], high[1]


def _close(*descriptors: int) -> None:
    for one in descriptors:
        os.close(one)
