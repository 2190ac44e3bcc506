from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embclust import plugins
from embclust.clusterers.kmeans import KMeansClusterer
from embclust.data import ClusterSample, Scalar
from embclust.namers._words import fold
from embclust.namers.keywords import KeywordsNamer
from tests.namers.samples import SHOP, sample, samples

SHARED = Path(__file__).parents[2] / "../shared"
FASHION = SHARED / "data/fashion/fashion.csv"
MODEL = SHARED / "models/fashion-clip"


def name(given: list[ClusterSample], **options: object) -> dict[int, list[str]]:
    return KeywordsNamer(KeywordsNamer.Options.model_validate(options)).name(given)


def test_forms_of_a_word_count_together_and_the_commonest_is_shown() -> None:
    texts = ["Old Watches", "New watches", "Round watches", "Flat watch", "WATCHES"]
    names = name([sample(0, texts), sample(1, ["Oak chair", "Elm chair"])])
    assert names[0][0] == "Watches"
    assert names[1][0] == "Chair"


def test_a_distinctive_brand_does_not_beat_what_the_things_are() -> None:
    shoes = [f"Nike {kind} Shoes" for kind in ("Blue", "Run", "Air", "Max")]
    shoes += [f"Puma {kind} Shoes" for kind in ("Red", "Fit")]
    boots = [f"Timberland {kind} Shoes" for kind in ("Work", "Hike", "Snow")]
    shirts = [f"Nike {kind} Shirt" for kind in ("Blue", "Polo", "Dry")]
    names = name([sample(0, shoes), sample(1, boots), sample(2, shirts)])
    assert "Shoes" in names[0][0]
    assert "Shirt" in names[2][0]


def test_twins_are_told_apart_by_what_the_other_lacks() -> None:
    running = [f"{brand} Running Shoes" for brand in ("Nike", "Puma", "Asics", "Fila")]
    formal = [f"{brand} Formal Shoes" for brand in ("Clarks", "Bata", "Hush", "Lee")]
    names = name([sample(0, running), sample(1, formal)])
    assert "Running" in names[0][0]
    assert "Formal" in names[1][0]


def test_a_mixture_is_named_after_its_parts() -> None:
    mixed = [f"{brand} Handbag" for brand in ("Aa", "Bb", "Cc")]
    mixed += [f"{brand} Wallet" for brand in ("Dd", "Ee", "Ff")]
    mixed += ["Gg Belt", "Hh Belt", "Ii Scarf"]
    names = name([sample(0, mixed), sample(1, SHOP[0])])
    assert names[0][0] == "Handbag & Wallet"


def test_fixed_expressions_stay_whole() -> None:
    texts = [f"{brand} Flip Flops" for brand in ("Puma", "Lotto", "Gas", "Fila")]
    names = name([sample(0, texts), sample(1, SHOP[4])])
    assert names[0][0] == "Flip Flops"
    assert not {"Flip", "Flops"} & set(names[0])


def test_candidates_are_several_and_differ() -> None:
    names = name(samples(SHOP))
    for candidates in names.values():
        assert len(candidates) >= 3
        keys = [" ".join(fold(word) for word in text.split()) for text in candidates]
        assert len(set(keys)) == len(keys)


def test_options_limit_words_and_length() -> None:
    for candidates in name(samples(SHOP), words=1).values():
        assert all(" " not in text for text in candidates)
    for candidates in name(samples(SHOP), max_length=10).values():
        assert all(len(text) <= 10 for text in candidates)
    for candidates in name(samples(SHOP), stop_words=["watch", "MEN"]).values():
        assert not any(word in ("Watch", "Men") for text in candidates for word in text.split())


def test_stop_words_are_left_out_in_english_only() -> None:
    texts = ["The shape of the water", "The colour of the night"]
    assert not any("The" in text.split() for text in name([sample(0, texts)])[0])
    assert any("The" in text.split() for text in name([sample(0, texts)], language="none")[0])


def test_columns_speak_where_there_is_no_text() -> None:
    watches: list[dict[str, Scalar]] = [
        {"gender": "Women", "type": "Watches", "sku": f"w{i}", "year": 2012} for i in range(6)
    ]
    shirts: list[dict[str, Scalar]] = [
        {"gender": "Men", "type": "Shirts", "sku": f"s{i}", "year": 2016} for i in range(6)
    ]
    hats: list[dict[str, Scalar]] = [
        {"gender": "Boys", "type": "Hats", "sku": f"h{i}", "year": 2016} for i in range(6)
    ]
    tables: list[list[dict[str, Scalar]]] = [watches, shirts, hats]
    given = [sample(i, [""] * 6, table) for i, table in enumerate(tables)]
    names = name(given)
    assert names[0][0] == "Women \u00b7 Watches"
    assert names[1][0] == "Men \u00b7 Shirts"
    assert "year 2012" in names[0]
    assert not any("s1" in text for text in names[1])


def test_columns_speak_where_the_words_of_the_text_are_all_different() -> None:
    ids = "abcdefghijklmnopqrst"
    given = [
        sample(0, [f"x{a}q" for a in ids], [{"group": "Food"} for _ in ids]),
        sample(1, [f"y{a}q" for a in ids], [{"group": "Tools"} for _ in ids]),
    ]
    names = name(given)
    assert (names[0][0], names[1][0]) == ("Food", "Tools")


def test_other_scripts_are_named_in_their_own_words() -> None:
    given = [
        sample(0, [f"{kind}\u8155\u6642\u8a08" for kind in ("\u9ed2\u3044", "\u767d\u3044")]),
        sample(
            1, ["\u043a\u0440\u0430\u0441\u043d\u044b\u0435 \u0442\u0443\u0444\u043b\u0438"] * 2
        ),
        sample(2, ["\u0932\u093e\u0932 \u0915\u093f\u0924\u093e\u092c"] * 2),
    ]
    names = name(given)
    assert names[0][0] == "\u8155\u6642\u8a08"
    assert "\u0442\u0443\u0444\u043b\u0438" in names[1][0].lower()
    assert "\u0915\u093f\u0924\u093e\u092c" in names[2][0]


def test_the_order_of_clusters_does_not_matter() -> None:
    given = samples(SHOP)
    assert name(given[::-1]) == name(given)


@pytest.fixture(scope="session")
def fashion_vectors(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float32]:
    """The fashion pictures' vectors, by the real encoder, in the order of their ids."""
    from PIL import Image

    if not FASHION.exists() or not MODEL.exists():
        pytest.skip("needs ../shared with the fashion data and model")
    encoder = plugins.build(
        "encoder",
        "open_clip",
        {"model": f"local-dir:{MODEL.resolve()}", "precision": "float32"},
        modality="image",
        device="cpu",
        base=tmp_path_factory.mktemp("base"),
    )
    vectors = []
    table = rows()
    for start in range(0, len(table), 100):
        batch = []
        for row in table[start : start + 100]:
            with Image.open(FASHION.parent / row["imageUrl"]) as picture:
                batch.append(encoder.prepare(picture.convert("RGB")))
        vectors.append(encoder.encode(batch))
    raw = np.concatenate(vectors).astype(np.float32)
    unit: NDArray[np.float32] = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return unit


def rows() -> list[dict[str, str]]:
    with FASHION.open(encoding="utf-8", newline="") as file:
        return sorted(csv.DictReader(file), key=lambda row: row["id"])


@pytest.mark.slow
def test_fashion_clusters_are_named_after_what_they_hold(
    fashion_vectors: NDArray[np.float32],
) -> None:
    """At k = 10, from productDisplayName alone."""
    table = rows()
    labels, centres = KMeansClusterer(KMeansClusterer.Options(k=10)).cluster(fashion_vectors)
    given, kinds = [], []
    for cluster in range(10):
        members = np.flatnonzero(labels == cluster).tolist()
        texts = [table[i]["productDisplayName"] for i in members]
        near = np.argsort(-(fashion_vectors[members] @ centres[cluster]))[:20]
        made = ClusterSample(
            cluster,
            len(members),
            [table[i]["id"] for i in members],
            texts,
            [{"productDisplayName": text} for text in texts],
            near.tolist(),
            centres[cluster],
        )
        given.append(made)
        kinds.append(Counter(table[i]["articleType"] for i in members).most_common(1)[0][0])
    names = name(given)
    hits = [
        {fold(word) for word in kind.split()} & {fold(word) for word in names[c][0].split()}
        for c, kind in enumerate(kinds)
    ]
    assert sum(map(bool, hits)) >= 7, list(zip(kinds, (n[0] for n in names.values()), strict=True))
    firsts = [candidates[0] for candidates in names.values()]
    assert len(set(firsts)) >= 9
