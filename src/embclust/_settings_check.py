"""The merged values -> checked `Settings`, or the one error that names every mistake."""

from __future__ import annotations

import re
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from embclust._settings_keys import (
    FAMILY_OF,
    Key,
    annotation_of,
    dotted,
    env_name,
    find_field,
    is_secret,
    members_of,
    section_fields,
    sections,
)
from embclust._settings_layers import Layer
from embclust._settings_text import anchor, parse_text
from embclust.config import Settings
from embclust.redact import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from embclust._settings_layers import Given, PluginChoice, Problems

__all__ = ["Checker"]


@dataclass(frozen=True, slots=True)
class Checker:
    """Types, anchors and validates what `merge` kept."""

    winners: dict[Key, Given]
    choices: Mapping[Key, PluginChoice]
    config_dir: Path | None
    problems: Problems

    def settings(self) -> Settings:
        """Raises SettingsError with every mistake of this and the earlier stages."""
        values = {key: self._typed(given) for key, given in self.winners.items()}
        nested: dict[str, Any] = {}
        for section in sections():
            target = nested
            for part in section:
                target = target.setdefault(part, {})
            inside = {key[-1]: value for key, value in values.items() if key[:-1] == section}
            choice = self.choices.get(section)
            if choice is not None:
                common = section_fields(section)
                options = {n: inside.pop(n) for n in list(inside) if n not in common}
                target["kind"] = choice.kind
                target |= self._options(section, choice, options)
            target |= inside
        try:
            settings = Settings.model_validate(nested)
        except ValidationError as error:
            self._note((), error, None)
        self.problems.raise_if_any()
        return settings

    def _options(self, section: Key, choice: PluginChoice, given: dict[str, Any]) -> dict[str, Any]:
        """All options of a kind, checked, with its defaults."""
        try:
            checked: BaseModel = choice.options.model_validate(given)
        except ValidationError as error:
            wrong = {(*section, str(e["loc"][0])) for e in error.errors() if e["loc"]}
            unfit = [k for k in wrong if k in self.winners and self.winners[k].inherited]
            for key in unfit:  # meant for another kind, where it had another meaning
                del self.winners[key]
                del given[key[-1]]
            if unfit:
                return self._options(section, choice, given)
            self._note(section, error, choice)
            return {}
        names = [n for n in choice.options.model_fields if n not in section_fields(section)]
        return {name: getattr(checked, name) for name in names} | (checked.model_extra or {})

    def _field(self, key: Key) -> Any:
        choice = self.choices.get(key[:-1])
        return find_field(key, choice.options if choice else None)

    def _typed(self, given: Given) -> Any:
        """One value, read from text where it was text, paths made absolute."""
        annotation = annotation_of(self._field(given.key))
        value = given.value
        try:
            if isinstance(value, str) and given.is_text:
                value = parse_text(value, annotation)
            elif isinstance(value, bool):
                _refuse_bool(value, annotation)
            _refuse_broken_text(value, annotation)
            return anchor(value, annotation, self._base(given), option=given.key[:-1] in FAMILY_OF)
        except ValueError as error:
            self._add(given.key, str(error))
            return value

    def _base(self, given: Given) -> Path | None:
        """The folder that a relative path in this value refers to."""
        if given.key == ("workspace",):
            return None
        return self.config_dir if given.layer == Layer.FILE else Path.cwd()

    def _note(self, section: Key, error: ValidationError, choice: PluginChoice | None) -> None:
        """Turn pydantic's errors into ours, one per key (a union reports one per member)."""
        texts: dict[Key, list[str]] = {}
        for detail in error.errors(include_url=False):
            key, text = self._explain(section, detail, choice)
            texts.setdefault(key, []).append(text)
        for key, several in texts.items():
            self._add(key, " or ".join(dict.fromkeys(several)))

    def _explain(
        self, section: Key, detail: ErrorDetails, choice: PluginChoice | None
    ) -> tuple[Key, str]:
        loc = (*section, *detail["loc"])
        known = sections()
        cut = len(section)
        while cut < len(loc) and tuple(map(str, loc[:cut])) in known:
            cut += 1
        key = tuple(map(str, loc[:cut]))
        item = next((f"item {part + 1}: " for part in loc[cut:] if isinstance(part, int)), "")
        if detail["type"] == "missing" and choice is not None:
            return key, f"kind '{choice.kind}' needs a value"
        text = re.sub(r"^(Value error, |Assertion failed, )", "", detail["msg"])
        text = re.sub(r", unable to (parse|interpret) .*", "", text)
        return key, item + re.sub(r"^Input should be", "expected", text).rstrip(".")

    def _add(self, key: Key, text: str) -> None:
        given = self.winners.get(key)
        if any(p.message.startswith(f"{dotted(key)}: ") for p in self.problems.found):
            return
        if given is None:
            hint = "" if key in sections() else f"Set it with --set {dotted(key)}=…"
            if is_secret(self._field(key)) if key not in sections() else False:
                hint = f"Set {env_name(key)}."
            self.problems.add(f"{dotted(key)}: {text}.", hint)
            return
        got = ""
        if not is_secret(self._field(key)):
            got = f", got {redact(reprlib.repr(given.value))}"
        self.problems.add(f"{dotted(key)}: {text}{got}, in {given.place}.")


def _refuse_broken_text(value: Any, annotation: Any) -> None:
    """Bytes that are no UTF-8 come in as lone surrogates, and would fail when written out.

    File names may hold them. Raises ValueError.
    """
    if isinstance(value, str) and Path not in members_of(annotation):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("expected text in UTF-8") from None


def _refuse_bool(value: bool, annotation: Any) -> None:
    """Pydantic takes true for 1; refuse a boolean where none is meant.

    Raises ValueError.
    """
    for member in members_of(annotation):
        if member in (bool, Any, object) or any(value is arg for arg in get_args(member)):
            return
    raise ValueError("expected no true or false (in YAML an unquoted yes, no, on, off is one)")
