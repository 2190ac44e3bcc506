"""What a field's collection is called: prefix + field, as Chroma's naming rules allow.

A valid name is 3 to 512 characters of [a-zA-Z0-9._-], begins and ends with a letter or digit, has
no `..` and is no IPv4 address (rules of chromadb 1.5.9).
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import Final

__all__ = ["collection_name", "is_valid_name"]

_MAX_LENGTH: Final = 512
_HASH_LENGTH: Final = 8
_VALID: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]", re.ASCII)
_NOT_IN_SLUG: Final = re.compile(r"[^a-zA-Z0-9_-]+", re.ASCII)


def is_valid_name(name: str) -> bool:
    """Say whether Chroma accepts this collection name."""
    if not _VALID.fullmatch(name) or ".." in name:
        return False
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return True
    return False


def collection_name(prefix: str, field: str) -> str:
    """Return prefix + field when it is a valid name, else a slug of it with a hash at its end.

    The hash (8 hex digits of the SHA-256 of the original) keeps `a b` and `a-b` apart.
    """
    name = prefix + field
    if is_valid_name(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    slug = _NOT_IN_SLUG.sub("-", name).strip("-_")[: _MAX_LENGTH - _HASH_LENGTH - 1].rstrip("-_")
    return f"{slug}-{digest}" if slug else digest
