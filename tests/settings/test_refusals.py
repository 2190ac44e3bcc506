"""What is wrong is refused, with its key, its source and the nearest real key."""

from __future__ import annotations

from pathlib import Path

import pytest

from embclust import plugins
from tests.settings.support import refusal, run, write


@pytest.mark.parametrize(
    ("yaml", "key", "near"),
    [
        ("keep_run: 3", "keep_run", "keep_runs"),
        ("plot:\n  titel: x", "plot.titel", "title"),
        ("encoder: {}", "encoder", "encoders"),
        ("encoders: {images: {}}", "encoders.images", "image"),
        ("cluster:\n  seeds: 4", "cluster.seeds", "seed"),
        ("collection_prefix: a", "collection_prefix", "store.collection_prefix"),
    ],
)
def test_an_unknown_key_in_the_file(folder: Path, yaml: str, key: str, near: str) -> None:
    line = yaml.count("\n") + 1
    text = refusal(write(folder, yaml))
    assert text == (f"{key}: no such setting in configs/x.yaml:{line}. Did you mean '{near}'?")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("EMBCLUST_KEEP_RUN", "Did you mean EMBCLUST_KEEP_RUNS?"),
        ("EMBCLUST_PLOT__TITEL", "Did you mean EMBCLUST_PLOT__TITLE?"),
        ("EMBCLUST_PLOTT__TITLE", "Did you mean EMBCLUST_PLOT__TITLE?"),
        ("EMBCLUST_CLUSTER__SEEDS", "Did you mean 'seed'?"),
        ("EMBCLUST_CLUSTER__SEED__X", "Did you mean EMBCLUST_CLUSTER__SEED?"),
        ("EMBCLUST_FIELDS__IMAGES__PHOTO", "Did you mean EMBCLUST_FIELDS__IMAGES?"),
        ("EMBCLUST_", "`embclust config show` lists the settings."),
    ],
)
def test_an_unknown_name_in_the_environment(name: str, near: str) -> None:
    text = refusal(env={name: "sk-canary"})
    assert "no such setting" in text
    assert f"environment variable {name}" in text
    assert near in text
    assert "sk-canary" not in text


def test_names_that_are_no_settings_are_left_alone() -> None:
    assert run(env={"EMBCLUST_DEBUG": "1", "EMBEDDING": "x", "PATH": "y"}).explicit == {}


@pytest.mark.parametrize("key", ["cluster.seeds", "clusters.seed", "plot", "plot.title.x", "", "x"])
def test_an_unknown_key_of_set_or_flag(key: str) -> None:
    assert "--set" in refusal(sets=[f"{key}=1"])
    if key != "plot":
        assert "flag --" in refusal(flags={key: 1})


def test_set_without_a_value() -> None:
    assert "Write --set cluster.k=20." in refusal(sets=["cluster.k"])


def test_an_option_of_another_kind_says_so() -> None:
    own = set(plugins.options_of("clusterer", "spectral").model_fields)
    other = next(n for n in plugins.options_of("clusterer", "hdbscan").model_fields if n not in own)
    text = refusal(sets=[f"cluster.{other}=5"])
    assert "It is an option of kind 'hdbscan', not of 'spectral'" in text or "Did you mean" in text
    assert "--kind hdbscan" in text or "Did you mean" in text


def test_all_mistakes_are_reported_at_once(folder: Path) -> None:
    config = write(folder, "keep_runs: many\nplot: {titel: x}\n")
    text = refusal(config, sets=["images.workers=0"])
    assert text.startswith("plot.titel: no such setting")
    assert "Also: " in text
    assert "keep_runs: expected a valid integer" in text
    assert "images.workers: expected greater than or equal to 1, got '0', in --set" in text


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"a: [1", "not readable as YAML"),
        (b"- a\n- b\n", "found a list"),
        (b"id,title\n1,x\n", "expected settings"),
        (b"keep_runs: 1\nkeep_runs: 2\n", "x.yaml:2: 'keep_runs' is given twice"),
        (b"plot: {title: a, title: b}\n", "x.yaml:1: 'title' is given twice"),
        (b"\xff\xfe\xff", "not readable as YAML"),
        (b"\x89PNG\r\n\x1a\n", "not readable as YAML"),
        (b"a: 1\n---\nb: 2\n", "not readable as YAML"),
        (b"a: !!python/object/apply:os.system [ls]\n", "not readable as YAML"),
        (b"source: {start: 2020-13-45}\n", "not readable as YAML"),
        (b"plot: [1]\n", "plot: expected a mapping, got a list, in configs/x.yaml:1"),
        (b"1: 2\n", "1: no such setting"),
        (b"plot: &a {title: *a}\n", "plot.title"),
    ],
)
def test_a_file_that_is_no_config(folder: Path, content: bytes, part: str) -> None:
    path = folder / "x.yaml"
    path.write_bytes(content)
    assert part in refusal(path.relative_to(Path.cwd()))


def test_a_config_that_is_not_there_names_its_neighbours(folder: Path) -> None:
    write(folder, "")
    assert refusal(Path("configs/y.yaml")) == (
        "There is no config file 'configs/y.yaml'. There: x.yaml."
    )
    assert "embclust init" in refusal(Path("nowhere/y.yaml"))
    assert "Cannot read" in refusal(Path("configs"))


@pytest.mark.parametrize(
    ("yaml", "part"),
    [
        ("images: {timeout: soon}", "images.timeout: expected a valid number"),
        ("images: {timeout: yes}", "images.timeout: expected no true or false"),
        ("images: {timeout: .inf}", "images.timeout: expected a finite number"),
        ("keep_runs: null", "keep_runs: expected a valid integer"),
        ("source: {id_field: 7}", "source.id_field: expected a valid string, got 7"),
        ("source: {path: ''}", "source.path: expected a path, got nothing"),
        ("device: gpu", "device: expected 'auto', 'cpu', 'cuda' or 'mps', got 'gpu'"),
        ("fields: {texts: [a, 2]}", "fields.texts: item 2: expected a valid string"),
        ("fields: {images: {2024: x}}", "fields.images: "),
        ("cluster: {kind: 3}", "cluster.kind: '3' is no clusterer kind, in configs/x.yaml:1"),
    ],
)
def test_a_wrong_type_in_the_file(folder: Path, yaml: str, part: str) -> None:
    text = refusal(write(folder, yaml))
    assert part in text
    assert "configs/x.yaml:1" in text


def test_a_wrong_type_elsewhere_names_its_source() -> None:
    env = {"EMBCLUST_IMAGES__TIMEOUT": "soon"}
    assert "in environment variable EMBCLUST_IMAGES__TIMEOUT." in refusal(env=env)
    assert "got 'soon', in --set images.timeout." in refusal(sets=["images.timeout=soon"])
    assert "got 0, in flag --workers." in refusal(flags={"images.workers": 0})
    assert "is not well-formed" in refusal(sets=["fields.texts=[a"])
    assert "is not well-formed" in refusal(sets=["fields.texts=" + "[" * 5000])
    assert "keep_runs: expected a valid integer" in refusal(env={"EMBCLUST_KEEP_RUNS": ""})
    assert "source.name: expected text in UTF-8" in refusal(env={"EMBCLUST_SOURCE__NAME": "\udcff"})


def test_a_value_that_is_overridden_is_not_checked(folder: Path) -> None:
    assert run(write(folder, "keep_runs: many"), {"keep_runs": 4}).settings.keep_runs == 4
