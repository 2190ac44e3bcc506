"""Each source of settings -> a flat list of what it gives, unknown names refused."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from embclust._settings_keys import (
    FAMILY_OF,
    Key,
    default_kind,
    dotted,
    env_name,
    options_of,
    section_fields,
    sections,
)
from embclust._settings_layers import Given, Layer, Problems
from embclust._settings_text import parse_mapping
from embclust._settings_yaml import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "FLAG_OF",
    "PROCESS_NAMES",
    "from_environment",
    "from_file",
    "from_flags",
    "from_mapping",
    "from_sets",
]

# Flags are named after the last part of their setting; these read better under another name.
FLAG_OF: Final[dict[str, str]] = {
    "source.path": "TABLE",
    "source.id_field": "--id",
    "fields.images": "--image",
    "fields.texts": "--text",
    "store.collection_prefix": "--prefix",
    "plot.text_fields": "--text-field",
}

PROCESS_NAMES: Final[dict[str, str]] = {
    "EMBCLUST_DEBUG": "1 shows the traceback of every error, like `--debug`.",
}


def from_file(path: Path, problems: Problems) -> list[Given]:
    """What a config file gives. Raises SettingsError when it cannot be read."""
    mapping, lines = read_yaml(path)
    return from_mapping(mapping, (), Layer.FILE, str(path), lines=lines, problems=problems)


def from_mapping(
    mapping: Mapping[Any, object],
    section: Key,
    layer: Layer,
    origin: str,
    *,
    problems: Problems,
    lines: Mapping[Key, int] | None = None,
    place: str = "",
) -> list[Given]:
    """What a nested mapping gives, from `section` down. A section that is null gives nothing."""
    known = sections()
    names = [*section_fields(section), *(s[-1] for s in known if s and s[:-1] == section)]
    found: list[Given] = []
    for name, value in mapping.items():
        key = (*section, str(name))
        line = (lines or {}).get(key)
        given = Given(key, value, layer, origin, place or (f"{origin}:{line}" if line else origin))
        if key in known:
            if isinstance(value, dict):
                found += from_mapping(
                    value, key, layer, origin, problems=problems, lines=lines, place=place
                )
            elif value is not None and layer != Layer.REMEMBERED:
                problems.add(
                    f"{dotted(key)}: expected a mapping, got {_shape(value)}, in {given.place}.",
                    f"Write {key[-1]}: {{{_example(key)}: …}}.",
                )
        elif isinstance(name, str) and (name in names or section in FAMILY_OF):
            found.append(given)
        elif layer != Layer.REMEMBERED:
            problems.unknown(given, section, names)
    return found


def _shape(value: object) -> str:
    return "a list" if isinstance(value, list) else f"a single value ({type(value).__name__})"


def _example(section: Key) -> str:
    fields = section_fields(section)
    return next(iter(fields), "") or next(s[-1] for s in sections() if s[:-1] == section)


def from_environment(environ: Mapping[str, str], problems: Problems) -> list[Given]:
    """What `EMBCLUST_…` variables give, matched without regard to case."""
    prefix = env_name(())
    ours = [name for name in environ if name.upper().startswith(prefix)]
    # Whole sections before their keys, and the exact (upper) case last: the later one wins.
    ours.sort(key=lambda name: (name.count("__"), name.isupper(), name))
    found: list[Given] = []
    for name in ours:
        if name.upper() in PROCESS_NAMES:
            continue
        key = _key_of(tuple(name[len(prefix) :].lower().split("__")))
        place = f"environment variable {name}"
        if key is None:
            shown = name[len(prefix) :].lower().replace("__", ".")
            problems.add(f"{shown or name}: no such setting in {place}.", _guess_variable(name))
            continue
        origin = f"environment {name}"
        found += _from_text(key, environ[name], Layer.ENVIRONMENT, origin, place, problems)
    return found


def _key_of(parts: Key) -> Key | None:
    """The key or section that lower-case parts name; a plug-in's option is not looked up yet."""
    known = {tuple(p.casefold() for p in s): s for s in sections() if s}
    if parts in known:
        return known[parts]
    section = known.get(parts[:-1], ()) if parts[:-1] else ()
    if parts[:-1] and not section:
        return None
    for name in section_fields(section):
        if name.casefold() == parts[-1]:
            return (*section, name)
    return (*section, parts[-1]) if section in FAMILY_OF and parts[-1] else None


def _guess_variable(name: str) -> str:
    names = [env_name((*s, field)) for s in sections() for field in section_fields(s)]
    for section in FAMILY_OF:
        options = options_of(section, default_kind(section)).model_fields
        names += [env_name((*section, option)) for option in options]
    # Compared without the prefix, which would make everything look alike.
    prefix = env_name(())
    ends = [known.removeprefix(prefix) for known in [*names, *PROCESS_NAMES]]
    near = difflib.get_close_matches(name.upper().removeprefix(prefix), ends, n=1)
    return (
        f"Did you mean {prefix}{near[0]}?" if near else "`embclust config show` lists the settings."
    )


def from_sets(sets: Sequence[str], problems: Problems) -> list[Given]:
    """What `--set dotted.key=value` texts give; the last of several wins."""
    found: list[Given] = []
    for text in sets:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            problems.add(f"--set {name}: there is no value.", "Write --set cluster.k=20.")
            continue
        place = f"--set {name}"
        for key in _dotted_key(name, Given((name,), value, Layer.FLAGS, place, place), problems):
            found += _from_text(key, value, Layer.FLAGS, "flag --set", place, problems)
    return found


def from_flags(flags: Mapping[str, object], problems: Problems) -> list[Given]:
    """What flags give; the key is the dotted setting."""
    found: list[Given] = []
    for name, value in flags.items():
        flag = FLAG_OF.get(name, f"--{name.rpartition('.')[2].replace('_', '-')}")
        given = Given((name,), value, Layer.FLAGS, f"flag {flag}", f"flag {flag}")
        found += [replace(given, key=key) for key in _dotted_key(name, given, problems)]
    return found


def _dotted_key(name: str, given: Given, problems: Problems) -> Iterator[Key]:
    """The key that a dotted name stands for; nothing, and a problem noted, when there is none."""
    key = tuple(name.split("."))
    known = sections()
    if key in known or key[-1] in _value_names(key[:-1]) or key[:-1] in FAMILY_OF:
        yield key
        return
    section = next(key[:n] for n in range(len(key) - 1, -1, -1) if key[:n] in known)
    names = [*section_fields(section), *(s[-1] for s in known if s and s[:-1] == section)]
    problems.unknown(replace(given, key=key), section, names)


def _value_names(section: Key) -> list[str]:
    """The names of a section's values; none when there is no such section."""
    return list(section_fields(section)) if section in sections() else []


def _from_text(
    key: Key, text: str, layer: Layer, origin: str, place: str, problems: Problems
) -> list[Given]:
    """One value, or all of a section that is given as a mapping in text."""
    if key not in sections():
        return [Given(key, text, layer, origin, place)]
    try:
        mapping = parse_mapping(text)
    except ValueError as error:
        problems.add(f"{dotted(key)}: {error}, in {place}.")
        return []
    return from_mapping(mapping, key, layer, origin, problems=problems, place=place)
