"""Kinds and their options, also from outside the package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from embclust import plugins
from embclust.settings_sources import describe
from tests.settings.support import refusal, run, write


def test_an_unknown_kind_names_the_nearest_and_the_source(folder: Path) -> None:
    text = refusal(write(folder, "cluster:\n  kind: kmean\n"))
    assert text == (
        "cluster.kind: 'kmean' is no clusterer kind, in configs/x.yaml:2. Did you mean 'kmeans'?"
    )


def test_a_plugin_beside_the_config_is_loaded_checked_and_built(folder: Path) -> None:
    yaml = "cluster: {kind: 'outside_kinds:First', k: auto, weights: w.bin, model: local-dir:m}"
    before = list(sys.path)
    loaded = run(write(folder, yaml))
    section = loaded.settings.cluster
    built = plugins.build("clusterer", section.kind, section.options())
    assert built.options.k == "auto"
    assert built.options.seed == 0
    assert built.options.weights == folder / "w.bin"
    assert built.options.model == f"local-dir:{folder / 'm'}"
    assert sys.path == [*before, str(folder)]


def test_the_configs_folder_is_importable_only_when_needed(folder: Path) -> None:
    before = list(sys.path)
    run(write(folder, "cluster: {kind: kmeans}"))
    assert sys.path == before


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("no_such_module:First", "there is no module 'no_such_module'"),
        ("broken_kinds:First", "cannot be imported: ModuleNotFoundError"),
        (":First", "cannot be imported"),
        ("outside_kinds:Third", "has no 'Third'"),
        ("outside_kinds:Bare", "has no nested pydantic model named Options"),
    ],
)
def test_a_plugin_that_cannot_be_used(folder: Path, kind: str, part: str) -> None:
    assert part in refusal(write(folder, f"cluster: {{kind: '{kind}'}}"))


def test_a_higher_kind_drops_lower_options_it_does_not_know(folder: Path) -> None:
    config = write(folder, "cluster: {kind: 'outside_kinds:First', k: 7, seed: 3}")
    loaded = run(config, {"cluster.kind": "outside_kinds:Second"})
    assert loaded.settings.cluster.options() == {"seed": 3, "epsilon": 0.5, "model": "s"}
    assert loaded.origins["cluster.seed"] == "configs/x.yaml"
    assert "cluster.k" not in loaded.origins
    assert loaded.explicit == {"cluster": {"kind": "outside_kinds:Second", "seed": 3}}


@pytest.mark.parametrize("sets", [["cluster.k=7"], ["cluster.k=7", "cluster.kind=X"]])
def test_an_option_beside_or_above_the_kind_must_be_known(folder: Path, sets: list[str]) -> None:
    config = write(folder, "cluster: {kind: 'outside_kinds:Second'}")
    sets = [text.replace("X", "outside_kinds:Second") for text in sets]
    text = refusal(config, sets=sets)
    assert text.startswith("cluster.k: no such setting in --set cluster.k.")


def test_an_option_below_the_kind_that_knows_it_is_kept(folder: Path) -> None:
    config = write(folder, "cluster: {k: 7}")
    env = {"EMBCLUST_CLUSTER__EPSILON": "0.25"}
    loaded = run(config, {"cluster.kind": "outside_kinds:Second"}, env=env)
    assert loaded.settings.cluster.options() == {"seed": 5, "epsilon": 0.25, "model": "s"}


def test_an_option_of_the_lower_kind_is_still_checked_by_name(folder: Path) -> None:
    config = write(folder, "cluster: {kind: 'outside_kinds:First', kk: 7}")
    assert "cluster.kk" in refusal(config, {"cluster.kind": "outside_kinds:Second"})


def test_a_kind_that_takes_anything(folder: Path) -> None:
    config = write(folder, "cluster: {kind: 'outside_kinds:Loose', metric: l1}")
    loaded = run(config, sets=["cluster.depth=3"])
    assert loaded.settings.cluster.options() == {"metric": "l1", "depth": 3}
    assert ("cluster.depth", "3", "flag --set") in describe(loaded)


def test_an_option_that_is_needed(folder: Path) -> None:
    text = refusal(write(folder, "cluster: {kind: 'outside_kinds:Needy'}"))
    assert "cluster.model: kind 'outside_kinds:Needy' needs a value." in text
    assert "--set cluster.model=" in text


def test_a_rule_over_several_options(folder: Path) -> None:
    config = write(folder, "cluster: {kind: 'outside_kinds:First', k: 13}")
    assert "cluster: 13 brings bad luck." in refusal(config)


def test_options_that_contradict_their_type(folder: Path) -> None:
    config = write(folder, "cluster: {kind: 'outside_kinds:First'}")
    text = refusal(config, env={"EMBCLUST_CLUSTER__K": "ten"})
    assert text.startswith("cluster.k: expected a valid integer")
    assert " or expected 'auto', got 'ten', in environment variable EMBCLUST_CLUSTER__K." in text


def test_a_higher_kind_drops_lower_values_it_does_not_accept(folder: Path) -> None:
    config = write(folder, "cluster: {kind: 'outside_kinds:First', model: a/b, seed: 3}")
    loaded = run(config, {"cluster.kind": "outside_kinds:Second"})
    assert loaded.settings.cluster.options() == {"seed": 3, "epsilon": 0.5, "model": "s"}
    assert loaded.origins["cluster.model"] == "default"
    text = refusal(config, {"cluster.kind": "outside_kinds:Second", "cluster.model": "a/b"})
    assert "cluster.model: expected 's' or 'l', got 'a/b', in flag --model." in text
