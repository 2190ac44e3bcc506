"""`embclust init TABLE`: writes a commented YAML config with its guesses about a table."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from embclust.collection_names import collection_name
from embclust.errors import RefusedError
from embclust.redact import redact
from embclust.steps.guess import Column, Guess, guess
from embclust.workspace import make_folder, write_whole

__all__ = ["render_config", "write_config"]

_EXAMPLE: Final = 50
_MAX_LISTED: Final = 60


def write_config(table: Path, out: Path | None = None, *, encoding: str = "auto") -> Path:
    """Write a config for `table` and return its path; beside the table when `out` is None.

    Raises InputTableError when the table cannot be used, RefusedError when the file exists.
    """
    table = Path(os.path.abspath(table))  # noqa: PTH100 - links in it stay as they are
    out = table.with_name(f"{table.name.split('.')[0] or table.name}.yaml") if out is None else out
    if os.path.lexists(out):
        raise RefusedError(f"{out} exists already.", "Remove it, or name another with --out.")
    content = render_config(guess(table, encoding), out).encode()
    make_folder(out.parent)
    write_whole(out, content)
    return out


def render_config(found: Guess, out: Path) -> str:
    """Return the YAML text of a config that is going to lie at `out`."""
    folder = os.path.abspath(out.parent)  # noqa: PTH100 - as the table's path
    path = os.path.relpath(found.path, folder)
    prefix = _prefix(found.path)
    source: dict[str, Any] = {"path": path}
    if found.encoding != "auto":
        source["encoding"] = found.encoding
    if found.id_field is not None:
        source["id_field"] = found.id_field
    images: Any = list(found.images)
    if any(template is not None for template in found.images.values()):
        images = found.images
    shown = {"text_fields": found.display} | (
        {"image_field": next(iter(found.images))} if found.images else {}
    )
    first = next(iter([*found.images, *found.texts]))
    parts = [
        _comment(f"Written by `embclust init {found.path.name}` from what the table looks like."),
        _comment("Look it over, then:"),
        _comment(f"  embclust index {out.name}"),
        _comment(f"  embclust plot --collection {collection_name(prefix, first)}"),
        "",
        _comment("The table; its path is relative to this file."),
        *_id_comment(found),
        _yaml({"source": source}),
        _comment("What is embedded: each column becomes a collection of its own."),
        *_field_comments(found),
        _yaml({"fields": {"images": images, "texts": found.texts}}),
        _comment("Collections are called prefix + column."),
        _yaml({"store": {"collection_prefix": prefix}}),
        _comment("What a point on the map shows when it is hovered over."),
        _yaml({"plot": shown}),
        _comment("The columns, with a value of each:"),
        *_column_comments(found.columns),
    ]
    return "\n".join(parts) + "\n"


def _id_comment(found: Guess) -> list[str]:
    if found.id_field is not None or found.kind == "images":
        return []
    return [
        _comment("No column looks like an id, so a row's id is a hash of its content, and an"),
        _comment("edited row counts as a new one. If there is an id column, name it: id_field: …"),
    ]


def _field_comments(found: Guess) -> list[str]:
    lines = []
    if not found.pictures_found:
        lines.append(_comment("None of the first picture paths leads to a file: see images.root."))
    if found.other_texts:
        lines.append(_comment(f"Also text: {_yaml_line(found.other_texts[:20])}"))
    return lines


def _column_comments(columns: list[Column]) -> list[str]:
    lines = []
    for each in columns[:_MAX_LISTED]:
        cut = " ".join(redact(each.example[:10_000]).split())
        cut = cut if len(cut) <= _EXAMPLE else cut[: _EXAMPLE - 1] + "…"
        lines.append(_comment(f"  {_one_line(each.name)}: {cut}"))
    if len(columns) > _MAX_LISTED:
        lines.append(_comment(f"  … and {len(columns) - _MAX_LISTED} more"))
    return lines


def _comment(text: str) -> str:
    """One comment line, whatever is in the text: nothing in it can end the line."""
    return f"# {_one_line(text)}".rstrip()


def _one_line(text: str) -> str:
    """Everything that YAML takes for a line end, or does not allow at all, becomes a space."""
    return "".join(each if each.isprintable() else " " for each in text)


def _prefix(path: Path) -> str:
    slug = re.sub(r"[^a-zA-Z0-9]+", "_", path.name.split(".")[0]).strip("_").lower()
    return f"{slug[:60]}_" if slug else ""


def _yaml(value: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=2**31))


def _yaml_line(value: list[str]) -> str:
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=2**31)
    return str(text).strip()
