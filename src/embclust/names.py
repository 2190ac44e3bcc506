"""Makes any text fit to be a cluster's name. Pure: no state, no imports of the package."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

__all__ = ["NAME_LIMIT", "clean_name"]

NAME_LIMIT: Final = 40
"""Characters a name may have: what fits into a legend."""

_MOST_READ: Final = 2000
_ESCAPE: Final = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # an operating system command, such as a link
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # a control sequence, such as a colour
    r"|\x1b."
)
_HIDDEN: Final = re.compile(
    r"<(script|style)\b[^>]*>.*?(?:</\1\s*>|$)|<!--.*?(?:-->|$)", re.IGNORECASE | re.DOTALL
)
_TAG: Final = re.compile(r"</?[a-z!?][^<>]*>|<(?=[a-z/!?])", re.IGNORECASE)
_LEAD: Final = re.compile(r"^(?:[#>*+\u2022\u2013\u2014-]+\s+|\d{1,2}[.)]\s+)+")
_EMPHASIS: Final = re.compile(r"(\*\*|__|`+)(?=\S)(.+?)(?<=\S)\1")
_OPENING: Final = "\"'`*\u201c\u201e\u2018\u00ab\u2039\u300c\u300e"
_CLOSING: Final = "\"'`*\u201d\u201c\u2019\u00bb\u203a\u300d\u300f"
_PAIRS: Final = dict(zip(_OPENING, _CLOSING, strict=True))
"""Opening and closing quotes, of several languages."""
_LOOSE_QUOTES: Final = '"“”„«»`'
_TRAILING: Final = " \t.,;:\u3001\u3002\uff0c\uff1b\uff1a-\u2013\u2014/&|\u00b7"
_JOINERS: Final = "\u200c\u200d"


def clean_name(text: str, limit: int = NAME_LIMIT) -> str | None:
    """Return the text as a name: one line of at most `limit` characters, or None.

    Markup, control and invisible characters and surrounding quotes are taken away, runs of white
    space become one space, and what is too long is cut between two words. None when no letter,
    digit or symbol is left. Cleaning a clean name changes nothing.
    """
    text = text[:_MOST_READ]
    for _ in range(20):  # taking one layer away can bring another to light: "<<b>b>"
        cleaned = _cut(_unwrap(_one_line(text)), limit)
        if cleaned == text:
            break
        text = cleaned
    if any(unicodedata.category(char)[0] in "LN" or _is_picture(char) for char in text):
        return text
    return None


def _is_picture(char: str) -> bool:
    return unicodedata.category(char) == "So"


def _one_line(text: str) -> str:
    text = html.unescape(_ESCAPE.sub("", text))
    text = _TAG.sub(" ", _HIDDEN.sub(" ", text))
    text = "".join(" " if char in "\t\n\r\v\f\u2028\u2029" else char for char in text)
    visible = (char for char in text if unicodedata.category(char)[0] != "C" or char in _JOINERS)
    return " ".join(unicodedata.normalize("NFC", "".join(visible)).split())


def _unwrap(text: str) -> str:
    text = _EMPHASIS.sub(r"\2", _LEAD.sub("", text))
    text = text.strip(_JOINERS + " ")
    if len(text) > 1 and _PAIRS.get(text[0]) == text[-1]:
        text = text[1:-1]
    return text.strip(_LOOSE_QUOTES + " ").rstrip(_TRAILING)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    end = text.rfind(" ", 0, limit + 1)
    if end < limit // 3:  # one very long word: better a part of it than next to nothing
        end = limit
        while end > 1 and (unicodedata.combining(text[end]) or text[end] in "\u200d\ufe0f"):
            end -= 1
    return text[:end].rstrip(_TRAILING)
