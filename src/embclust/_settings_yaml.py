"""A config file -> a mapping and the line each key stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from embclust.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from pathlib import Path

    from embclust._settings_keys import Key

__all__ = ["read_yaml"]

_DEPTH = 4  # no key lies deeper; also ends the walk through an alias that contains itself


class _Loader(yaml.SafeLoader):
    """YAML's safe loader that refuses a key given twice (plain PyYAML keeps the last)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            name = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if name in seen and name != "<<":
                raise yaml.constructor.ConstructorError(
                    problem=f"'{name}' is given twice", problem_mark=key_node.start_mark
                )
            if name is not None:
                seen.add(name)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> tuple[dict[Any, Any], dict[Key, int]]:
    """Read a config file: its mapping, and key -> line number, from 1.

    Raises SettingsError: missing, unreadable, not YAML, a key twice, not a mapping.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(f"There is no config file '{path}'.", _nearby(path)) from None
    except OSError as error:
        raise SettingsError(f"Cannot read the config file '{path}': {error.strerror}.") from error
    loader: _Loader | None = None
    try:
        loader = _Loader(raw)
        node = loader.get_single_node()
        loaded = {} if node is None else loader.construct_document(node)
    except (yaml.YAMLError, UnicodeError, ValueError, RecursionError) as error:
        raise SettingsError(*_explain(path, error)) from error
    finally:
        if loader is not None:
            loader.dispose()
    if loaded is None:
        return {}, {}
    if not isinstance(loaded, dict):
        raise SettingsError(
            f"{path}: expected settings such as 'source: {{path: table.csv}}', "
            f"found {_name(loaded)}."
        )
    return loaded, dict(_lines(node, ()))


def _nearby(path: Path) -> str:
    folder = path.parent
    found = sorted(p.name for p in folder.glob("*.y*ml")) if folder.is_dir() else []
    return f"There: {', '.join(found[:10])}." if found else "`embclust init TABLE` writes one."


def _explain(path: Path, error: Exception) -> tuple[str, str]:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    what = " ".join(str(problem).split())
    if "given twice" in what:
        return f"{where}: {what}.", "Remove one of them."
    return f"{where}: not readable as YAML: {what}.", "Check indentation, quotes and encoding."


def _name(value: object) -> str:
    return "a list" if isinstance(value, list) else f"only {value!r:.60}"


def _lines(node: yaml.Node | None, above: Key) -> Iterator[tuple[Key, int]]:
    if not isinstance(node, yaml.MappingNode) or len(above) >= _DEPTH:
        return
    for key_node, value_node in node.value:
        key = (*above, str(key_node.value))
        yield key, key_node.start_mark.line + 1
        yield from _lines(value_node, key)
