"""Which value wins, where it came from, what text becomes, what paths refer to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from embclust import plugins
from embclust.settings_sources import describe
from tests.settings.support import refusal, run, write


def test_each_layer_wins_over_the_one_below(folder: Path) -> None:
    config = write(folder, "keep_runs: 3\nplot: {title: from file, credit: c}\n")
    remembered: dict[str, object] = {"keep_runs": 2, "device": "cpu", "plot": {"title": "old"}}
    env = {"EMBCLUST_PLOT__TITLE": "from env", "EMBCLUST_IMAGES__RETRIES": "1"}
    loaded = run(config, {"plot.credit": "flagged"}, ["images.retries=2"], env, remembered)
    settings, origins = loaded.settings, loaded.origins
    assert (settings.keep_runs, origins["keep_runs"]) == (3, "configs/x.yaml")
    assert (settings.device, origins["device"]) == ("cpu", "remembered with the collection")
    assert settings.plot.title == "from env"
    assert origins["plot.title"] == "environment EMBCLUST_PLOT__TITLE"
    assert (settings.plot.credit, origins["plot.credit"]) == ("flagged", "flag --credit")
    assert (settings.images.retries, origins["images.retries"]) == (2, "flag --set")
    assert (settings.images.workers, origins["images.workers"]) == (16, "default")


def test_a_flag_wins_over_set_and_the_last_set_wins() -> None:
    loaded = run(None, {"keep_runs": 7}, ["keep_runs=5", "plot.title=a", "plot.title=b"])
    assert loaded.settings.keep_runs == 7
    assert loaded.settings.plot.title == "b"


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ('{"photo": "{id}.png"}', {"photo": "{id}.png"}),
        ("{photo: '{id}.png', back: null}", {"photo": "{id}.png", "back": None}),
        ("[front, back]", ["front", "back"]),
        ("front, back", ["front", "back"]),
        ("front", ["front"]),
        ("# odd", ["# odd"]),
        ("", []),
    ],
)
def test_image_fields_are_replaced_whole(folder: Path, text: str, images: object) -> None:
    config = write(folder, 'fields: {images: {imageUrl: "images/{id}.jpg"}, texts: [title]}')
    loaded = run(config, env={"EMBCLUST_FIELDS__IMAGES": text})
    assert loaded.settings.fields.images == images
    assert loaded.settings.fields.texts == ["title"]


def test_a_whole_section_can_be_given_as_a_mapping() -> None:
    env = {"EMBCLUST_PLOT": '{"title": "t", "max_points": 20}', "EMBCLUST_PLOT__MAX_POINTS": "30"}
    loaded = run(None, sets=["images={retries: 1}"], env=env)
    assert loaded.settings.plot.title == "t"
    assert loaded.settings.plot.max_points == 30
    assert loaded.settings.images.retries == 1
    assert "expected a mapping" in refusal(sets=["plot=3"])


def test_environment_names_are_matched_without_regard_to_case() -> None:
    env = {"embclust_keep_runs": "3", "Embclust_Cluster__K": "4", "EMBCLUST_KEEP_RUNS": "5"}
    loaded = run(env=env)
    assert loaded.settings.keep_runs == 5
    assert loaded.settings.cluster.options()["k"] == 4


def test_an_empty_file_and_an_empty_section_give_nothing(folder: Path) -> None:
    assert run(write(folder, "# nothing yet\n")).explicit == {}
    assert run(write(folder, "plot:\ncluster:\n")).explicit == {}


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("source.limit", "20", 20),
        ("source.limit", "null", None),
        ("source.name", "2024", "2024"),
        ("source.name", "null", None),
        ("source.max_bad_rows", "5", 5),
        ("source.max_bad_rows", "5%", "5%"),
        ("images.allow_private_hosts", "yes", True),
        ("images.timeout", "2.5", 2.5),
        ("images.max_bytes", "2MB", 2_000_000),
        ("project.dims", "2", 2),
        ("store.collection_prefix", "", ""),
        ("store.collection_prefix", "007", "007"),
        ("plot.text_fields", "a, b", ["a", "b"]),
        ("plot.text_fields", '["1", 2]', ["1", "2"]),
        ("plot.title", "[draft]", "[draft]"),
    ],
)
def test_text_is_read_by_the_type_of_the_setting(key: str, text: str, value: object) -> None:
    name = "EMBCLUST_" + key.replace(".", "__").upper()
    for loaded in (run(sets=[f"{key}={text}"]), run(env={name: text})):
        found: Any = loaded.settings
        for part in key.split("."):
            found = getattr(found, part)
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize(("text", "value"), [("20", 20), ("auto", "auto")])
def test_a_union_of_number_and_word_takes_both(folder: Path, text: str, value: object) -> None:
    config = write(folder, "cluster: {kind: 'outside_kinds:First'}")
    assert run(config, {"cluster.k": text}).settings.cluster.options()["k"] == value
    assert run(config, env={"EMBCLUST_CLUSTER__K": text}).settings.cluster.options()["k"] == value


def test_what_is_remembered_can_be_given_back(folder: Path) -> None:
    config = write(
        folder, "cluster: {kind: 'outside_kinds:First', k: 7, weights: w}\nplot: {out: p}"
    )
    first = run(config, env={"EMBCLUST_WORKSPACE": "ws", "EMBCLUST_PLOT__TITLE": "t"})
    kept = json.loads(json.dumps(first.explicit))
    assert kept["plot"] == {"out": str(folder / "p"), "title": "t"}
    again = run(remembered=kept)
    assert again.settings.cluster == first.settings.cluster
    assert again.settings.plot == first.settings.plot
    assert again.settings.workspace == Path(".embclust")
    assert again.explicit == {}


def test_what_is_remembered_but_unknown_today_is_ignored(folder: Path) -> None:
    remembered: dict[str, object] = {
        "gone": 1,
        "plot": {"old": 2, "title": "t"},
        "cluster": {"kind": "gone_module:X", "k": 5},
        "images": "odd",
    }
    loaded = run(None, {"cluster.kind": "kmeans"}, remembered=remembered)
    assert loaded.settings.plot.title == "t"
    assert loaded.settings.cluster.kind == "kmeans"


def test_paths_are_relative_to_where_they_are_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path.cwd()
    monkeypatch.setenv("HOME", "/home/someone")
    config = write(
        folder,
        "workspace: ws\nsource: {path: ../data/a.csv}\nimages: {root: ~/pictures}\nplot: {out: o}",
    )
    settings = run(config).settings
    assert settings.workspace == Path("ws")
    assert settings.source.path == here / "data/a.csv"
    assert settings.images.root == Path("/home/someone/pictures")
    assert settings.plot.out == folder / "o"
    other = run(config, {"plot.out": Path("p")}, env={"EMBCLUST_SOURCE__PATH": "b.csv"}).settings
    assert other.source.path == here / "b.csv"
    assert other.plot.out == here / "p"


def test_a_model_option_is_a_path_when_it_looks_like_one(folder: Path) -> None:
    config = write(folder, "cluster: {kind: 'outside_kinds:First', model: ../m}")
    here = Path.cwd()
    assert run(config).settings.cluster.options()["model"] == str(here / "m")
    for text, model in [
        ("local-dir:m", f"local-dir:{here / 'm'}"),
        ("./m", str(here / "m")),
        ("org/m", "org/m"),
        ("local-dir:/abs/m", "local-dir:/abs/m"),
    ]:
        loaded = run(config, sets=[f"cluster.model={text}"])
        assert loaded.settings.cluster.options()["model"] == model


def test_describe_lists_every_setting_once() -> None:
    rows = describe(run(sets=["fields.texts=[a, b]", "images.allow_private_hosts=on"]))
    keys = [key for key, _, _ in rows]
    assert len(keys) == len(set(keys))
    for options in plugins.options_of("clusterer", "spectral").model_fields:
        assert f"cluster.{options}" in keys
    assert ("fields.texts", "[a, b]", "flag --set") in rows
    assert ("images.allow_private_hosts", "true", "flag --set") in rows
    assert ("source.path", "null", "default") in rows
