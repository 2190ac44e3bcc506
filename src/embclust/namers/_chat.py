"""One question to an OpenAI-compatible server, in the dialect that this server understands."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from embclust.errors import SettingsError
from embclust.namers._prompt import NAME_SCHEMA, without_pictures
from embclust.names import clean_name

if TYPE_CHECKING:
    import openai

    from embclust.namers._prompt import Messages

__all__ = ["Chat", "ChatError", "Dialect", "checked_key", "checked_url", "host_of", "require_key"]

NO_KEY: Final = "none"
"""A local server takes any key; the library insists on one."""
DEFAULT_URL: Final = "https://api.openai.com/v1"
_KEY_LIKE: Final = re.compile(r"\b(?:sk|gsk|xai)[-_][\w*.-]{4,}|\bBearer\s+\S+", re.IGNORECASE)
_NOT_UNDERSTOOD: Final = (400, 422, 501)
"""What servers answer to a request format that they do not know."""
_OF_PICTURES: Final = re.compile(
    r"\b(image|vision|visual|multi-?modal|mmproj|picture)", re.IGNORECASE
)
"""A refusal to see. Servers give it any code: 400, 404 (OpenRouter), 415, 500 (llama.cpp)."""


class ChatError(Exception):
    """No reply. `reason` is one line without secrets.

    `fatal`: every further question would fail in the same way; `silent`: nothing was heard of
    the server at all.
    """

    def __init__(self, reason: str, *, fatal: bool = False, silent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fatal = fatal
        self.silent = silent


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a request is put: what servers differ in."""

    output: Literal["json_schema", "json_object", "plain"] = "json_schema"
    limit_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    with_temperature: bool = True
    with_pictures: bool = True

    def simpler(self, status: int, complaint: str, *, pictured: bool) -> Dialect | None:
        """Return the next dialect to try after a server refused this one; None: no more.

        `pictured`: there is a picture in the question.
        """
        seeing = pictured and self.with_pictures
        if seeing and _OF_PICTURES.search(complaint):
            return replace(self, with_pictures=False)
        if status not in _NOT_UNDERSTOOD:
            return None
        if "max_completion_tokens" in complaint and self.limit_key == "max_tokens":
            return replace(self, limit_key="max_completion_tokens")
        if "temperature" in complaint and self.with_temperature:
            return replace(self, with_temperature=False)
        return self._plainer(seeing=seeing)

    def _plainer(self, *, seeing: bool) -> Dialect | None:
        if self.output == "json_schema":
            return replace(self, output="json_object")
        if self.output == "json_object":
            return replace(self, output="plain")
        # The format was not it, then: with words alone the best one may do.
        return replace(self, with_pictures=False, output="json_schema") if seeing else None

    def request(self, max_tokens: int, temperature: float) -> dict[str, Any]:
        """Return the request's parameters in this dialect."""
        request: dict[str, Any] = {self.limit_key: max_tokens}
        if self.with_temperature:
            request["temperature"] = temperature
        if self.output == "json_schema":
            schema = {"name": "group_name", "strict": True, "schema": NAME_SCHEMA}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self.output == "json_object":
            request["response_format"] = {"type": "json_object"}
        return request


def checked_url(url: str | None) -> str:
    """Return the server's address without surrounding blanks.

    Raises SettingsError: the library calls every mistake in it just "Connection error.".
    """
    stripped = (url or DEFAULT_URL).strip()
    try:
        parts = urlsplit(stripped)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not stripped.isascii() or any(char.isspace() for char in stripped):
        raise SettingsError(
            "name.base_url is not an http or https address.",
            "Give one such as http://localhost:8080/v1.",
        )
    return stripped


def require_key(key: str, url: str) -> None:
    """Raise SettingsError where OpenAI itself is to be asked without a key."""
    if key == NO_KEY and urlsplit(url).hostname == urlsplit(DEFAULT_URL).hostname:
        raise SettingsError(
            "name.api_key is not set, and OpenAI's server wants one.",
            "Set OPENAI_API_KEY in the environment, or name.base_url to a local server.",
        )


def checked_key(key: str | None) -> str:
    """Return the key without surrounding blanks and line ends; "none" where there is none.

    Raises SettingsError when it cannot be sent.
    """
    stripped = (key or "").strip()
    if not stripped:
        return NO_KEY
    if not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        raise SettingsError(
            "name.api_key holds a character that cannot be in a key.",
            "Copy the key again; quotes, blanks and line breaks do not belong to it.",
        )
    return stripped


def host_of(url: str) -> str:
    """Return host and port of an address, without a password."""
    return urlsplit(url).netloc.rpartition("@")[2]


class Chat:
    """Asks, with the dialect that worked last. Safe to use from several threads."""

    def __init__(
        self,
        client: openai.OpenAI,
        *,
        model: str,
        key: str,
        url: str,
        max_tokens: int,
        temperature: float,
    ) -> None:
        self._client = client
        self._model = model
        self._max_tokens = max_tokens
        self._temperature = temperature
        parts = urlsplit(url)
        self._host = host_of(url)
        self._secrets = sorted(
            {text for text in (key, parts.username, parts.password) if text and len(text) > 3},
            key=len,
            reverse=True,
        )
        self._dialect = Dialect()
        self._lock = threading.Lock()

    @property
    def blind(self) -> bool:
        """Whether the server has refused pictures."""
        with self._lock:
            return not self._dialect.with_pictures

    def ask(self, chat: Messages, timeout: float) -> object:
        """Return the server's reply, unread. `timeout`: seconds for one attempt.

        Where the server takes no pictures it is asked without them.

        Raises ChatError.
        """
        with self._lock:
            dialect = self._dialect
        while True:
            reply = self._create(chat, dialect, timeout)
            if not isinstance(reply, Dialect):
                with self._lock:
                    self._dialect = dialect
                return reply
            dialect = reply

    def _create(self, chat: Messages, dialect: Dialect, timeout: float) -> object | Dialect:
        """Return the reply, or the dialect to try next because this one was not understood."""
        import openai

        plain = without_pictures(chat)
        try:
            return self._client.chat.completions.create(
                model=self._model,
                messages=chat if dialect.with_pictures else plain,  # type: ignore[arg-type]  # plain dicts are its TypedDicts
                timeout=timeout,
                **dialect.request(self._max_tokens, self._temperature),
            )
        except openai.APIStatusError as error:
            simpler = dialect.simpler(error.status_code, str(error.message), pictured=plain != chat)
            if simpler is not None:
                return simpler
            raise self._status_error(error) from error
        except openai.APITimeoutError as error:
            reason = f"{self._host} did not answer within {timeout:.0f} s"
            raise ChatError(reason, silent=True) from error
        except openai.APIConnectionError as error:
            raise ChatError(self._unreachable(error), silent=True) from error
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, KeyError) as error:
            # A reply that is not JSON at all comes as json's own error, and worse.
            reason = f"{self._host} sent a reply that cannot be read ({type(error).__name__})"
            raise ChatError(reason) from error

    def redact(self, text: str) -> str:
        """Return the text as one short line without the key, whole or as a server echoes it."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return clean_name(_KEY_LIKE.sub("***", text), 160) or ""

    def _status_error(self, error: openai.APIStatusError) -> ChatError:
        code = error.status_code
        if code in (401, 403):
            return ChatError(f"{self._host} refused the key ({code})", fatal=True)
        said = self.redact(_said(error))
        if code == 404:
            what = f"{self._host} knows no model '{self.redact(self._model)}' at this address (404)"
            return ChatError(what, fatal=True)
        # 429 comes after the library's own retries: far too fast, or nothing left to spend.
        spent = code == 402 or error.code == "insufficient_quota"
        return ChatError(f"{self._host} answered {code}: {said}", fatal=spent)

    def _unreachable(self, error: BaseException) -> str:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        said = self.redact(str(cause))
        return f"cannot reach {self._host} ({type(cause).__name__}{': ' + said if said else ''})"


def _said(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict) and isinstance(inner.get("message"), str):
            return str(inner["message"])
        if isinstance(inner, str):
            return inner
    return "no reason given"
