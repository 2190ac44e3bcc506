"""Where a setting's value comes from: flags > environment > YAML > remembered > the defaults.

Sections merge key by key; a value (a list, `fields.images`) is replaced whole. `--set` is a flag;
the flag of a setting wins over a `--set` of the same. Names in the environment are matched
without regard to case. When a higher layer changes a plug-in's `kind`, options from lower layers
that the new kind does not know or accept are dropped; beside the `kind` itself, or above it,
they are errors.

Relative paths in a config file are relative to that file, all others to the current folder;
`workspace` is relative to the current folder wherever it is written.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from embclust._settings_check import Checker
from embclust._settings_keys import (
    FAMILY_OF,
    Key,
    dotted,
    env_name,
    find_field,
    is_secret,
    options_of,
    section_fields,
    sections,
)
from embclust._settings_layers import Layer, PluginChoice, Problems, merge
from embclust._settings_read import from_environment, from_file, from_flags, from_mapping, from_sets
from embclust.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from embclust._settings_layers import Given
    from embclust.config import Settings

__all__ = ["Loaded", "describe", "load", "values_of"]

_NOT_REMEMBERED: Final = {("workspace",), ("source", "hint")}
HIDDEN: Final = "**********"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in effect, and where each value came from.

    `origins`: dotted key -> 'flag --k', 'environment EMBCLUST_CLUSTER__K', 'configs/x.yaml',
    'remembered with NAME' or 'default', for every key.
    `explicit`: what flags, environment and YAML gave, nested and fit for JSON, to be remembered
    with a collection; without secrets, without URLs that hold a password, without `workspace`.
    `config_dir`: the config file's folder, absolute.
    """

    settings: Settings
    origins: dict[str, str]
    explicit: dict[str, Any]
    config_dir: Path | None


def load(
    config: Path | None,
    flags: Mapping[str, object],
    sets: Sequence[str],
    environ: Mapping[str, str],
    remembered: Mapping[str, object] | None = None,
    *,
    remembered_with: str = "the collection",
) -> Loaded:
    """Merge all sources and check the result.

    Args:
        config: the YAML file, or None.
        flags: dotted key -> value of the flags that were given, and of no others.
        sets: the 'dotted.key=value' texts of `--set`.
        environ: the process environment; names beside `EMBCLUST_…` and OPENAI_API_KEY are ignored.
        remembered: nested settings kept with a collection (an earlier `Loaded.explicit`). What
            this version does not know in it is ignored.
        remembered_with: the collection's name, for messages.

    Raises:
        SettingsError: naming the key, its source and the nearest real key. All mistakes that can
            be found are found at once; the first is explained and the others are listed.
    """
    problems = Problems()
    config_dir = None if config is None else _folder_of(config)
    given: list[Given] = []
    if remembered:
        origin = f"remembered with {remembered_with}"
        given += from_mapping(remembered, (), Layer.REMEMBERED, origin, problems=problems)
    if config is not None:
        given += from_file(config.expanduser(), problems)
    given += from_environment(environ, problems)
    given += from_sets(sets, problems)
    given += from_flags(flags, problems)
    if config_dir is not None and _needs_folder(given) and str(config_dir) not in sys.path:
        # At the end: a file beside the config must not hide an installed package.
        sys.path.append(str(config_dir))
    winners, choices = merge(given, environ, problems)
    settings = Checker(winners, choices, config_dir, problems).settings()
    return Loaded(
        settings=settings,
        origins={
            dotted(key): winners[key].origin if key in winners else "default"
            for key, _, _ in values_of(settings)
        },
        explicit=_explicit(settings, winners, choices),
        config_dir=config_dir,
    )


def _folder_of(config: Path) -> Path:
    return Path(os.path.normpath(Path.cwd() / config.expanduser().parent))


def _needs_folder(given: Sequence[Given]) -> bool:
    """Whether a plug-in from outside (`kind: package.module:Class`) is asked for."""
    return any(
        g.key[:-1] in FAMILY_OF and g.key[-1] == "kind" and ":" in str(g.value) for g in given
    )


def _explicit(
    settings: Settings, winners: Mapping[Key, Given], choices: Mapping[Key, PluginChoice]
) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    plain = settings.model_dump(mode="json", exclude_defaults=False)
    for key, given in winners.items():
        choice = choices.get(key[:-1])
        secret = is_secret(find_field(key, choice.options if choice else None))
        if given.layer == Layer.REMEMBERED or key in _NOT_REMEMBERED or secret:
            continue
        value: Any = plain
        for part in key:
            value = value[part]
        if _holds_secret(value):
            continue
        target = kept
        for part in key[:-1]:
            target = target.setdefault(part, {})
        target[key[-1]] = value
    return kept


def values_of(settings: Settings) -> Iterator[tuple[Key, str, Any]]:
    """Every setting as (key, environment name, value), in the order of config.py."""
    for section in sections():
        value: Any = settings
        for part in section:
            value = getattr(value, part)
        names = list(section_fields(section))
        if section in FAMILY_OF:
            options = options_of(section, value.kind)
            names += [name for name in options.model_fields if name not in names]
            names += [name for name in value.options() if name not in names]
        for name in names:
            key = (*section, name)
            yield key, env_name(key), getattr(value, name)


def describe(loaded: Loaded) -> list[tuple[str, str, str]]:
    """(key, value as text, origin) of every setting, for `config show`; secrets hidden."""
    return [
        (dotted(key), _show(value), loaded.origins[dotted(key)])
        for key, _, value in values_of(loaded.settings)
    ]


def _show(value: Any) -> str:
    if isinstance(value, SecretStr):
        return HIDDEN
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_show(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_show(item) for item in value) + "]"
    return redact(str(value))


def _holds_secret(value: Any) -> bool:
    """Whether a text, or a text inside a list or mapping, is a URL with a password or token."""
    if isinstance(value, dict):
        return any(_holds_secret(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_secret(item) for item in value)
    return isinstance(value, str) and redact(value) != value
