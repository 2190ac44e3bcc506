"""SIGINT, SIGTERM and SIGHUP: finish the batch in hand, or leave at once where nothing is half."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from embclust.errors import InterruptedRun

__all__ = ["StopFlag", "finish_batch", "leave_at_once"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopFlag:
    """Turns true when a signal asked to stop; says which."""

    def __init__(self) -> None:
        self.signum: int | None = None

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.signum is not None


@contextmanager
def finish_batch() -> Iterator[StopFlag]:
    """Within the block a signal sets the flag; a third one leaves at once."""
    flag = StopFlag()
    count = 0

    def handle(signum: int, _: FrameType | None) -> None:
        nonlocal count
        count += 1
        flag.signum = flag.signum or signum
        if count >= 3:
            raise InterruptedRun(flag.signum)

    with _handlers(handle):
        yield flag


@contextmanager
def leave_at_once() -> Iterator[None]:
    """Within the block a signal raises InterruptedRun: results are written whole or not at all."""

    def handle(signum: int, _: FrameType | None) -> None:
        raise InterruptedRun(signum)

    with _handlers(handle):
        yield


@contextmanager
def _handlers(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        # nohup: a hang-up that is ignored stays ignored.
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
