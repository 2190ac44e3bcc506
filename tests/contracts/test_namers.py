"""Every namer, through the same checks; `openai` against a server on loopback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embclust import plugins
from embclust.data import Vectors
from embclust.protocols import Namer
from tests.namers.openai_stub import Answer, chat, running
from tests.namers.samples import SHOP, sample, samples

KINDS = sorted(plugins.NAMERS)
Build = Callable[[], Namer]


def read_the_examples(body: dict[str, Any]) -> Answer:
    """A model with sense: the last word of the first example."""
    document = json.loads(body["messages"][1]["content"])
    words = re.findall(r"\w+", " ".join(document["group"]["examples"][:1]))
    return chat(json.dumps({"name": words[-1] if words else ""}))


def near_the_shops_centres(texts: Sequence[str]) -> Vectors:
    """A model that knows three words, each where `samples.SHOP` has such a cluster."""
    angles = {"watch": 0.0, "sunglasses": 1.2, "shoe": 2.1}
    known = np.array([angles.get(text, np.nan) for text in texts])
    away = np.where(np.isnan(known), -1.8, known)
    return np.stack([np.cos(away), np.sin(away)], axis=1).astype(np.float32)


@pytest.fixture(params=KINDS)
def build(request: pytest.FixtureRequest) -> Iterator[Build]:
    with running(read_the_examples) as stub:
        options = {"base_url": stub.url} if request.param == "openai" else {}
        needs = getattr(plugins.load_class("namer", request.param), "needs", ())
        aids = {"embed_texts": near_the_shops_centres} if "embed_texts" in needs else {}
        yield lambda: plugins.build("namer", request.param, options, **aids)


def test_every_cluster_gets_a_telling_name(build: Build) -> None:
    names = build().name(samples(SHOP))
    assert list(names) == [0, 4, 7]
    for cluster, word in ((0, "Watch"), (4, "Sunglasses"), (7, "Shoe")):
        assert word in names[cluster][0]


def test_the_same_clusters_get_the_same_names(build: Build) -> None:
    assert build().name(samples(SHOP)) == build().name(samples(SHOP))


def test_no_clusters_no_names(build: Build) -> None:
    assert build().name([]) == {}


def test_a_single_cluster_is_named(build: Build) -> None:
    names = build().name([replace(sample(2, SHOP[0]), centre=sample(0, SHOP[0]).centre)])
    assert "Watch" in " ".join(names[2])


def test_a_cluster_that_says_nothing_is_left_out(
    build: Build, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["build"] == "vocabulary":
        pytest.skip("goes by the vectors, and these are of something")
    names = build().name([sample(0, SHOP[0]), sample(1, ["", "  ", "..."])])
    assert list(names) == [0]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    texts=st.lists(st.lists(st.text(max_size=60), min_size=1, max_size=5), min_size=1, max_size=3)
)
def test_whatever_the_texts_names_are_clean(build: Build, texts: list[list[str]]) -> None:
    for candidates in build().name(samples(dict(enumerate(texts)))).values():
        assert candidates
        assert len(set(candidates)) == len(candidates)
        for name in candidates:
            assert 1 <= len(name) <= 40
            assert name.isprintable() or "\u200d" in name or "\u200c" in name
            assert name == " ".join(name.split())


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_described_and_closed(kind: str) -> None:
    model = plugins.options_of("namer", kind)
    assert all(field.description for field in model.model_fields.values())
    with pytest.raises(ValueError, match="nonsense"):
        model(nonsense=1)
