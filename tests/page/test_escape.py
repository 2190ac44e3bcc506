from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embclust.page.escape import clean_text, inert_script, json_for_script, safe_link

ANY_TEXT = st.text(st.characters())  # lone surrogates included


@given(st.recursive(ANY_TEXT, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner)))
def test_cleaned_data_survives_and_cannot_end_a_script(value: object) -> None:
    cleaned = _clean(value)
    text = json_for_script(cleaned)
    assert json.loads(text) == cleaned
    assert not set("<>&\u2028\u2029") & set(text)
    text.encode("utf-8")


def _clean(value: object) -> object:
    if isinstance(value, str):
        return clean_text(value, 10_000)
    if isinstance(value, dict):
        return {clean_text(key, 10_000): _clean(inner) for key, inner in value.items()}
    assert isinstance(value, list)
    return [_clean(inner) for inner in value]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_json_has_no_words_for_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_for_script([number])


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain", "plain"),
        ("\ud83d\ude00", "\U0001f600"),
        ("a\ud800b", "a\ufffdb"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("two\nlines\tand\x00nul", "two\nlines\tandnul"),
        ("x" * 30, "x" * 19 + "…"),
        ("é" * 20, "é" * 20),
    ],
)
def test_text_is_made_valid_and_cut(text: str, cleaned: str) -> None:
    assert clean_text(text, 20) == cleaned


@pytest.mark.parametrize(
    "link",
    ["http://example.com", "https://example.com/a?b=c#d", "HTTPS://EXAMPLE.com/ü.jpg"],
)
def test_web_addresses_are_kept(link: str) -> None:
    assert safe_link(link) == link


@pytest.mark.parametrize(
    "link",
    [
        None,
        "",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "//example.com/x",
        "images/1.jpg",
        "https://",
        "https://user:secret@example.com/x.jpg",
        "https://token@example.com/x.jpg",
        "https:\\\\example.com",
        "https://[::1",
        "https://example.com/\x00",
        "https://example.com/" + "x" * 3000,
    ],
)
def test_other_addresses_are_dropped(link: str | None) -> None:
    assert safe_link(link) is None


@pytest.mark.parametrize("text", ["a</SCRIPT>b", "a<!--b", "</script"])
def test_a_script_that_would_end_or_hide_its_element_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="script element"):
        inert_script(text, "x.js")


def test_a_script_is_passed_on_as_the_browser_will_read_it() -> None:
    assert inert_script("a\r\nb\rc\n", "x.js") == "a\nb\nc\n"
