"""Reads a name out of whatever a chat server sent back. Never raises."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from embclust.names import NAME_LIMIT, clean_name

__all__ = ["Reply", "parse_reply"]

_THOUGHT: Final = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.IGNORECASE | re.DOTALL)
_OPEN_THOUGHT: Final = re.compile(r"<(think|thinking|reasoning)>.*", re.IGNORECASE | re.DOTALL)
_FENCE: Final = re.compile(r"```[a-z]*\s*\n?(.*?)(?:```|$)", re.IGNORECASE | re.DOTALL)
_LABEL: Final = re.compile(
    r"^(?:the\s+)?(?:short\s+)?(?:cluster\s+|group\s+)?(?:name|title|label|answer)"
    r"(?:\s+is)?\s*[:=]\s*",
    re.IGNORECASE,
)
_NO_NAME: Final = re.compile(
    r"(?:cluster|group|name|category|topic)?[\s#_-]*\d*|n/?a|none|null|unknown|unnamed|untitled"
    r"|undefined|string|(?:short\s+)?(?:cluster\s+)?(?:name|title|label)|i'?m sorry.*|sorry\b.*"
    r"|i can(?:'|no)?t\b.*|as an ai\b.*",
    re.IGNORECASE,
)
_KEYS: Final = ("name", "names", "cluster_name", "title", "label", "category", "answer")
_MORE_KEYS: Final = ("alternatives", "alternates", "candidates")
_MOST_READ: Final = 20_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a reply.

    `names`: clean names, best first; empty when there is none. `reason`: why there is none.
    `kind`: "name"; "unusable" (asking again may help); "refused" (it will not); "foreign" (this
    is no chat completion at all: the address is wrong). `content`: the text the model wrote.
    """

    names: list[str]
    reason: str = ""
    kind: Literal["name", "unusable", "refused", "foreign"] = "name"
    content: str = ""


def parse_reply(response: object, limit: int = NAME_LIMIT) -> Reply:
    """Return the names in a chat completion, or the reason why there is none.

    Takes anything: an `openai` object, a dict, text, None. Names that are a little too long are
    cut between two words; more than twice the limit is no name.
    """
    if isinstance(response, bytes | str):
        what = "an HTML page" if "<" in str(response[:200]) else "plain text"
        return Reply([], f"the server sent {what} instead of a chat completion", "foreign")
    choices = _get(response, "choices")
    if not isinstance(choices, list | tuple) or not choices:
        kind: Literal["unusable", "foreign"] = "unusable"
        if choices is None and _get(response, "model") is None:
            kind = "foreign"
        return Reply([], "the reply has no choices", kind)
    message = _get(choices[0], "message")
    stop = _get(choices[0], "finish_reason")
    if _get(message, "refusal"):
        return Reply([], "the model refused", "refused")
    if stop == "content_filter":
        return Reply([], "the server's content filter stopped the reply", "refused")
    content = _text(_get(message, "content"))
    if not content.strip():
        return Reply([], "the reply is empty" + _cut_note(stop), "unusable")
    return _read(content[:_MOST_READ], stop, limit)


def _get(source: object, key: str) -> Any:
    """A field of a dict or an object; servers send both less than and other than promised."""
    if isinstance(source, dict):
        return source.get(key)
    return getattr(source, key, None)


def _text(content: object) -> str:
    """Message content is text, or a list of parts that hold text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list | tuple):
        parts = [part if isinstance(part, str) else _get(part, "text") for part in content]
        return "".join(part for part in parts if isinstance(part, str))
    if isinstance(content, dict):
        return json.dumps(content, default=str)
    return ""


def _cut_note(stop: object) -> str:
    return " (cut off: it reached name.max_tokens)" if stop == "length" else ""


def _read(content: str, stop: object, limit: int) -> Reply:
    text = _OPEN_THOUGHT.sub("", _THOUGHT.sub("", content)).strip()
    if not text:
        return Reply([], "the reply holds only thoughts" + _cut_note(stop), "unusable", content)
    fenced = _FENCE.search(text)
    body = fenced[1].strip() if fenced else text
    found, is_json = _from_json(body)
    if not is_json:
        if body.lstrip().startswith(("{", "[")):
            reason = "the reply is not valid JSON" + _cut_note(stop)
            return Reply([], reason, "unusable", content)
        if stop == "length":
            return Reply([], "the reply was cut off at name.max_tokens", "unusable", content)
        found = _from_lines(body)
    if not found:
        return Reply([], "the reply holds no name", "unusable", content)
    names: list[str] = []
    for candidate in found:
        name = clean_name(candidate, limit) if len(candidate) <= 2 * limit else None
        if name is not None and not _NO_NAME.fullmatch(name) and name not in names:
            names.append(name)
    if names:
        return Reply(names, content=content)
    too_long = any(len(candidate) > 2 * limit for candidate in found)
    reason = f"the name is longer than {limit} characters" if too_long else "the name says nothing"
    return Reply([], reason, "unusable", content)


def _from_json(text: str) -> tuple[list[str], bool]:
    """Return the texts under the known keys of the first JSON value, and whether there is one."""
    starts = [place for place in (text.find("{"), text.find("[")) if place >= 0]
    start = 0 if text.startswith('"') else min(starts, default=-1)
    if start < 0:
        return [], False
    try:
        value, _ = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError):
        return [], False
    return _strings(value, 0), True


def _strings(value: object, depth: int) -> list[str]:
    if isinstance(value, str):
        return [value]
    if depth > 3:
        return []
    if isinstance(value, list):
        return [text for part in value[:10] for text in _strings(part, depth + 1)]
    if isinstance(value, dict):
        lower = {str(key).casefold(): part for key, part in value.items()}
        main = next((lower[key] for key in _KEYS if key in lower), None)
        if main is None and len(lower) == 1:
            main = next(iter(lower.values()))
        found = _strings(main, depth + 1)
        for key in _MORE_KEYS:
            found.extend(_strings(lower.get(key), depth + 1))
        return found
    return []


def _from_lines(text: str) -> list[str]:
    """The first line that could be a name: not an announcement ('Here is a name:')."""
    # Marks of emphasis can stand between a label and the name: "**Name:** Watches".
    bare = (re.sub(r"[*`#]+", "", line).strip() for line in text.splitlines())
    lines = [line for line in bare if line]
    labelled = [_LABEL.sub("", line) for line in lines if _LABEL.match(line)]
    labelled = [line for line in labelled if line]
    if labelled:
        return labelled[:1]
    return [line for line in lines if not line.endswith(":")][:1]
