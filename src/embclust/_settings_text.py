"""Text from the environment and the command line -> values, by what the setting accepts.

'20' is a number for `int | Literal['auto']` and stays text for `str`; 'null' unsets what may be
unset; a list is 'a, b' or '[a, b]', a mapping '{a: b}' (YAML or JSON).
"""

from __future__ import annotations

import os
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from embclust._settings_keys import members_of

__all__ = ["anchor", "parse_mapping", "parse_text"]

_LISTS = (list, tuple, set, frozenset)
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_LOCAL_DIR = "local-dir:"
_LOCAL_STARTS = ("./", "../", "~/")


def parse_text(text: str, annotation: Any) -> Any:
    """Read one value. What no member of the annotation takes stays text, for pydantic to refuse.

    Raises ValueError when a list or mapping is malformed.
    """
    members = members_of(annotation)
    bare = text.strip()
    if NoneType in members and bare in ("", "null", "~"):
        return None
    for member in members:
        for value in get_args(member) if get_origin(member) is Literal else ():
            if bare == str(value) or (isinstance(value, bool) and bare.lower() == str(value)):
                return value
    if Any in members or any(isinstance(m, type) and issubclass(m, BaseModel) for m in members):
        return _load(bare, yaml.SafeLoader)
    containers = [m for m in members if get_origin(m) in (*_LISTS, dict) or m in (*_LISTS, dict)]
    if containers and (str not in members or bare[:1] in ("[", "{")):
        return _parse_container(bare, containers)
    return _parse_scalar(text, members)


def _parse_scalar(text: str, members: list[Any]) -> Any:
    for member in members:
        if member is bool and text.strip().lower() in _WORDS:
            return _WORDS[text.strip().lower()]
        if member in (int, float):
            try:
                return TypeAdapter(member).validate_python(text.strip())
            except ValidationError:
                continue
    return text


def _parse_container(text: str, containers: list[Any]) -> Any:
    """A list or a mapping, its parts read by the type of the parts."""
    lists = [m for m in containers if (get_origin(m) or m) in _LISTS]
    dicts = [m for m in containers if (get_origin(m) or m) is dict]
    if lists and not text:
        return []
    # The base loader leaves every scalar as text, so that each is read by its own type.
    is_yaml = not lists or text[0] in "[{" or (dicts and ": " in text)
    loaded = _load(text, yaml.BaseLoader) if is_yaml else text
    if isinstance(loaded, dict) and dicts:
        value_type = (*get_args(dicts[0]), Any, Any)[1]
        return {key: _parse_part(value, value_type) for key, value in loaded.items()}
    if isinstance(loaded, str) and lists:
        loaded = [part.strip() for part in loaded.split(",")]
    if isinstance(loaded, list) and lists:
        item_type = (*get_args(lists[0]), Any)[0]
        return [_parse_part(item, item_type) for item in loaded]
    return loaded


def _parse_part(value: Any, annotation: Any) -> Any:
    return parse_text(value, annotation) if isinstance(value, str) else value


def parse_mapping(text: str) -> dict[Any, Any]:
    """Read a whole section given as text, `{kind: kmeans, k: 20}`.

    Raises ValueError when it is not a mapping.
    """
    loaded = _load(text, yaml.SafeLoader)
    if not isinstance(loaded, dict):
        raise ValueError("expected a mapping such as {key: value}")  # noqa: TRY004 - bad text
    return loaded


def _load(text: str, loader: type[yaml.SafeLoader | yaml.BaseLoader]) -> Any:
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506 - only the safe and the base loader
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("is not well-formed: quote texts that hold { } [ ] : or ,") from error


def anchor(value: Any, annotation: Any, base: Path | None, *, option: bool) -> Any:
    """Make a local path absolute, relative to `base`; None leaves it, but for `~`.

    A setting is a path when it is annotated `Path`. A plug-in's option is one too when it is a
    text that begins with `local-dir:`, `./`, `../` or `~/` (`option`), because model names and
    local models share one option. Raises ValueError for an empty path.
    """
    members = members_of(annotation)
    if Path in members and str not in members and isinstance(value, str | Path):
        if not str(value).strip():
            raise ValueError("expected a path, got nothing")
        return Path(_absolute(str(value), base))
    if option and isinstance(value, str):
        if value.startswith(_LOCAL_DIR) and len(value) > len(_LOCAL_DIR):
            return _LOCAL_DIR + _absolute(value.removeprefix(_LOCAL_DIR), base)
        if value.startswith(_LOCAL_STARTS):
            return _absolute(value, base)
    return value


def _absolute(text: str, base: Path | None) -> str:
    # Lexical, not resolved: `..` means what a person sees in the path they typed.
    expanded = os.path.expanduser(text)  # noqa: PTH111 - leaves an unknown ~user as it is
    return expanded if base is None else os.path.normpath(base / expanded)
