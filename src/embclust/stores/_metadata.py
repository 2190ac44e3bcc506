r"""Item fields as Chroma metadata, and back.

Fields arrive clean: the table reader is the gate that renames keys and drops what is no value.
What Chroma 1.5.9 would still drop or change in silence becomes text here instead: integers beyond
64 bits and numbers that are not finite. A lone surrogate is written as its escape (`\ud800`).
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from embclust.errors import EmbclustError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embclust.data import Scalar

__all__ = ["EMPTY_KEY", "from_chroma", "size_of", "to_chroma"]

EMPTY_KEY: Final = "embclust:empty"
"""Marks an item without fields: Chroma rejects an empty metadata record."""

_INT64: Final = 2**63


def to_chroma(item_id: str, fields: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return an item's fields as a metadata record that Chroma keeps as it is.

    Raises EmbclustError for a key that Chroma rejects or drops.
    """
    for key in fields:
        if not key or key.startswith(("#", "$", "chroma:")) or key == EMPTY_KEY:
            raise EmbclustError(
                f"Item '{item_id}' has a field named '{key}', which a Chroma store cannot hold.",
                "Rename the column.",
            )
    record = {_text(key): _value(value) for key, value in fields.items()}
    return record or {EMPTY_KEY: True}


def from_chroma(record: Mapping[str, Any] | None, document: str | None = None) -> dict[str, Scalar]:
    """Return a metadata record as fields: lists become JSON text, None values are left out.

    A document (other programs keep the text there) becomes the field `document`.
    """
    fields: dict[str, Scalar] = {}
    for key, value in (record or {}).items():
        if value is None or key == EMPTY_KEY:
            continue
        fields[key] = value if isinstance(value, str | int | float) else _json(value)
    if document is not None:
        fields.setdefault("document", document)
    return fields


def size_of(record: Mapping[str, Any]) -> int:
    """Return about how many bytes a record takes in a request."""
    return sum(len(key) + 24 + len(str(value).encode()) for key, value in record.items())


def _value(value: Scalar) -> Scalar:
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return int(value) if -_INT64 <= value < _INT64 else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    return _text(value)


def _text(value: str) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
