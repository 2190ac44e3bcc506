"""The settings all commands share: what exists, what it means, and its default.

Where a value comes from is decided in `embclust.settings_sources`: flags > environment > YAML >
remembered with the collection > the defaults here. Plug-in sections (`encoders.image`, `store`,
`cluster`, `project`, `name`) hold `kind` and, beside it, that kind's own options.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

__all__ = [
    "EncodersSettings",
    "FieldsSettings",
    "ImagesSettings",
    "NameSettings",
    "PlotSettings",
    "PluginSettings",
    "ProjectSettings",
    "Settings",
    "SourceSettings",
    "StoreSettings",
    "parse_size",
]

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30}


def parse_size(value: object) -> object:
    """'25MB' -> 25_000_000, '1MiB' -> 1_048_576; anything else passes through to pydantic."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower().replace(" ", "").replace("_", "")
    number = text.rstrip("bkmgi")
    unit = text[len(number) :]
    if unit not in _UNITS:
        return value
    try:
        return int(float(number) * _UNITS[unit])
    except (ValueError, OverflowError):
        return value


def _check_share(value: int | str) -> int | str:
    """Accept a count (5, '5') or a percentage ('1%', '0.5%')."""
    text = str(value).strip()
    if re.fullmatch(r"\d+", text):
        return int(text)
    if re.fullmatch(r"\d+(\.\d+)? ?%", text) and float(text.rstrip("% ")) <= 100:
        return text.replace(" ", "")
    raise ValueError("expected a number such as 20, or a percentage such as 1%")


def _check_encoding(value: str) -> str:
    if value != "auto":
        try:
            codecs.lookup(value)
        except LookupError:
            raise ValueError("expected auto or a text encoding such as utf-8 or cp1252") from None
    return value


def _read_delimiter(value: object) -> object:
    """A tab is hard to type in a shell: 'tab' and a backslash with a t stand for it."""
    return "\t" if value in ("tab", "\\t") else value


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": "^[0-9._ ]+([kKmMgG][iI]?)?[bB]?$"},
            ]
        }
    ),
]
Share = Annotated[int | str, AfterValidator(_check_share)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)


class PluginSettings(BaseModel):
    """`kind` and, beside it, the options of that kind."""

    model_config = ConfigDict(extra="allow")

    kind: str = Field(description="Which plug-in; `package.module:Class` loads one from outside.")

    def options(self) -> dict[str, Any]:
        """That kind's options, for `plugins.build(family, section.kind, section.options())`.

        After `settings_sources.load` these are all of them: checked, with defaults filled in,
        paths made absolute, secrets still wrapped as `SecretStr`.
        """
        return dict(self.model_extra or {})


class SourceSettings(_Section):
    """The table."""

    path: Path | None = Field(None, description="CSV, TSV, JSONL, Parquet, or a folder of images.")
    hint: str | None = Field(
        None, description="What to do when the table is not there; shown with that error."
    )
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet", "images"] = Field(
        "auto", description="What the table is; auto goes by the name."
    )
    encoding: Annotated[str, AfterValidator(_check_encoding)] = Field(
        "auto", description="Text encoding; auto takes UTF-8 and UTF-16 marks."
    )
    delimiter: Annotated[str | None, BeforeValidator(_read_delimiter)] = Field(
        None,
        min_length=1,
        max_length=1,
        description="CSV delimiter, one character or `tab`; found by itself when unset.",
    )
    id_field: str | None = Field(
        None, description="The id column. Without one an id is a hash of the row's content."
    )
    start: int = Field(0, ge=0, description="Skip this many rows first.")
    limit: int | None = Field(None, ge=1, description="Read at most this many rows.")
    on_duplicate: Literal["error", "first", "suffix"] = Field(
        "error", description="What to do with two different rows of one id."
    )
    max_bad_rows: Share = Field(
        "1%", description="How many unreadable rows to tolerate: a number or a percentage."
    )
    name: str | None = Field(
        None, description="What the table is called in the ledger; its absolute path when unset."
    )


class FieldsSettings(_Section):
    """Which columns are embedded; each becomes a collection of its own."""

    images: dict[str, str | None] | list[str] = Field(
        default_factory=list,
        description="Image columns (URLs or paths), or column: 'path/{id}.jpg' templates.",
    )
    texts: list[str] = Field(default_factory=list, description="Text columns.")

    def image_templates(self) -> dict[str, str | None]:
        """Image column -> path template, or None when the column itself holds URLs or paths."""
        if isinstance(self.images, dict):
            return dict(self.images)
        return dict.fromkeys(self.images)


class EncodersSettings(_Section):
    """What turns pictures and texts into vectors."""

    image: PluginSettings = Field(
        default_factory=lambda: PluginSettings.model_validate({"kind": "open_clip"}),
        description="Encoder of image columns.",
    )
    text: PluginSettings = Field(
        default_factory=lambda: PluginSettings.model_validate({"kind": "sentence_transformers"}),
        description="Encoder of text columns.",
    )


class ImagesSettings(_Section):
    """How pictures are fetched, and what is accepted as one."""

    workers: int = Field(16, ge=1, le=256, description="Downloads under way at once.")
    per_host: int = Field(8, ge=1, le=256, description="Downloads under way at once per host.")
    timeout: float = Field(30.0, gt=0, description="Seconds for one attempt, in all.")
    retries: int = Field(4, ge=0, le=20, description="Further attempts after the first.")
    retry_after_cap: float = Field(
        120.0, ge=0, description="Longest wait that a server's Retry-After is honoured for."
    )
    max_bytes: Size = Field(20_000_000, gt=0, description="Largest file accepted, on the wire.")
    max_pixels: int = Field(40_000_000, ge=64, description="Most pixels accepted.")
    max_aspect: float = Field(20.0, ge=1, description="Longest side over shortest, at most.")
    min_side: int = Field(8, ge=1, description="Shortest side accepted, in pixels.")
    thumbnail: int = Field(128, ge=16, le=512, description="Longest side of a thumbnail kept.")
    root: Path | None = Field(
        None, description="Local pictures must lie under this folder; the table's when unset."
    )
    proxy: str | None = Field(None, description="HTTP proxy for downloads.")
    user_agent: str | None = Field(None, description="User-Agent sent; embclust's own when unset.")
    allow_private_hosts: bool = Field(
        False, description="Also fetch from loopback and private addresses."
    )


class StoreSettings(PluginSettings):
    """Where people query the vectors. Everything beside these is the kind's own option."""

    kind: str = Field("chroma", description="Which store.")
    collection_prefix: str = Field("", description="Collections are called prefix + field.")


class ProjectSettings(PluginSettings):
    """How vectors are laid out on the map. Everything beside these is the kind's own option."""

    kind: str = Field("tsne", description="Which projection.")
    dims: Literal["auto", 2, 3, "both"] = Field(
        "auto",
        description="Dimensions of the map: 2, 3 or both; auto is both up to 20,000 points, else "
        "3.",
    )


class NameSettings(PluginSettings):
    """How clusters get their names. Everything beside these is the kind's own option."""

    kind: str = Field("keywords", description="Which namer.")
    fields: list[str] = Field(
        default_factory=list,
        description="Fields that names are made from; those of `plot.text_fields` when empty.",
    )


class PlotSettings(_Section):
    """The page."""

    text_fields: list[str] = Field(
        default_factory=list,
        description="Fields shown on the hover card; clusters are named from them.",
    )
    image_field: str | None = Field(
        None, description="Field whose pictures are shown; found by itself when unset."
    )
    max_points: int = Field(50_000, ge=10, description="More points than this are sampled.")
    max_bytes: Size = Field(25_000_000, gt=0, description="Size the page should stay under.")
    title: str | None = Field(None, description="Headline of the page.")
    credit: str | None = Field(None, description="A line of credit at the foot of the page.")
    out: Path | None = Field(None, description="Where the page goes.")


def _plugin(kind: str, description: str) -> Any:
    return Field(
        default_factory=lambda: PluginSettings.model_validate({"kind": kind}),
        description=description,
    )


class Settings(BaseSettings):
    """Everything a run can be told. Build it with `settings_sources.load`, which merges."""

    model_config = SettingsConfigDict(
        env_prefix="EMBCLUST_", env_nested_delimiter="__", extra="forbid"
    )

    workspace: Path = Field(
        Path(".embclust"),
        description="Folder of the ledger, the store and the results; "
        "relative to the current folder, also in a config file.",
    )
    keep_runs: int = Field(10, ge=1, description="How many cluster runs are kept to compare with.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where models run.")
    source: SourceSettings = Field(default_factory=SourceSettings)
    fields: FieldsSettings = Field(default_factory=FieldsSettings)
    encoders: EncodersSettings = Field(default_factory=EncodersSettings)
    images: ImagesSettings = Field(default_factory=ImagesSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    cluster: PluginSettings = _plugin("spectral", "How vectors are grouped.")
    project: ProjectSettings = Field(default_factory=ProjectSettings)
    name: NameSettings = Field(default_factory=NameSettings)
    plot: PlotSettings = Field(default_factory=PlotSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take nothing but what `settings_sources.load` merged.

        The library's own sources ignore unknown names and merge a dict from the environment
        into one from the file; `load` refuses the first and replaces whole values.
        """
        return (init_settings,)
