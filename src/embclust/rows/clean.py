"""The one gate that cleans values on their way in, so that no sink has to.

Vector stores, the page, language models and terminals each choke on other values (None, NaN,
dates, lone surrogates, control characters, reserved keys). What passes here is safe for all:

| value                                         | becomes                                       |
| --------------------------------------------- | --------------------------------------------- |
| text                                          | itself, whole, however long                   |
| control characters (C0 but tab and newlines)  | removed, counted                              |
| half of a surrogate pair                      | U+FFFD, counted                               |
| empty or blank text, None                     | left out of the fields                        |
| NaN, infinity                                 | left out, counted                             |
| integers outside 64 bits, decimals            | text                                          |
| dates, times                                  | ISO 8601 text                                 |
| lists, mappings                               | compact JSON text                             |
| bytes                                         | left out, counted                             |

Column names: surrounding space goes; '#x' and '$x' become 'x', 'chroma:x' becomes 'chroma_x'
('embclust:x' likewise), '_embclust…' loses its underscore, an empty name becomes 'unnamed'; a
name that is taken by then gets '_2', '_3', ….
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from embclust.data import Item, Scalar

__all__ = ["Cleaner", "clean_fields", "clean_text", "content_id", "row_hash", "scalar_text"]

_UNSAFE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_CANONICAL: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":")
).encode
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_INT_RANGE: Final = range(-(2**63), 2**63)
_MAX_DEPTH: Final = 64


class _TooDeepError(ValueError):
    """A value nested deeper than anything downstream can be trusted with."""


class Cleaner:
    """Cleans the rows of one table and counts what it changed."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """`names`: the columns known beforehand; they keep their names before others get one."""
        self.names: dict[str, str] = {}
        self._taken: set[str] = set()
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.controls = 0
        self.surrogates = 0
        known = list(names)
        plain = [name for name in known if _safe_name(name) == name]
        for name in [*plain, *known]:
            self.name(name)

    def forget_counts(self) -> None:
        """Start counting anew, for another pass over the same table."""
        self.left_out.clear()
        self.controls = self.surrogates = 0

    @property
    def renamed(self) -> dict[str, str]:
        """Columns whose name had to change by more than surrounding space."""
        return {raw: new for raw, new in self.names.items() if raw.strip() != new}

    def name(self, raw: str) -> str:
        """Return the name under which a column is known; the same every time."""
        found = self.names.get(raw)
        if found is not None:
            return found
        base = new = _safe_name(raw)
        number = 1
        while new in self._taken:
            number += 1
            new = f"{base}_{number}"
        self._taken.add(new)
        self.names[raw] = new
        return new

    def text(self, value: str) -> str:
        """Return `value` without control characters and lone surrogates."""
        if value.isprintable() or not _UNSAFE.search(value):
            return value
        value, controls = _CONTROLS.subn("", value)
        value, surrogates = _SURROGATES.subn("\ufffd", value)
        self.controls += controls
        self.surrogates += surrogates
        return value

    def texts(self, names: list[str], cells: list[str]) -> dict[str, Scalar]:
        """Clean a row that is all text, against columns whose names are already clean."""
        joined = "".join(cells)
        if not joined.isprintable() and _UNSAFE.search(joined):
            cells = [self.text(cell) for cell in cells]
        if all(cells) and not any(map(str.isspace, cells)):
            return dict(zip(names, cells, strict=True))
        return {
            name: cell
            for name, cell in zip(names, cells, strict=True)
            if cell and not cell.isspace()
        }

    def fields(self, raw: Mapping[str, Any]) -> dict[str, Scalar]:
        """Clean one row of any types."""
        fields: dict[str, Scalar] = {}
        for key, value in raw.items():
            if value is None:
                continue
            name = self.names.get(key) or self.name(key)
            if type(value) is str:  # most values are: spare them the way through every kind
                text = value if value.isprintable() else self.text(value)
                if text and not text.isspace():
                    fields[name] = text
                continue
            clean = self._value(name, value)
            if clean is not None:
                fields[name] = clean
        return fields

    def warnings(self) -> list[str]:
        """Say, once each, what was changed or left out."""
        lines = []
        if self.renamed:
            pairs = ", ".join(f"{raw!r} -> {new!r}" for raw, new in self.renamed.items())
            lines.append(f"Columns renamed: {pairs}.")
        for (name, why), count in sorted(self.left_out.items()):
            lines.append(f"Column '{name}': {count} {_values(count)} left out ({why}).")
        if self.controls:
            lines.append(f"Control characters removed from cells: {self.controls}.")
        if self.surrogates:
            lines.append(f"Broken characters replaced by U+FFFD: {self.surrogates}.")
        return lines

    def _value(self, name: str, value: object) -> Scalar | None:
        try:
            plain = self._plain(name, value, 0)
        except _TooDeepError:
            self.left_out[name, f"nested deeper than {_MAX_DEPTH} levels"] += 1
            return None
        if isinstance(plain, list | dict):
            return _COMPACT(plain)
        if isinstance(plain, str) and (not plain or plain.isspace()):
            return None
        return plain

    def _plain(
        self, name: str, value: object, depth: int
    ) -> Scalar | list[Any] | dict[str, Any] | None:
        """Turn a value into what JSON can say; what it cannot say inside a list becomes null."""
        if not isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._scalar(name, value)
        if depth >= _MAX_DEPTH:
            raise _TooDeepError
        if isinstance(value, Mapping):
            return {
                self.text(str(key)): self._plain(name, each, depth + 1)
                for key, each in value.items()
            }
        members = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [self._plain(name, each, depth + 1) for each in members]

    def _scalar(self, name: str, value: object) -> Scalar | None:
        plain: Scalar | None
        if isinstance(value, str):
            plain = self.text(value)
        elif value is None or isinstance(value, bool):
            plain = value
        elif isinstance(value, int):
            plain = int(value) if value in _INT_RANGE else _long_int(value)
        elif isinstance(value, float):
            plain = self._finite(name, value)
        elif isinstance(value, bytes | bytearray | memoryview):
            self.left_out[name, "binary"] += 1
            plain = None
        elif isinstance(value, dt.date | dt.time):
            plain = value.isoformat()
        elif isinstance(value, dt.timedelta):
            plain = value.total_seconds()
        else:
            plain = self.text(str(value))
        return plain

    def _finite(self, name: str, value: float) -> float | None:
        if math.isfinite(value):
            return float(value)
        self.left_out[name, "not a finite number"] += 1
        return None


def clean_fields(raw: Mapping[str, Any]) -> dict[str, Scalar]:
    """Clean one row by itself; the module's docstring has the table of what becomes of what."""
    return Cleaner(raw).fields(raw)


def clean_text(value: str) -> str:
    """Return `value` without control characters and lone surrogates."""
    return Cleaner().text(value)


def scalar_text(value: Scalar) -> str:
    """Return a field as plain text: 7 -> '7', 7.0 -> '7.0', True -> 'true'."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def content_id(fields: Mapping[str, Scalar]) -> str:
    """Return the id of a row that has none: 32 hex digits of what is in it, in any order."""
    text = _CANONICAL(fields)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def row_hash(item: Item) -> bytes:
    """Return 16 bytes that are equal for rows with equal fields, whatever their column order."""
    text = _CANONICAL(item.fields)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _safe_name(raw: str) -> str:
    name = _SURROGATES.sub("\ufffd", _CONTROLS.sub("", raw)).strip()
    before = None
    while name != before:
        before = name
        name = name.lstrip("#$").strip()
        if name.startswith(("chroma:", "embclust:")):  # what Chroma and its store keep there
            name = name.replace(":", "_", 1)
        if name.startswith("_embclust"):
            name = name.lstrip("_")
    return name or "unnamed"


def _long_int(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to spell out integers of more than 4,300 digits
        return hex(value)


def _values(count: int) -> str:
    return "value" if count == 1 else "values"
