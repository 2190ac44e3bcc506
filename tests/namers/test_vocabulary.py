from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from embclust import plugins
from embclust.data import ClusterSample, Vectors
from embclust.errors import SettingsError
from embclust.namers.vocabulary import BUNDLED, VocabularyNamer, _joined
from embclust.vectors import unit_rows
from tests.namers.samples import sample

DIM = 1024


def hashed(texts: Sequence[str]) -> Vectors:
    """The hashing encoder: a text's vector is made of those of its words."""
    encoder = plugins.build(
        "encoder", "hashing", {"dim": DIM}, modality="text", device="cpu", base=Path()
    )
    return unit_rows(encoder.encode([encoder.prepare(text) for text in texts]))


def cluster(number: int, texts: Sequence[str], **fields: Sequence[str]) -> ClusterSample:
    vectors = hashed(texts)
    rows = [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]
    made = sample(number, [""] * len(texts), rows or None)
    return replace(made, centre=unit_rows(vectors.mean(axis=0)[None])[0], vectors=vectors)


def namer(embed: Callable[[Sequence[str]], Vectors] = hashed, **options: Any) -> VocabularyNamer:
    return VocabularyNamer(VocabularyNamer.Options.model_validate(options), embed_texts=embed)


def words(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_what_most_rows_are_nearest_to_is_the_name(tmp_path: Path) -> None:
    listed = words(tmp_path, "# things", "", "watch", "shoe", "shirt", "photo")
    photos = [
        cluster(0, [f"photo watch a{i}" for i in range(9)] + ["photo shoe b"]),
        cluster(5, [f"photo shoe c{i}" for i in range(8)]),
        cluster(6, [f"photo shirt d{i}" for i in range(8)]),
    ]
    names = namer(vocabulary=listed).name(photos)
    # All have 'photo' in common, which therefore names none of them.
    assert [names[n][0] for n in (0, 5, 6)] == ["Watch", "Shoe", "Shirt"]


def test_a_mixture_is_called_by_both_and_can_be_told_from_a_twin(tmp_path: Path) -> None:
    listed = words(tmp_path, "watch", "shoe", "shirt", "belt")
    mixed = ["watch"] * 5 + ["belt"] * 4 + ["shirt"] * 2
    names = namer(vocabulary=listed).name([cluster(0, mixed), cluster(1, ["shoe"] * 9)])
    assert names[0] == ["Watch & Belt", "Watch & Shirt", "Watch", "Belt"]
    assert names[1] == ["Shoe"]


def test_a_single_cluster_is_compared_as_it_is(tmp_path: Path) -> None:
    listed = words(tmp_path, "watch", "shoe")
    assert namer(vocabulary=listed).name([cluster(3, ["shoe one", "shoe two"])]) == {3: ["Shoe"]}


def test_without_vectors_the_centre_votes(tmp_path: Path) -> None:
    listed = words(tmp_path, "watch", "shoe")
    bare = [
        replace(cluster(n, [text]), vectors=np.empty((0, 0), np.float32))
        for n, text in enumerate(("watch", "shoe"))
    ]
    assert namer(vocabulary=listed).name(bare) == {0: ["Watch"], 1: ["Shoe"]}


def test_a_list_that_does_not_fit_names_nothing_and_says_so(tmp_path: Path) -> None:
    listed = [f"word{n}" for n in range(60)]
    tried = namer(vocabulary=words(tmp_path, *listed))
    scattered = cluster(0, listed)
    assert tried.name([scattered, cluster(1, ["word1"] * 5)]) == {1: ["Word1"]}
    assert "no word of the list fits" in tried.reasons[0]


def test_where_the_votes_scatter_the_word_nearest_to_the_centre_is_taken(tmp_path: Path) -> None:
    kinds = [f"kind{n}" for n in range(60)]
    rows = [f"{kind} {kind} animal" for kind in kinds]
    tried = namer(vocabulary=words(tmp_path, *kinds, "animal"))
    names = tried.name([cluster(0, rows), cluster(1, ["other thing"] * 5)])
    assert names[0] == ["Animal"]


def test_words_can_come_from_a_column() -> None:
    kinds = ["Watches", "Watches", "Casual Shoes"]
    shop = [
        cluster(0, ["watches x", "watches y", "watches z"], kind=kinds),
        cluster(1, ["casual shoes"] * 3, kind=kinds),
    ]
    names = namer(vocabulary_field="kind").name(shop)
    assert names == {0: ["Watches"], 1: ["Casual Shoes"]}
    with pytest.raises(SettingsError, match="no row has a field 'kinds'") as caught:
        namer(vocabulary_field="kinds").name(shop)
    assert "Did you mean 'kind'?" in caught.value.hint


def test_the_template_is_what_is_compared(tmp_path: Path) -> None:
    asked: list[str] = []

    def listening(texts: Sequence[str]) -> Vectors:
        asked.extend(texts)
        return hashed(texts)

    listed = words(tmp_path, "watch", "Watch", "shoe")
    namer(listening, vocabulary=listed, template="a photo of a {}").name([cluster(0, ["shoe"])])
    assert asked == ["a photo of a watch", "a photo of a shoe"]
    with pytest.raises(ValidationError, match="once, where the word goes"):
        namer(template="a photo")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no word"),
        (b"# only\n\n", "no word"),
        (b"\xff\xfe\xfa", "UTF-8"),
        (None, "cannot read"),
    ],
)
def test_a_word_list_that_cannot_be_used_is_a_setting_error(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        namer(vocabulary=path).name([cluster(0, ["shoe"])])
    with pytest.raises(SettingsError, match="exclude each other"):
        namer(vocabulary=path, vocabulary_field="kind")


def test_the_bundled_list_is_clean() -> None:
    lines = BUNDLED.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# The word list")
    listed = [line for line in lines if line and not line.startswith("#")]
    assert len(listed) > 500
    assert len(set(listed)) == len(listed)
    assert all(word == word.strip() and len(word) <= 40 for word in listed)


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("Tops", "Kurtas", "Tops & Kurtas"),
        ("Sports Shoes", "Casual Shoes", "Sports & Casual Shoes"),
        ("Shoes", "Running Shoes", "Shoes"),
        ("Running Shoe", "Shoes", "Shoes"),
        ("A" * 30, "B" * 30, "A" * 30),
    ],
)
def test_joined(first: str, second: str, joined: str) -> None:
    assert _joined(first, second) == joined
