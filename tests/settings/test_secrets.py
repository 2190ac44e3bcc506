"""Keys come from the environment only, and are shown nowhere."""

from __future__ import annotations

import json
from pathlib import Path

from embclust.settings_sources import Loaded, describe
from tests.settings.support import refusal, run, write

OPENAI: dict[str, object] = {"name.kind": "openai"}


def api_key(loaded: Loaded) -> str | None:
    secret = loaded.settings.name.options()["api_key"]
    return None if secret is None else str(secret.get_secret_value())


def test_the_key_comes_from_our_variable_else_from_the_shared_one() -> None:
    shared = {"OPENAI_API_KEY": "sk-shared"}
    loaded = run(None, OPENAI, env=shared)
    assert api_key(loaded) == "sk-shared"
    assert loaded.origins["name.api_key"] == "environment OPENAI_API_KEY"
    assert (
        api_key(run(None, OPENAI, env={**shared, "EMBCLUST_NAME__API_KEY": "sk-own"})) == "sk-own"
    )
    assert api_key(run(None, OPENAI, env={**shared, "EMBCLUST_NAME__API_KEY": ""})) == "sk-shared"
    assert api_key(run(None, OPENAI)) is None


def test_an_exported_key_does_not_disturb_other_namers() -> None:
    loaded = run(env={"OPENAI_API_KEY": "sk-shared", "EMBCLUST_NAME__API_KEY": "sk-own"})
    assert loaded.settings.name.kind == "keywords"
    assert "sk-" not in repr(loaded)


def test_a_key_is_refused_everywhere_else(folder: Path) -> None:
    config = write(folder, "name: {kind: openai, api_key: sk-canary}")
    for text in (
        refusal(config),
        refusal(config, env={"EMBCLUST_NAME__API_KEY": "sk-own"}),
        refusal(None, OPENAI, ["name.api_key=sk-canary"]),
        refusal(None, {**OPENAI, "name.api_key": "sk-canary"}),
    ):
        assert "name.api_key: a key is read from the environment only" in text
        assert "EMBCLUST_NAME__API_KEY or OPENAI_API_KEY" in text
        assert "sk-canary" not in text


def test_a_key_is_never_shown_nor_remembered(folder: Path) -> None:
    config = write(folder, "images: {proxy: 'http://me:hunter2@proxy:80'}")
    loaded = run(config, OPENAI, env={"EMBCLUST_NAME__API_KEY": "sk-canary"})
    shown = describe(loaded)
    assert ("name.api_key", "**********", "environment EMBCLUST_NAME__API_KEY") in shown
    for text in (repr(loaded.origins), repr(shown), json.dumps(loaded.explicit)):
        assert "sk-canary" not in text
        assert "hunter2" not in text
    assert "sk-canary" not in repr(loaded)
    assert loaded.explicit == {"name": {"kind": "openai"}}


def test_secrets_inside_a_mapping_are_secrets(folder: Path) -> None:
    config = write(folder, "cluster: {kind: 'outside_kinds:First'}")
    loaded = run(config, env={"EMBCLUST_CLUSTER__HEADERS": '{"X-Key": "sk-canary"}'})
    assert loaded.settings.cluster.options()["headers"]["X-Key"].get_secret_value() == "sk-canary"
    assert "sk-canary" not in repr(describe(loaded)) + repr(loaded)
    assert "headers" not in loaded.explicit["cluster"]
    text = refusal(config, sets=["cluster.headers={X-Key: sk-canary}"])
    assert "environment only" in text
    assert "sk-canary" not in text


def test_a_secret_of_the_wrong_form_is_not_echoed(folder: Path) -> None:
    env = {"EMBCLUST_CLUSTER": "{kind: 'outside_kinds:First', token: [sk-canary]}"}
    text = refusal(write(folder, "cluster: {kind: 'outside_kinds:First'}"), env=env)
    assert text.startswith("cluster.token: ")
    assert "sk-canary" not in text
