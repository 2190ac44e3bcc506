"""Puts many questions to one server: a few at a time, within a deadline and a number of calls."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

from embclust.namers._chat import Chat, ChatError
from embclust.namers._prompt import repair
from embclust.namers._reply import Reply, parse_reply
from embclust.names import NAME_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from embclust.namers._prompt import Messages

__all__ = ["Stage"]

_FAILURES_IN_A_ROW = 3


class Stage:
    """Works through all questions: the first alone, then several at a time, until the deadline.

    `most`: calls in all, repairs included; None for no limit.
    """

    def __init__(self, chat: Chat, timeout: float, ends: float, most: int | None) -> None:
        self._chat = chat
        self._timeout = timeout
        self._ends = ends
        self._left = most
        self._failures = 0
        self._heard = False
        self._lock = threading.Lock()
        self.given_up = ""
        """Why the server is not asked any more; empty while it is."""

    @property
    def spent(self) -> bool:
        """Whether a call was wanted and none was left."""
        return self._left is not None and self._left < 0

    def run(
        self,
        questions: dict[int, Messages],
        concurrency: int,
        arrived: Callable[[int, Reply | None], None],
    ) -> None:
        """Call `arrived`, in this thread, with each reply that comes in time, as soon as it does.

        None for a cluster that was not asked about any more.
        """
        todo = list(questions.items())
        self._parallel(todo[:1], 1, arrived)
        if not self.given_up:
            self._parallel(todo[1:], concurrency, arrived)

    def _parallel(
        self,
        todo: list[tuple[int, Messages]],
        threads: int,
        arrived: Callable[[int, Reply | None], None],
    ) -> None:
        waiting: queue.SimpleQueue[tuple[int, Messages]] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[int, Reply | None]] = queue.SimpleQueue()
        for question in todo:
            waiting.put(question)
        for _ in range(min(threads, len(todo))):
            # Daemons: a server that drips a byte a second must not hold the process at its end.
            threading.Thread(target=self._work, args=(waiting, done), daemon=True).start()
        missing = len(todo)
        try:
            while missing:
                got = done.get(timeout=max(self._ends - time.monotonic(), 0.0))
                missing -= 1
                arrived(*got)
        except queue.Empty:
            pass
        finally:  # also when a signal ends the wait: what came is paid for
            while not done.empty():
                arrived(*done.get_nowait())

    def _work(
        self,
        waiting: queue.SimpleQueue[tuple[int, Messages]],
        done: queue.SimpleQueue[tuple[int, Reply | None]],
    ) -> None:
        while True:
            try:
                cluster, question = waiting.get_nowait()
            except queue.Empty:
                return
            reply: Reply | None = None
            try:
                if not self.given_up:
                    reply = self._ask(question)
            except Exception as error:  # noqa: BLE001 - whatever it is, it costs one name only
                reply = Reply([], f"unexpected {type(error).__name__}", "unusable")
            finally:
                done.put((cluster, reply))

    def _ask(self, question: Messages) -> Reply | None:
        """Ask once, and once more when the reply was unusable.

        None: the deadline is over, or no call was left.
        """
        reply: Reply | None = None
        for _ in range(2):
            left = self._ends - time.monotonic()
            if left <= 0 or not self._may_call():
                return reply
            asked = question
            if reply is not None:
                asked = question + repair(reply.content, reply.reason, NAME_LIMIT)
            try:
                answer = self._chat.ask(asked, min(self._timeout, left))
            except ChatError as error:
                self._failed(error)
                return reply or Reply([], error.reason, "unusable")
            reply = parse_reply(answer)
            self._answered(reply)
            if reply.kind != "unusable":
                return reply
        return reply

    def _may_call(self) -> bool:
        with self._lock:
            if self._left is None:
                return True
            self._left -= 1
            return self._left >= 0

    def _failed(self, error: ChatError) -> None:
        """Give the server up when it cannot work, was never heard of, or fails in a row."""
        with self._lock:
            self._failures += 1
            hopeless = error.fatal or (error.silent and not self._heard)
            if hopeless or self._failures >= _FAILURES_IN_A_ROW:
                self.given_up = self.given_up or error.reason

    def _answered(self, reply: Reply) -> None:
        with self._lock:
            self._failures = 0
            self._heard = True
            if reply.kind == "foreign":
                self.given_up = self.given_up or f"{reply.reason}; is name.base_url right?"
