"""The layers of settings and how they merge, one plug-in section at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from embclust import plugins
from embclust._settings_keys import (
    FAMILY_OF,
    Key,
    default_kind,
    dotted,
    env_name,
    guess,
    is_secret,
    options_of,
    section_fields,
)
from embclust.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

__all__ = ["Given", "Layer", "PluginChoice", "Problems", "merge"]

# Keys that other programs share: (section, kind, option) -> variable, used when ours is not set.
SHARED_KEYS: Final[dict[tuple[Key, str, str], str]] = {
    (("name",), "openai", "api_key"): "OPENAI_API_KEY"
}


class Layer(IntEnum):
    """Where a value was given, lowest first."""

    REMEMBERED = 1
    FILE = 2
    ENVIRONMENT = 3
    FLAGS = 4


@dataclass(frozen=True, slots=True)
class Given:
    """One value that was given, not yet typed.

    `origin` is what `config show` says, `place` what an error says (with the line). `inherited`:
    an option written for another kind that a higher layer has changed since.
    """

    key: Key
    value: object
    layer: Layer
    origin: str
    place: str
    inherited: bool = False

    @property
    def is_text(self) -> bool:
        """Whether the value was typed as text and is still to be read by its setting's type."""
        return self.layer >= Layer.ENVIRONMENT and isinstance(self.value, str)


@dataclass(frozen=True, slots=True)
class PluginChoice:
    """The kind in effect in a plug-in section, and its options model."""

    kind: str
    options: type[BaseModel]


@dataclass(slots=True)
class Problems:
    """The mistakes found so far, so that all of them are reported at once."""

    found: list[SettingsError] = field(default_factory=list)

    def add(self, message: str, hint: str = "") -> None:
        """Note one mistake."""
        self.found.append(SettingsError(message, hint))

    def unknown(self, given: Given, section: Key, names: list[str], kind: str = "") -> None:
        """Note a key that does not exist; `names` are those that do, `kind` whose they are."""
        hint = guess(given.key, section, names, kind)
        self.add(f"{dotted(given.key)}: no such setting in {given.place}.", hint)

    def raise_if_any(self) -> None:
        """Raise the first mistake; the keys of the others follow in its hint."""
        if not self.found:
            return
        first, others = self.found[0], self.found[1:]
        if not others:
            raise first
        also = "; ".join(dict.fromkeys(other.message.rstrip(".") for other in others[:5]))
        more = f"; and {len(others) - 5} more" if len(others) > 5 else ""
        raise SettingsError(first.message, f"{first.hint} Also: {also}{more}.".strip()) from first


def merge(
    given: Sequence[Given], environ: Mapping[str, str], problems: Problems
) -> tuple[dict[Key, Given], dict[Key, PluginChoice]]:
    """Return the winning value of each key and the kind in effect of each plug-in section."""
    ordered = sorted(given, key=lambda g: g.layer)  # stable: within a layer the last one wins
    winners = {g.key: g for g in ordered if g.key[:-1] not in FAMILY_OF}
    choices: dict[Key, PluginChoice] = {}
    for section in FAMILY_OF:
        inside = [g for g in ordered if g.key[:-1] == section]
        kept, choice = _merge_plugin(section, inside, problems)
        if choice is not None:
            choices[section] = choice
            _add_shared_key(section, choice, kept, environ)
        winners |= kept
    return winners, choices


def _merge_plugin(
    section: Key, inside: Sequence[Given], problems: Problems
) -> tuple[dict[Key, Given], PluginChoice | None]:
    """Merge one plug-in section; None for the choice when a kind does not exist."""
    kinds = [g for g in inside if g.key[-1] == "kind"]
    in_effect = _kinds_by_layer(section, kinds, problems)
    if in_effect is None:
        return {}, None
    final = in_effect[Layer.FLAGS]
    kept: dict[Key, Given] = {}
    for given in inside:
        if given.key[-1] == "kind":
            if str(given.value).strip() == final.kind:
                kept[given.key] = given
            continue
        # The kind of its own layer, or one that a higher layer changes to, must know an option.
        reachable = [in_effect[layer] for layer in Layer if layer >= given.layer]
        _place_option(given, section, reachable, kept, problems, _said(final, kinds))
    return kept, final


def _said(final: PluginChoice, kinds: Sequence[Given]) -> str:
    """The kind as an error names it, with where it was given when that is out of sight."""
    if kinds and kinds[-1].layer == Layer.REMEMBERED:
        return f"'{final.kind}' ({kinds[-1].place})"
    return f"'{final.kind}'"


def _kinds_by_layer(
    section: Key, kinds: Sequence[Given], problems: Problems
) -> dict[Layer, PluginChoice] | None:
    """The kind in effect at each layer, when nothing above it were given; None: no such kind."""
    found: dict[Layer, PluginChoice] = {}
    choice: PluginChoice | None = None
    for layer in Layer:
        named = [g for g in kinds if g.layer == layer]
        if not named and choice is not None:
            found[layer] = choice
            continue
        kind = str(named[-1].value).strip() if named else default_kind(section)
        try:
            choice = PluginChoice(kind, options_of(section, kind))
        except SettingsError as error:
            if layer == Layer.REMEMBERED and kinds[-1].layer != layer:
                # A plug-in that has gone since must not stop the choice of another.
                kind = default_kind(section)
                choice = PluginChoice(kind, options_of(section, kind))
            else:
                message = f"{dotted((*section, 'kind'))}: {error.message.rstrip('.')}"
                place = f", in {named[-1].place}." if named else "."
                problems.add(message + place, error.hint)
                return None
        found[layer] = choice
    return found


def _names(section: Key, choice: PluginChoice) -> list[str]:
    """All names of a plug-in section: the fields of every kind and the options of this one."""
    return list(dict.fromkeys([*section_fields(section), *choice.options.model_fields]))


def _place_option(
    given: Given,
    section: Key,
    reachable: Sequence[PluginChoice],
    kept: dict[Key, Given],
    problems: Problems,
    kind: str,
) -> None:
    """Keep one option under its real name if the last of the kinds knows it.

    Notes an option that none of them knows, and a secret that is not from the environment.
    """
    for choice in reversed(reachable):
        name = _match(given, section, choice)
        if name is not None:
            break
    else:
        if given.layer != Layer.REMEMBERED and not _is_secret_of_another_kind(given, section):
            problems.unknown(given, section, _names(section, reachable[0]), kind)
        return
    key = (*section, name)
    secret = is_secret(choice.options.model_fields.get(name))
    if secret and given.layer != Layer.ENVIRONMENT:
        if given.layer != Layer.REMEMBERED:
            problems.add(
                f"{dotted(key)}: a key is read from the environment only, not from {given.place}.",
                f"Remove it there and set {_key_variables(section, choice, name)}.",
            )
    elif choice is reachable[-1]:
        own = reachable[0]
        inherited = own.kind != choice.kind and _match(given, section, own) is not None
        kept[key] = replace(given, key=key, inherited=inherited)


def _match(given: Given, section: Key, choice: PluginChoice) -> str | None:
    """The real name of what was given; the environment may differ in case."""
    names, wanted = _names(section, choice), given.key[-1]
    if wanted in names or _takes_anything(choice):
        return wanted
    if given.layer == Layer.ENVIRONMENT:
        return next((n for n in names if n.casefold() == wanted.casefold()), None)
    return None


def _is_secret_of_another_kind(given: Given, section: Key) -> bool:
    """A key exported in the shell's profile must not break the runs that do not need it."""
    return given.layer == Layer.ENVIRONMENT and any(
        is_secret(options_of(section, kind).model_fields.get(given.key[-1].casefold()))
        for kind in plugins.FAMILIES[FAMILY_OF[section]]
    )


def _takes_anything(choice: PluginChoice) -> bool:
    return choice.options.model_config.get("extra") == "allow"


def _key_variables(section: Key, choice: PluginChoice, name: str) -> str:
    shared = SHARED_KEYS.get((section, choice.kind, name))
    own = env_name((*section, name))
    return f"{own} or {shared}" if shared else own


def _add_shared_key(
    section: Key, choice: PluginChoice, kept: dict[Key, Given], environ: Mapping[str, str]
) -> None:
    """Take a key that other programs share when our own variable is unset or empty."""
    for (where, kind, name), variable in SHARED_KEYS.items():
        key = (*where, name)
        own = kept.get(key)
        if (where, kind) != (section, choice.kind) or name not in choice.options.model_fields:
            continue
        if environ.get(variable) and (own is None or not str(own.value or "").strip()):
            place = f"environment variable {variable}"
            origin = f"environment {variable}"
            kept[key] = Given(key, environ[variable], Layer.ENVIRONMENT, origin, place)
