from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from embclust.config import FieldsSettings, ImagesSettings, Settings, SourceSettings, StoreSettings


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("25MB", 25_000_000),
        ("25 mb", 25_000_000),
        ("1.5kB", 1_500),
        ("1MiB", 1_048_576),
        ("2_000", 2_000),
        ("7b", 7),
        (9, 9),
    ],
)
def test_a_size_is_bytes_or_a_number_with_a_unit(text: Any, size: int) -> None:
    assert ImagesSettings(max_bytes=text).max_bytes == size


@pytest.mark.parametrize("text", ["", "MB", "25 apples", "infGB", "nan", "1e999", "-5MB", "0"])
def test_what_is_no_size_is_refused(text: Any) -> None:
    with pytest.raises(ValidationError):
        ImagesSettings(max_bytes=text)


@pytest.mark.parametrize(("given", "kept"), [("1 %", "1%"), ("0.5%", "0.5%"), ("20", 20), (0, 0)])
def test_a_share_is_a_count_or_a_percentage(given: Any, kept: object) -> None:
    assert SourceSettings(max_bad_rows=given).max_bad_rows == kept


@pytest.mark.parametrize("given", ["101%", "-1", -1, "many", "1%%", ""])
def test_what_is_no_share_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError):
        SourceSettings(max_bad_rows=given)


def test_a_tab_can_be_written_as_a_word() -> None:
    assert SourceSettings(delimiter="tab").delimiter == "\t"
    assert SourceSettings(delimiter="\\t").delimiter == "\t"
    with pytest.raises(ValidationError):
        SourceSettings(delimiter="::")


def test_an_unknown_encoding_is_refused() -> None:
    assert SourceSettings(encoding="cp1252").encoding == "cp1252"
    with pytest.raises(ValidationError, match="text encoding"):
        SourceSettings(encoding="utf9")


def test_infinity_is_no_timeout() -> None:
    with pytest.raises(ValidationError):
        ImagesSettings(timeout=float("inf"))


def test_image_templates_are_none_for_plain_columns() -> None:
    assert FieldsSettings(images=["photo"]).image_templates() == {"photo": None}
    assert FieldsSettings(images={"photo": "{id}.jpg"}).image_templates() == {"photo": "{id}.jpg"}


def test_options_are_what_is_beside_the_fields_of_every_kind() -> None:
    store = StoreSettings.model_validate({"collection_prefix": "a_", "path": Path("x")})
    assert store.kind == "chroma"
    assert store.options() == {"path": Path("x")}


def test_settings_take_nothing_from_the_environment_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EMBCLUST_KEEP_RUNS", "3")
    assert Settings().keep_runs == 10
