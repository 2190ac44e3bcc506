from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embclust.namers._words import fold, tokens


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("Watch", "watches"),
        ("Dress", "DRESSES"),
        ("shoe", "Shoes"),
        ("party", "parties"),
        ("cookie", "cookies"),
        ("movie", "movies"),
        ("tie", "ties"),
        ("box", "boxes"),
        ("size", "sizes"),
        ("knife", "knives"),
        ("glove", "gloves"),
        ("scarf", "scarves"),
        ("tomato", "tomatoes"),
        ("T-shirt", "Tshirts"),
        ("man", "Men's"),
        ("woman", "women\u2019s"),
        ("stra\u00dfe", "STRASSE"),
    ],
)
def test_forms_of_one_word_fold_alike(one: str, many: str) -> None:
    assert fold(one) == fold(many)


@pytest.mark.parametrize(
    ("one", "other"),
    [("bus", "bu"), ("tennis", "tenni"), ("glass", "glas"), ("shirt", "short"), ("sun", "sung")],
)
def test_different_words_stay_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Nike Men's T-Shirt, 100% cotton", [["Nike", "Men's", "T-Shirt"], ["cotton"]]),
        ("Levi's 501 2012 32cm jeans", [["Levi's", "jeans"]]),
        ("red_dress (size M)", [["red", "dress"], ["size"]]),
        ("\u041a\u0440\u0430\u0441\u043d\u043e\u0435 \u043f\u043b\u0430\u0442\u044c\u0435",) * 2,
        ("\u0915\u093f\u0924\u093e\u092c", [["\u0915\u093f\u0924\u093e\u092c"]]),  # vowel signs
        ("caf\u00e9 \U0001f600 \u2014 !", [["caf\u00e9"]]),
        ("\u30ab\u30e1\u30e9\u306e\u672c", [["\u30ab\u30e1\u30e9", "\u672c"]]),
        ("\u8155\u6642\u8a08", [["\u8155\u6642", "\u6642\u8a08", "\u8155\u6642\u8a08"]]),
        ("10005.jpg", [["jpg"]]),
        ("  ", []),
    ],
)
def test_texts_are_split_in_any_script(text: str, words: list[list[str]] | str) -> None:
    assert tokens(text) == ([words.split()] if isinstance(words, str) else words)


@given(st.text(max_size=100))
def test_any_text_can_be_split(text: str) -> None:
    for run in tokens(text):
        assert run
        assert all(fold(word) or word for word in run)
