"""Every recipe in configs/ loads, fits the JSON schema, and can be pointed at other data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from embclust import plugins
from embclust.errors import SettingsError
from embclust.settings_docs import schema
from embclust.settings_sources import load

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
SHARED = ROOT / "../shared"


def test_there_are_recipes() -> None:
    assert ROOT / "configs/fashion.yaml" in CONFIGS


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_a_recipe_loads(config: Path) -> None:
    settings = load(config, {}, [], {}).settings
    assert settings.source.path is not None
    assert settings.source.path.is_absolute()
    assert settings.fields.image_templates() or settings.fields.texts
    assert settings.workspace == Path(".embclust"), "a shared config leaves the workspace open"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_a_recipe_fits_the_schema(config: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(yaml.safe_load(config.read_text(encoding="utf-8")), schema())


def test_fashion_is_what_the_readme_promises() -> None:
    settings = load(ROOT / "configs/fashion.yaml", {}, [], {}).settings
    assert settings.source.path == ROOT / "data/styles.csv"
    assert settings.source.id_field == "id"
    assert settings.source.hint is not None
    assert "kaggle.com" in settings.source.hint
    assert "data/styles.csv" in settings.source.hint
    assert "\n" not in settings.source.hint
    assert settings.fields.image_templates() == {"imageUrl": "images/{id}.jpg"}
    assert settings.fields.texts == ["productDisplayName"]
    assert settings.store.collection_prefix == "fashion_"
    assert settings.encoders.image.options()["model"] == "openai/clip-vit-base-patch32"
    assert settings.encoders.text.options()["model"] == "BAAI/bge-small-en-v1.5"


def test_fashion_can_be_pointed_at_other_data_and_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = SHARED / "data/fashion/fashion.csv"
    if not table.exists():
        pytest.skip("../shared/data/fashion is not here")
    monkeypatch.chdir(ROOT)
    environ = {
        "EMBCLUST_SOURCE__PATH": "../shared/data/fashion/fashion.csv",
        "EMBCLUST_ENCODERS__IMAGE__MODEL": "local-dir:../shared/models/fashion-clip",
        "EMBCLUST_ENCODERS__TEXT__KIND": "hashing",
    }
    settings = load(Path("configs/fashion.yaml"), {}, [], environ).settings
    assert settings.source.path is not None
    assert settings.source.path.samefile(table)
    image, text = settings.encoders.image, settings.encoders.text
    assert Path(image.options()["model"].removeprefix("local-dir:")).is_dir()
    assert "model" not in text.options(), "the old kind's model is dropped with the kind"
    encoder = plugins.build(
        "encoder", image.kind, image.options(), modality="image", device="cpu", base=Path()
    )
    assert encoder.dim == 256
    words = plugins.build(
        "encoder", text.kind, text.options(), modality="text", device="cpu", base=Path()
    )
    assert words.modality == "text"


@pytest.mark.parametrize(
    ("document", "good"),
    [
        ({}, True),
        ({"cluster": {"kind": "kmeans", "k": 20}}, True),
        ({"cluster": {"k": 20}}, True),
        ({"cluster": {"kind": "my_pkg.module:Class", "anything": 1}}, True),
        ({"plot": {"max_bytes": "25MB"}}, True),
        ({"project": {"kind": "pca", "dims": 2}}, True),
        ({"cluster": {"kind": "kmean"}}, False),
        ({"cluster": {"kind": "kmeans", "kk": 20}}, False),
        ({"plot": {"titel": "x"}}, False),
        ({"plot": {"max_bytes": "25 apples"}}, False),
        ({"project": {"dims": 4}}, False),
        ({"name": {"kind": "openai", "api_key": "sk-x"}}, False),
    ],
)
def test_the_schema_and_the_program_agree(
    tmp_path: Path, document: dict[str, Any], good: bool
) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema())
    assert jsonschema.Draft202012Validator(schema()).is_valid(document) == good
    if ":" in document.get("cluster", {}).get("kind", ""):
        return  # the schema cannot import; the program refuses a module that is not there
    path = tmp_path / "x.yaml"
    path.write_text(json.dumps(document))
    if good:
        load(path, {}, [], {})
    else:
        with pytest.raises(SettingsError):
            load(path, {}, [], {})
