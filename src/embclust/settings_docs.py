"""The settings as others read them: a JSON schema for editors, and docs/settings.md.

Both come from the models, so they cannot say anything else than the program does. A test compares
docs/settings.md with this; `python -m embclust.settings_docs docs/settings.md` writes it anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, SecretStr

from embclust import plugins
from embclust._settings_keys import (
    FAMILY_OF,
    Key,
    default_kind,
    dotted,
    env_name,
    is_secret,
    members_of,
    options_of,
    section_fields,
    sections,
)
from embclust._settings_layers import SHARED_KEYS
from embclust._settings_read import PROCESS_NAMES
from embclust.config import Settings, Share, Size, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

__all__ = ["schema", "settings_markdown"]

_WORDS: Final = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path"}
_SIGNS: Final = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}

_INTRO = """\
# Settings

Made from the code by `python -m embclust.settings_docs docs/settings.md`; do not edit.

A value comes from the first of these that gives it:

1. a flag, or `--set dotted.key=value` (the flag wins over a `--set` of the same setting);
2. the environment: `EMBCLUST_` and the key, with `__` between its parts, in any case;
3. the YAML file;
4. what was remembered with the collection;
5. the default below.

Sections merge key by key; a list or a mapping such as `fields.images` is replaced whole. When
`kind` changes, options given further down that the new kind does not have or accept are dropped.
A setting that does not exist is an error, wherever it is given. `embclust config show` says what
is in effect and where each value came from.

In the environment and after `--set`, a list is `a, b` or `[a, b]`, a mapping `{a: b}` (YAML or
JSON), and `null` or nothing unsets what may be unset.

Paths in a config file are relative to that file, all others to the current folder; `workspace`
is relative to the current folder always. `~` is the home folder. A plug-in's option that may also
be a model's name counts as a path when it begins with `local-dir:`, `./`, `../` or `~/`.

Keys and passwords are read from the environment only.
"""


def schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of a config file; each plug-in section is one of its kinds."""
    made = Settings.model_json_schema()
    definitions: dict[str, Any] = made.setdefault("$defs", {})
    for section in FAMILY_OF:
        owner = made if len(section) == 1 else _owner(made, section)
        owner["properties"][section[-1]] = _plugin_schema(section, definitions)
    for unused in ("PluginSettings", "StoreSettings", "ProjectSettings", "NameSettings"):
        definitions.pop(unused, None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "embclust settings",
        "description": "A config file of embclust.",
    }


def _owner(made: dict[str, Any], section: Key) -> dict[str, Any]:
    """The schema that holds a nested section's properties."""
    model = sections()[section[:-1]]
    owner: dict[str, Any] = made["$defs"][model.__name__]
    return owner


def _plugin_schema(section: Key, definitions: dict[str, Any]) -> dict[str, Any]:
    usual = default_kind(section)
    common = sections()[section].model_json_schema()["properties"]
    common.pop("kind")
    variants = []
    for kind in plugins.FAMILIES[FAMILY_OF[section]]:
        model = options_of(section, kind)
        inner = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= inner.pop("$defs", {})
        options = {
            name: part
            for name, part in inner.get("properties", {}).items()
            if not is_secret(model.model_fields.get(name))
        }
        variants.append(
            {
                "title": kind,
                "description": inner.get("description", ""),
                "type": "object",
                "properties": {"kind": {"const": kind}, **options, **common},
                "additionalProperties": model.model_config.get("extra") == "allow",
                "required": [] if kind == usual else ["kind"],
            }
        )
    outside = {"kind": {"type": "string", "pattern": "^[A-Za-z_][\\w.]*:[A-Za-z_]\\w*$"}}
    variants.append(
        {
            "title": "package.module:Class",
            "description": "A plug-in from outside.",
            "type": "object",
            "properties": {**outside, **common},
            "required": ["kind"],
        }
    )
    return {"oneOf": variants, "description": _about(section)}


def _about(section: Key) -> str:
    """What a section is for: its field's description, else its model's docstring."""
    field = sections()[section[:-1]].model_fields[section[-1]]
    return field.description or (sections()[section].__doc__ or "").strip().splitlines()[0]


def settings_markdown() -> str:
    """The text of docs/settings.md."""
    parts = [_INTRO]
    for section in sections():
        if section in FAMILY_OF:
            parts += _plugin_tables(section)
        elif section_fields(section):
            title = f"## {dotted(section)}\n\n{_about(section)}" if section else "## At the top"
            parts += [title, _table(section, section_fields(section))]
    parts += ["## Other environment variables", _environment_table()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _plugin_tables(section: Key) -> Iterator[str]:
    usual = default_kind(section)
    yield f"## {dotted(section)}\n\n{_about(section)}"
    yield _table(section, section_fields(section), {"kind": usual})
    for kind in plugins.FAMILIES[FAMILY_OF[section]]:
        model = options_of(section, kind)
        default = " (default)" if kind == usual else ""
        fields = {n: f for n, f in model.model_fields.items() if n not in section_fields(section)}
        yield f"### {dotted(section)}, kind `{kind}`{default}"
        yield _table(section, fields) if fields else "No options."


def _table(
    section: Key, fields: dict[str, FieldInfo], defaults: dict[str, Any] | None = None
) -> str:
    rows = ["| key | type | default | meaning | environment |", "| --- | --- | --- | --- | --- |"]
    for name, field in fields.items():
        key = (*section, name)
        default = (defaults or {}).get(name, field.get_default(call_default_factory=True))
        cells = [
            f"`{dotted(key)}`",
            _type(field),
            "needed" if field.is_required() and name not in (defaults or {}) else _value(default),
            field.description or "",
            f"`{env_name(key)}`",
        ]
        rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _value(default: object) -> str:
    if default is None:
        return "unset"
    if isinstance(default, BaseModel):
        default = default.model_dump(mode="json")
    text = default if isinstance(default, str | Path) else json.dumps(default, ensure_ascii=False)
    return f"`{text}`" if str(text) else "empty"


def _type(field: FieldInfo) -> str:
    """A field's type in words, with its limits."""
    if any(getattr(item, "func", None) is parse_size for item in field.metadata):
        return "size: bytes, or 25MB"
    if any(item in get_args(Share) for item in field.metadata):
        return "integer or percentage"
    limits = [
        f"{sign} {getattr(item, name)}"
        for item in field.metadata
        for kind, (name, sign) in _SIGNS.items()
        if isinstance(item, kind)
    ]
    limits += ["not empty" for item in field.metadata if isinstance(item, MinLen)]
    return " ".join([_type_words(field.annotation), ", ".join(limits)]).strip()


def _type_words(annotation: Any) -> str:
    if annotation == Size:
        return "size"
    return " or ".join(
        dict.fromkeys(_member(m) for m in members_of(annotation) if m is not NoneType)
    )


def _member(member: Any) -> str:
    origin, args = get_origin(member), get_args(member)
    if origin is Literal:
        return ", ".join(f"`{arg}`" for arg in args)
    if origin is dict:
        return f"mapping of {_type_words(args[1])}"
    if origin in (list, tuple, set, frozenset):
        return f"list of {_type_words(args[0])}"
    if member is SecretStr:
        return "secret"
    return _WORDS.get(member, getattr(member, "__name__", str(member)))


def _environment_table() -> str:
    rows = ["| variable | meaning |", "| --- | --- |"]
    rows += [f"| `{name}` | {meaning} |" for name, meaning in PROCESS_NAMES.items()]
    for (section, kind, option), variable in SHARED_KEYS.items():
        own = env_name((*section, option))
        rows.append(f"| `{variable}` | The key of kind `{kind}`, used when `{own}` is unset. |")
    return "\n".join(rows)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(settings_markdown(), encoding="utf-8")
