"""The one gate between any value and the page's HTML."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import urlsplit

__all__ = ["clean_text", "inert_script", "json_for_script", "safe_link"]

# Inside a script element only `</script`, `<!--` and `<script` matter; `>` and `&` are escaped
# too, so that the text is inert wherever it is pasted. U+2028/9 end a line in old JavaScript.
_ESCAPES: Final[dict[int, str]] = {
    ord(char): f"\\u{ord(char):04x}" for char in ("<", ">", "&", "\u2028", "\u2029")
}


def clean_text(value: str, limit: int) -> str:
    """Return text that is valid Unicode and at most `limit` characters long.

    Lone surrogates become U+FFFD (UTF-8 cannot carry them), control characters other than tab
    and newline are dropped, and what is cut off is marked by an ellipsis.
    """
    if not value.isascii():
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if not value.isprintable():
        value = "".join(c for c in value if c in "\t\n" or not (c < " " or "\x7f" <= c <= "\x9f"))
    return value if len(value) <= limit else value[: limit - 1].rstrip() + "…"


def json_for_script(value: object) -> str:
    """Serialise for a `<script type="application/json">` element.

    `JSON.parse` of the element's text gives the value back. Raises ValueError for NaN and
    infinities, which JSON has no words for, and for lone surrogates.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text.encode("utf-8")
    return text.translate(_ESCAPES)


def inert_script(text: str, name: str) -> str:
    """Return a script of ours as the browser reads it: the hash is of single line feeds.

    Raises ValueError when it holds text that would end or hide the script element around it.
    """
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError(f"{name} holds text that ends or hides a script element")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def safe_link(value: str | None) -> str | None:
    """Return an http(s) address that may be linked to, or None.

    Addresses with a user name or password in them are dropped: the page is made to be sent on.
    """
    if not value or len(value) > 2000 or not value.isprintable() or "\\" in value:
        return None
    try:
        parts = urlsplit(value.strip())
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            return None
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        return None
    return None if secret else clean_text(value.strip(), 2001)
