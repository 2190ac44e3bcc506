"""Which settings exist: the tree of sections, their fields, and the options of a plug-in's kind.

A key is a tuple such as `("encoders", "image", "batch_size")`, written `encoders.image.batch_size`.
"""

from __future__ import annotations

import difflib
import types
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from embclust import plugins
from embclust.config import Settings
from embclust.errors import SettingsError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = [
    "FAMILY_OF",
    "Key",
    "annotation_of",
    "default_kind",
    "dotted",
    "env_name",
    "find_field",
    "guess",
    "is_secret",
    "members_of",
    "options_of",
    "section_fields",
    "sections",
]

Key = tuple[str, ...]

FAMILY_OF: Final[dict[Key, str]] = {
    ("encoders", "image"): "encoder",
    ("encoders", "text"): "encoder",
    ("store",): "store",
    ("cluster",): "clusterer",
    ("project",): "projector",
    ("name",): "namer",
}


def dotted(key: Key) -> str:
    """('cluster', 'k') -> 'cluster.k'."""
    return ".".join(key)


def env_name(key: Key) -> str:
    """('cluster', 'k') -> 'EMBCLUST_CLUSTER__K'."""
    prefix = Settings.model_config["env_prefix"]
    delimiter = Settings.model_config["env_nested_delimiter"] or "__"
    return prefix + delimiter.join(key).upper()


def sections(above: Key = (), model: type[BaseModel] = Settings) -> dict[Key, type[BaseModel]]:
    """Every section and its model, the root `()` first, in the order of config.py."""
    found = {above: model}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= sections((*above, name), kind)
    return found


def section_fields(section: Key) -> dict[str, FieldInfo]:
    """The fields of a section that are values, not sections; of a plug-in: those of all kinds."""
    known = sections()
    fields = known[section].model_fields
    return {name: field for name, field in fields.items() if (*section, name) not in known}


def default_kind(section: Key) -> str:
    """The kind a plug-in section has when nothing else is given."""
    value: Any = Settings()
    for name in section:
        value = getattr(value, name)
    return str(value.kind)


def options_of(section: Key, kind: str) -> type[BaseModel]:
    """The options model of a kind.

    Raises SettingsError: no such kind (naming the nearest), or a plug-in from outside that
    cannot be imported or has no options model.
    """
    family = FAMILY_OF[section]
    try:
        model = getattr(plugins.load_class(family, kind), "Options", None)
    except SettingsError:
        raise
    except Exception as error:
        if kind in plugins.FAMILIES[family]:
            raise
        # A stranger's module can raise anything when it is imported: not our bug, no traceback.
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise SettingsError(f"'{kind}' cannot be imported: {what}.") from error
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise SettingsError(f"'{kind}' has no nested pydantic model named Options.")
    return model


def find_field(key: Key, options: type[BaseModel] | None) -> FieldInfo | None:
    """The field behind a key; `options` is the section's options model when it is a plug-in's."""
    section, name = key[:-1], key[-1]
    common = section_fields(section).get(name)
    if common is not None or options is None:
        return common
    return options.model_fields.get(name)


def annotation_of(field: FieldInfo | None) -> Any:
    """The annotation with its validators, as a TypeAdapter takes it; Any when unknown."""
    if field is None:
        return Any
    annotation: Any = field.annotation
    for item in field.metadata:
        annotation = Annotated[annotation, item]
    return annotation


def members_of(annotation: Any) -> list[Any]:
    """The members of a union, or the one type itself; outer `Annotated` is taken off."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        return [leaf for member in get_args(annotation) for leaf in members_of(member)]
    return [annotation]


def is_secret(field: FieldInfo | None) -> bool:
    """Whether the field holds a key that must not be shown or kept, also inside a list or dict."""
    return field is not None and _mentions_secret(field.annotation)


def _mentions_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_mentions_secret(arg) for arg in get_args(annotation))


def guess(key: Key, section: Key, names: list[str], kind: str = "") -> str:
    """A sentence that names the nearest real key: in this section, else anywhere.

    `kind`: the section's kind, as a message names it.
    """
    wrong = key[len(section)].lower().replace("-", "_")
    near = difflib.get_close_matches(wrong, names, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    elsewhere = _find_elsewhere(section, wrong, kind)
    if elsewhere:
        return elsewhere
    return f"Known here: {', '.join(names)}."


def _find_elsewhere(section: Key, name: str, own: str) -> str:
    """The same name as an option of another kind of this family, or in another section."""
    kinds = plugins.FAMILIES[FAMILY_OF[section]] if section in FAMILY_OF else ()
    having = [kind for kind in kinds if name in options_of(section, kind).model_fields]
    if having:
        # The kind most people mean comes first.
        nearest = next((kind for kind in having if kind == default_kind(section)), having[0])
        flag = f"--kind {nearest}" if section == ("cluster",) else ""
        way = flag or f"--set {dotted((*section, 'kind'))}={nearest}"
        named = ", ".join(f"'{kind}'" for kind in having)
        return f"It is an option of kind {named}, not of {own}: choose one with {way}."
    for other in sections():
        names = set(section_fields(other))
        if other in FAMILY_OF:
            names |= set(options_of(other, default_kind(other)).model_fields)
        if name in names and other != section:
            return f"Did you mean '{dotted((*other, name))}'?"
    return ""
