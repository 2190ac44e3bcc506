"""The viewer's ES modules -> one classic script that may stand inline in the page."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from embclust.page.escape import inert_script

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["bundle", "viewer_script", "viewer_style"]

_IMPORT: Final = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT: Final = re.compile(
    r"^export (?=(?:async )?(?:function\*?|const|class) (\w+))", re.MULTILINE
)
_LEFT_OVER: Final = re.compile(r"^\s*(?:import|export)\b.*$", re.MULTILINE)


def viewer_script() -> str:
    """Return the viewer, bundled."""
    folder = files("embclust.page") / "viewer"
    sources = {
        entry.name.removesuffix(".js"): entry.read_text("utf-8")
        for entry in _sorted(folder)
        if entry.name.endswith(".js")
    }
    return bundle(sources, "main")


def viewer_style() -> str:
    """Return the viewer's style sheet."""
    return (files("embclust.page") / "viewer" / "viewer.css").read_text("utf-8")


def _sorted(folder: Traversable) -> list[Traversable]:
    return sorted(folder.iterdir(), key=lambda entry: entry.name)


def bundle(sources: dict[str, str], entry: str) -> str:
    """Bundle modules (name without `.js` -> source) that `entry` needs, each in its own scope.

    Understood are `import { a, b } from "./x.js";` and `export` before a function, const or
    class, at the start of a line. Anything else, a missing module and an import cycle raise
    ValueError.
    """
    done: dict[str, str] = {}
    _add(sources, entry, done, ())
    body = "\n".join(done.values())
    return inert_script(f'(() => {{\n"use strict";\n{body}\n}})();\n', "the viewer")


def _add(sources: dict[str, str], name: str, done: dict[str, str], path: tuple[str, ...]) -> None:
    if name in done:
        return
    if name in path:
        raise ValueError(f"import cycle: {' -> '.join((*path, name))}")
    if name not in sources:
        raise ValueError(f"{path[-1] if path else 'bundle'}: there is no module '{name}'")
    source = sources[name]
    for match in _IMPORT.finditer(source):
        _add(sources, match.group(2), done, (*path, name))
    exports = _EXPORT.findall(source)
    source = _EXPORT.sub("", source)
    source = _IMPORT.sub(_as_const, source)
    left_over = _LEFT_OVER.search(source)
    if left_over:
        raise ValueError(f"{name}.js: cannot bundle `{left_over.group(0).strip()}`")
    done[name] = (
        f"const {_variable(name)} = (() => {{\n{source}return {{ {', '.join(exports)} }};\n}})();"
    )


def _as_const(match: re.Match[str]) -> str:
    names = " ".join(match.group(1).split())
    return f"const {{ {names} }} = {_variable(match.group(2))};\n"


def _variable(name: str) -> str:
    return "module_" + name.replace("-", "_")
