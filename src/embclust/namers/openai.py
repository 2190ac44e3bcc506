"""Names from a language model behind any OpenAI-compatible address."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from embclust.namers._chat import DEFAULT_URL, Chat, ChatError, checked_key, checked_url
from embclust.namers._prompt import messages, neighbours, repair
from embclust.namers._reply import Reply, parse_reply
from embclust.namers.keywords import KeywordsNamer
from embclust.names import NAME_LIMIT

if TYPE_CHECKING:
    from embclust.data import ClusterSample

    Messages = list[dict[str, str]]

__all__ = ["OpenAINamer"]

_FAILURES_IN_A_ROW = 3
_NEIGHBOURS = 3


class OpenAINamer:
    """Asks a chat model for each cluster's name; one failed cluster never costs the others.

    After `name`, `reasons` says for every cluster that was left out why, in one line without
    secrets. A server that cannot work at all (no connection, wrong key, unknown model, three
    failures in a row) is not asked again, and the whole stage ends at the deadline.

    Raises SettingsError at construction for an address or a key that cannot be used.
    """

    class Options(BaseModel):
        """Options of `name.kind: openai`."""

        model_config = ConfigDict(extra="forbid")

        model: str = Field("gpt-4o-mini", min_length=1, description="Which chat model.")
        base_url: str = Field(
            DEFAULT_URL, description="Address of any OpenAI-compatible server, with its /v1."
        )
        api_key: SecretStr | None = Field(
            None, description="The key; from the environment only (OPENAI_API_KEY)."
        )
        temperature: float = Field(
            0.0, ge=0, le=2, description="0 for names that stay the same from run to run."
        )
        max_tokens: int = Field(
            200, ge=8, description="Longest reply; models that think aloud need more."
        )
        timeout: float = Field(60.0, gt=0, description="Seconds for one attempt.")
        retries: int = Field(2, ge=0, le=10, description="Further attempts after a server error.")
        deadline: float = Field(300.0, gt=0, description="Seconds for naming all clusters.")
        concurrency: int = Field(4, ge=1, le=32, description="Questions under way at once.")
        language: str = Field("English", min_length=1, description="Language of the names.")
        domain: str = Field("", description="What the items are, such as 'museum objects'.")
        samples: int = Field(
            12, ge=1, le=100, description="Typical rows of a cluster that the model is shown."
        )
        characters: int = Field(
            200, ge=10, le=2000, description="Characters shown of each of these rows."
        )

    def __init__(self, options: Options) -> None:
        self._options = options
        self._url = checked_url(options.base_url)
        secret = options.api_key.get_secret_value() if options.api_key is not None else None
        self._key = checked_key(secret, self._url)
        self.reasons: dict[int, str] = {}

    def messages(self, samples: Sequence[ClusterSample]) -> dict[int, Messages]:
        """Return, per cluster number, exactly what would be sent. Sends nothing."""
        keywords = KeywordsNamer(KeywordsNamer.Options()).name(samples)
        near = neighbours(samples, _NEIGHBOURS) if samples else {}
        return {
            sample.cluster: messages(
                sample,
                keywords,
                near[sample.cluster],
                items=self._options.samples,
                characters=self._options.characters,
                limit=NAME_LIMIT,
                language=self._options.language,
                domain=self._options.domain,
            )
            for sample in samples
        }

    def name(self, samples: Sequence[ClusterSample]) -> dict[int, list[str]]:
        """Return candidate names per cluster number; those without are in `reasons`."""
        import openai

        self.reasons = {}
        if not samples:
            return {}
        ends = time.monotonic() + self._options.deadline
        client = openai.OpenAI(
            api_key=self._key, base_url=self._url, max_retries=self._options.retries
        )
        chat = Chat(
            client,
            model=self._options.model,
            key=self._key,
            url=self._url,
            max_tokens=self._options.max_tokens,
            temperature=self._options.temperature,
        )
        stage = _Stage(chat, self._options.timeout, ends)
        try:
            replies = stage.run(self.messages(samples), self._options.concurrency)
        finally:
            client.close()
        names: dict[int, list[str]] = {}
        for sample in samples:
            reply = replies.get(sample.cluster)
            if reply is not None and reply.names:
                names[sample.cluster] = reply.names
            elif reply is not None:
                self.reasons[sample.cluster] = chat.redact(reply.reason)
            else:
                late = f"no name within {self._options.deadline:g} s (name.deadline)"
                self.reasons[sample.cluster] = chat.redact(stage.given_up) or late
        return names


class _Stage:
    """Works through all questions: the first alone, then several at a time, until the deadline."""

    def __init__(self, chat: Chat, timeout: float, ends: float) -> None:
        self._chat = chat
        self._timeout = timeout
        self._ends = ends
        self._failures = 0
        self._heard = False
        self._lock = threading.Lock()
        self.given_up = ""
        """Why the server is not asked any more; empty while it is."""

    def run(self, questions: dict[int, Messages], concurrency: int) -> dict[int, Reply]:
        """Return the replies that came in time."""
        todo = list(questions.items())
        replies = self._parallel(todo[:1], 1)
        if not self.given_up:
            replies |= self._parallel(todo[1:], concurrency)
        return replies

    def _parallel(self, todo: list[tuple[int, Messages]], threads: int) -> dict[int, Reply]:
        waiting: queue.SimpleQueue[tuple[int, Messages]] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[int, Reply | None]] = queue.SimpleQueue()
        for question in todo:
            waiting.put(question)
        for _ in range(min(threads, len(todo))):
            # Daemons: a server that drips a byte a second must not hold the process at its end.
            threading.Thread(target=self._work, args=(waiting, done), daemon=True).start()
        replies: dict[int, Reply] = {}
        for _ in todo:
            try:
                cluster, reply = done.get(timeout=max(self._ends - time.monotonic(), 0.0))
            except queue.Empty:
                break
            if reply is not None:
                replies[cluster] = reply
        return replies

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
        """Ask once, and once more when the reply was unusable; None: the deadline is over."""
        reply: Reply | None = None
        for _ in range(2):
            left = self._ends - time.monotonic()
            if left <= 0:
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
