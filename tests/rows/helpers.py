"""Reads a table the way `index` does, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embclust.config import FieldsSettings, SourceSettings
from embclust.data import Item
from embclust.rows import Rejected, Row, Table, open_table


def open_at(path: Path, *, images: Any = (), texts: Sequence[str] = (), **source: Any) -> Table:
    """Open a table with these settings."""
    fields = {"images": images if isinstance(images, dict) else list(images), "texts": list(texts)}
    return open_table(
        SourceSettings.model_validate({"path": path, **source}),
        FieldsSettings.model_validate(fields),
    )


def read(table: Table) -> tuple[list[Row], list[Rejected]]:
    """Stream the whole table into what could be read and what not."""
    good: list[Row] = []
    bad: list[Rejected] = []
    for row in table.rows():
        if isinstance(row, Rejected):
            bad.append(row)
        else:
            good.append(row)
    return good, bad


def items(path: Path, **settings: Any) -> list[Item]:
    """The items of a table in which nothing is rejected."""
    good, bad = read(open_at(path, **settings))
    assert bad == []
    return [row.item for row in good]
