"""Names from a language model behind any OpenAI-compatible address."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from embclust.data import NamingCall, NamingPlan
from embclust.namers import _prompt
from embclust.namers._chat import (
    DEFAULT_URL,
    Chat,
    checked_key,
    checked_url,
    host_of,
    require_key,
)
from embclust.namers._stage import Stage
from embclust.namers.keywords import KeywordsNamer
from embclust.names import NAME_LIMIT, clean_name

if TYPE_CHECKING:
    from embclust.data import ClusterSample, ContactSheet
    from embclust.namers._prompt import Messages
    from embclust.namers._reply import Reply
    from embclust.protocols import Memory

__all__ = ["OpenAINamer"]

_NEIGHBOURS = 3
_REPLY_TOKENS = 25
"""A name in its JSON, roughly. Models that think aloud use more, up to `max_tokens`."""


@dataclass(frozen=True, slots=True)
class _Question:
    """`key`: what its answer is kept under; `blind_key`: that of an answer without the picture."""

    chat: Messages
    sheet: ContactSheet | None
    key: str
    blind_key: str


class OpenAINamer:
    """Asks a chat model for each cluster's name; one failed cluster never costs the others.

    Larger clusters first. After `name`, `reasons` says for every cluster that was left out why,
    in one line without secrets. A server that cannot work at all (no connection, wrong key,
    unknown model, three failures in a row) is not asked again, and the whole stage ends at the
    deadline. Answers are kept in the memory as they come; what is in it is not asked again.

    Raises SettingsError at construction for an address or a key that cannot be used, and before
    the first question where OpenAI itself is to be asked without a key.
    """

    needs: ClassVar = ("memory", "contact_sheet", "advance")
    unnoticed: ClassVar = frozenset(
        {"timeout", "retries", "deadline", "concurrency", "max_calls", "price_in", "price_out"}
    )

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
        max_calls: int | None = Field(
            None, ge=0, description="Most questions in one run; the rest get keyword names."
        )
        language: str = Field("English", min_length=1, description="Language of the names.")
        domain: str = Field("", description="What the items are, such as 'museum objects'.")
        samples: int = Field(
            12, ge=1, le=100, description="Typical rows of a cluster that the model is shown."
        )
        characters: int = Field(
            200, ge=10, le=2000, description="Characters shown of each of these rows."
        )
        pictures: bool = Field(
            False, description="Also show the rows' pictures, to a model that sees."
        )
        price_in: float | None = Field(
            None, ge=0, description="Price of a million tokens sent, for --dry-run."
        )
        price_out: float | None = Field(
            None, ge=0, description="Price of a million tokens of reply, for --dry-run."
        )

    def __init__(
        self,
        options: Options,
        *,
        memory: Memory | None = None,
        contact_sheet: Callable[[ClusterSample, int], ContactSheet | None] = lambda *_: None,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._options = options
        self._url = checked_url(options.base_url)
        secret = options.api_key.get_secret_value() if options.api_key is not None else None
        self._key = checked_key(secret)
        self._memory = memory
        self._contact_sheet = contact_sheet
        self._advance = advance
        self.reasons: dict[int, str] = {}
        self.notes: list[str] = []

    def plan(self, samples: Sequence[ClusterSample]) -> NamingPlan:
        """Return exactly what `name` would send, were every reply usable. Sends nothing."""
        o = self._options
        questions = self._questions(samples)
        known = [n for n, question in questions.items() if self._recall(question)]
        open_ = [n for n in questions if n not in known]
        calls = []
        for n in open_[: o.max_calls]:
            sheet, texts = questions[n].sheet, _prompt.written(questions[n].chat)
            tokens = _prompt.estimate_tokens(texts, sheet)
            pictures = sheet.ids if sheet is not None else []
            calls.append(NamingCall(n, texts, pictures, tokens, min(_REPLY_TOKENS, o.max_tokens)))
        price = None
        if o.price_in is not None and o.price_out is not None:
            sent, received = (sum(c.tokens_in for c in calls), sum(c.tokens_out for c in calls))
            price = round((sent * o.price_in + received * o.price_out) / 1e6, 6)
        return NamingPlan(host_of(self._url), o.model, calls, known, open_[len(calls) :], price)

    def name(self, samples: Sequence[ClusterSample]) -> dict[int, list[str]]:
        """Return candidate names per cluster number; those without are in `reasons`."""
        self.reasons, self.notes = {}, []
        ends = time.monotonic() + self._options.deadline
        questions = self._questions(samples)
        names: dict[int, list[str]] = {}
        for n, question in questions.items():
            found = self._recall(question)
            if found:
                names[n] = found
        self._advance(len(names))
        todo = {n: question for n, question in questions.items() if n not in names}
        if todo:
            names |= self._ask(todo, ends)
        return {n: names[n] for n in sorted(names)}

    def _ask(self, questions: dict[int, _Question], ends: float) -> dict[int, list[str]]:
        import openai

        require_key(self._key, self._url)
        o = self._options
        client = openai.OpenAI(api_key=self._key, base_url=self._url, max_retries=o.retries)
        chat = Chat(
            client,
            model=o.model,
            key=self._key,
            url=self._url,
            max_tokens=o.max_tokens,
            temperature=o.temperature,
        )
        stage = Stage(chat, o.timeout, ends, o.max_calls)
        names: dict[int, list[str]] = {}

        def arrived(cluster: int, reply: Reply | None) -> None:
            self._advance(1)
            if reply is not None and reply.names:
                names[cluster] = reply.names
                self._keep(questions[cluster], reply.names, blind=chat.blind)
            elif reply is not None:
                self.reasons[cluster] = chat.redact(reply.reason)

        chats = {n: question.chat for n, question in questions.items()}
        try:
            stage.run(chats, o.concurrency, arrived)
        finally:
            client.close()
        late = f"no name within {o.deadline:g} s (name.deadline)"
        if stage.spent:
            late = f"name.max_calls ({o.max_calls}) was reached"
        for n in questions:
            if n not in names and n not in self.reasons:
                self.reasons[n] = chat.redact(stage.given_up) or late
        if chat.blind and any(question.sheet for question in questions.values()):
            self.notes.append(
                f"{host_of(self._url)} takes no pictures with '{chat.redact(o.model)}': "
                "it was asked with texts alone."
            )
        return names

    def _questions(self, samples: Sequence[ClusterSample]) -> dict[int, _Question]:
        """What there is to ask about the clusters that need a name, the largest first."""
        o = self._options
        keywords = KeywordsNamer(KeywordsNamer.Options()).name(samples)
        near = _prompt.neighbours(samples, _NEIGHBOURS) if samples else {}
        questions = {}
        for sample in sorted(samples, key=lambda sample: -sample.size):
            if not sample.needed:
                continue
            chat = _prompt.messages(
                sample,
                keywords,
                near[sample.cluster],
                items=o.samples,
                characters=o.characters,
                limit=NAME_LIMIT,
                language=o.language,
                domain=o.domain,
            )
            sheet = self._contact_sheet(sample, o.samples) if o.pictures else None
            shown = _prompt.examples(sample, o.samples, o.characters)
            blind_key = self._memory_key(chat, shown)
            pictured = chat if sheet is None else _prompt.with_picture(chat, sheet)
            key = self._memory_key(pictured, shown)
            questions[sample.cluster] = _Question(pictured, sheet, key, blind_key)
        return questions

    def _memory_key(self, chat: Messages, shown: list[str]) -> str:
        o = self._options
        asked = {
            "host": host_of(self._url),
            "model": o.model,
            "temperature": o.temperature,
            "max_tokens": o.max_tokens,
        }
        return _prompt.memory_key(chat, asked, shown)

    def _recall(self, question: _Question) -> list[str]:
        kept = self._memory.get(question.key) if self._memory is not None else None
        try:
            said = json.loads(kept or "[]")
        except ValueError:
            return []
        texts = [text for text in said if isinstance(text, str)] if isinstance(said, list) else []
        return [text for text in texts if clean_name(text, NAME_LIMIT) == text]

    def _keep(self, question: _Question, names: list[str], *, blind: bool) -> None:
        if self._memory is None:
            return
        # A server that refuses pictures will do so again: asking it anew would only cost.
        keys = {question.key, question.blind_key} if blind else {question.key}
        for key in sorted(keys):
            self._memory.put(key, json.dumps(names, ensure_ascii=False))
