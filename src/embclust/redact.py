"""Keeps secrets that travel in URLs out of reasons, logs, the ledger, the store and the page."""

from __future__ import annotations

import logging
import re
from typing import Final
from urllib.parse import unquote_plus

__all__ = ["quiet_loggers", "redact"]

MASK: Final = "***"

_USERINFO: Final = re.compile(
    r"""(?P<start>[a-z][a-z0-9+.-]*://|(?<![\w:/])//)
        (?:[^\s/?\#"'<>]*@                     # user:pass@, also with an @ in the password
          |[^\s/?\#@:"'<>]+:(?!\d*(?:[/?\#]|\s|$))[^\s@"'<>]*@)   # a password with a bare /
    """,
    re.IGNORECASE | re.VERBOSE,
)
_PARAMETER: Final = re.compile(
    r"""(?P<start>[?&;\#]|&amp;)(?P<name>[^\s=&;?\#"'<>]+)=(?P<value>[^\s&;\#"'<>]*)"""
)
_SECRET_NAME: Final = re.compile(
    r"""x-(amz|goog|oss|cos|obs|tos|ms)-.*
      | (aws|google|oss)?access_?(key_?)?id | key-pair-id | q-.*
      | expires | policy | se | skoid | hdne[at]s? | hdnts
      | (.*[-_.])?(sig|sign|auth|pass|pwd|jwt|hmac|sid|creds?|code)
      | .*(signature|token|secret|passw(or)?d|key|authorization|credentials?|session(id)?)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def redact(text: str) -> str:
    """Return the text with the secrets of every URL in it replaced by `***`.

    That is user:password before the host, and the values of query parameters that carry a
    signature, a key or a token (`X-Amz-*`, `sig`, `token`, `api_key`, `Expires`, ...), also in
    fragments and in a URL that is itself a parameter. Text without a URL comes back unchanged.
    """
    if "//" in text:
        text = _USERINFO.sub(rf"\g<start>{MASK}@", text)
    if "=" in text:
        text = _PARAMETER.sub(_masked, text)
    return text


def _masked(match: re.Match[str]) -> str:
    value = match["value"]
    if value and not _SECRET_NAME.fullmatch(unquote_plus(match["name"])):
        plain = unquote_plus(value)
        # A URL inside a parameter (an image proxy's ?url=...) has secrets of its own.
        if plain == value or redact(plain) == plain:
            return f"{match['start']}{match['name']}={redact(value)}"
    return f"{match['start']}{match['name']}={MASK}" if value else match[0]


def quiet_loggers() -> None:
    """Raise httpx's and httpcore's loggers to WARNING: at INFO they write full URLs."""
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.WARNING:
            logger.setLevel(logging.WARNING)
