from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embclust.names import clean_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Watches", "Watches"),
        ("  Analog \n Watches\t", "Analog Watches"),
        ('"Running Shoes"', "Running Shoes"),
        ("\u201cRunning Shoes\u201d.", "Running Shoes"),
        ("**Running Shoes**", "Running Shoes"),
        ("# Running Shoes", "Running Shoes"),
        ("1. Running Shoes", "Running Shoes"),
        ("<b>Running</b> Shoes", "Running Shoes"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;Shoes", "Shoes"),
        ("<script>alert(1)</script>Shoes", "Shoes"),
        ("Shoes <img src=x onerror=alert(1)>", "Shoes"),
        ("Shoes<svg onload=alert(1)", "Shoes svg onload=alert(1)"),
        ("\x1b[31mShoes\x1b[0m", "Shoes"),
        ("\x1b]8;;http://x.example\x07Shoes\x1b]8;;\x07", "Shoes"),
        ("Sho\u202ees\u200b\ufeff", "Shoes"),
        ("[/x] Shoes", "[/x] Shoes"),
        ("Prices < 50", "Prices < 50"),
        ("AT&amp;T Phones", "AT&T Phones"),
        ("Girls' Dresses", "Girls' Dresses"),
        ("3D Glasses", "3D Glasses"),
        ("\u8155\u6642\u8a08", "\u8155\u6642\u8a08"),
        ("\U0001f600", "\U0001f600"),
        ("Caf\u0065\u0301", "Caf\u00e9"),
    ],
)
def test_names_are_cleaned(text: str, name: str) -> None:
    assert clean_name(text) == name


@pytest.mark.parametrize(
    "text", ["", "   ", "...", '""', "\x00\x1b[0m", "<b></b>", "---", "\u200d"]
)
def test_nothing_left_is_no_name(text: str) -> None:
    assert clean_name(text) is None


def test_long_names_are_cut_between_words() -> None:
    assert clean_name("Waterproof hiking boots for men, women and children") == (
        "Waterproof hiking boots for men, women"
    )
    assert clean_name("Alpha, Beta", limit=6) == "Alpha"
    assert clean_name("x" * 500) == "x" * 40


def test_a_letter_keeps_its_marks() -> None:
    text = "a" * 39 + "\u0928\u093f\u0301" * 5
    name = clean_name(text)
    assert name is not None
    assert len(name) <= 40


@given(st.text(max_size=200), st.integers(8, 60))
def test_cleaning_is_final(text: str, limit: int) -> None:
    name = clean_name(text, limit)
    if name is not None:
        assert 1 <= len(name) <= limit
        assert clean_name(name, limit) == name
        assert "\n" not in name
        assert "\x1b" not in name


@given(st.text(alphabet="<>&;/ab\"'*`#ltgamp-. \n", max_size=60))
def test_cleaning_markup_is_final(text: str) -> None:
    name = clean_name(text)
    if name is not None:
        assert clean_name(name) == name
        assert "<a" not in name.casefold()
        assert "</" not in name
