"""Path templates: 'images/{id}.jpg' makes an image column out of a row's other columns."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from embclust.data import Scalar
from embclust.errors import SettingsError
from embclust.rows.clean import scalar_text

__all__ = ["PathTemplate", "parse_template"]

_SEPARATORS: Final = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """`column` is what it fills; `parts` are (literal text, column to put behind it or None)."""

    column: str
    parts: tuple[tuple[str, str | None], ...]
    is_url: bool

    @property
    def needs(self) -> list[str]:
        """The columns it is made from."""
        return [name for _, name in self.parts if name is not None]

    def with_names(self, names: Mapping[str, str]) -> PathTemplate:
        """Return it with its columns called as `names` says."""
        parts = tuple((text, name and names.get(name, name)) for text, name in self.parts)
        return PathTemplate(self.column, parts, self.is_url)

    def fill(self, fields: Mapping[str, Scalar]) -> str | None:
        """Return the path or URL for a row; None where a column it needs is empty.

        Raises ValueError when a value would climb out of the folder ('..').
        """
        pieces = []
        for text, name in self.parts:
            pieces.append(text)
            if name is None:
                continue
            value = fields.get(name)
            if value is None:
                return None
            plain = scalar_text(value).strip()
            if ".." in _SEPARATORS.split(plain):
                raise ValueError(plain)
            pieces.append(quote(plain, safe="/") if self.is_url else plain)
        return "".join(pieces)


def parse_template(column: str, template: str) -> PathTemplate:
    """Read a template; '{{' and '}}' stand for braces. Raises SettingsError."""
    where = f"fields.images: the template '{template}' of '{column}'"
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        hint = "Write it as 'images/{id}.jpg'."
        raise SettingsError(f"{where} cannot be read: {error}.", hint) from error
    if any(spec or conversion for _, _, spec, conversion in parsed):
        raise SettingsError(f"{where} has a format after ':' or '!'.", "Use the bare {column}.")
    parts = tuple((text, name) for text, name, _, _ in parsed)
    if not any(name is not None for _, name in parts):
        raise SettingsError(
            f"{where} names no column, so every row would get the same picture.",
            "Write it as 'images/{id}.jpg'.",
        )
    return PathTemplate(column, parts, is_url=bool(re.match(r"https?://", template, re.IGNORECASE)))
