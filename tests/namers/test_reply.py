from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embclust.namers._reply import parse_reply


def reply(content: object, finish: object = "stop", **message: object) -> dict[str, Any]:
    return {
        "model": "m",
        "choices": [{"message": {"content": content, **message}, "finish_reason": finish}],
    }


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ('{"name": "Analog Watches"}', "Analog Watches"),
        ('  {"name": "Analog Watches"} I hope this helps!', "Analog Watches"),
        ('Sure! {"name": "Analog Watches"}', "Analog Watches"),
        ('{"Name": "Analog Watches"}', "Analog Watches"),
        ('{"title": "Analog Watches"}', "Analog Watches"),
        ('{"group": "Analog Watches"}', "Analog Watches"),
        ('["Analog Watches", "Watches"]', "Analog Watches"),
        ('"Analog Watches"', "Analog Watches"),
        ('{"name": ["Analog Watches"]}', "Analog Watches"),
        ('{"name": {"name": "Analog Watches"}}', "Analog Watches"),
        ('```json\n{"name": "Analog Watches"}\n```', "Analog Watches"),
        ("```\nAnalog Watches\n```", "Analog Watches"),
        ("<think>Watches? {yes}</think>\nAnalog Watches", "Analog Watches"),
        ('<think>hm</think>{"name": "Analog Watches"}', "Analog Watches"),
        ("Analog Watches", "Analog Watches"),
        ("Here is a name for the cluster:\n\n**Analog Watches**\n\nIt fits.", "Analog Watches"),
        ("Name: Analog Watches", "Analog Watches"),
        ("**Name:** Analog Watches", "Analog Watches"),
        ("The cluster name is: Analog Watches.", "Analog Watches"),
        ("Analog Watches\nThese are watches.", "Analog Watches"),
        ("\u8155\u6642\u8a08", "\u8155\u6642\u8a08"),
        (["Analog ", {"type": "text", "text": "Watches"}], "Analog Watches"),
        ({"name": "Analog Watches"}, "Analog Watches"),
        ('{"name": "<script>alert(1)</script><b>Analog</b> Watches"}', "Analog Watches"),
        ('{"name": "Waterproof Hiking Boots And Trail Running Shoes"}', "Waterproof Hiking Boots"),
    ],
)
def test_names_are_found(content: object, name: str) -> None:
    found = parse_reply(reply(content))
    assert found.kind == "name"
    assert found.reason == ""
    assert found.names[0].startswith(name)
    assert len(found.names[0]) <= 40


def test_alternatives_follow_the_name() -> None:
    found = parse_reply(reply('{"name": "Watches", "alternatives": ["Clocks", "Watches"]}'))
    assert found.names == ["Watches", "Clocks"]


def test_objects_are_read_like_dicts() -> None:
    message = SimpleNamespace(content="Watches", refusal=None)
    response = SimpleNamespace(choices=[SimpleNamespace(message=message, finish_reason="stop")])
    assert parse_reply(response).names == ["Watches"]


@pytest.mark.parametrize(
    ("response", "kind", "reason"),
    [
        ("<html>hello</html>", "foreign", "an HTML page"),
        ("hello", "foreign", "plain text"),
        (None, "foreign", "no choices"),
        ([1, 2], "foreign", "no choices"),
        ({"error": "x"}, "foreign", "no choices"),
        ({"model": "m", "choices": None}, "unusable", "no choices"),
        ({"model": "m", "choices": []}, "unusable", "no choices"),
        ({"model": "m", "choices": [None]}, "unusable", "empty"),
        (reply(None), "unusable", "empty"),
        (reply("  \n"), "unusable", "empty"),
        (reply(7), "unusable", "empty"),
        (reply("", "length"), "unusable", "max_tokens"),
        (reply(None, refusal="no"), "refused", "refused"),
        (reply("", "content_filter"), "refused", "content filter"),
        (reply("<think>well", "length"), "unusable", "thoughts"),
        (reply('{"name": "Wat', "length"), "unusable", "max_tokens"),
        (reply('{"name": "Wat'), "unusable", "not valid JSON"),
        (reply("Wat", "length"), "unusable", "cut off"),
        (reply("[" * 5000), "unusable", "not valid JSON"),
        (reply('{"a": 1, "b": 2}'), "unusable", "no name"),
        (reply('{"name": 7}'), "unusable", "no name"),
        (reply('{"name": ""}'), "unusable", "says nothing"),
        (reply("Cluster 12"), "unusable", "says nothing"),
        (reply("N/A"), "unusable", "says nothing"),
        (reply("I'm sorry, but no."), "unusable", "says nothing"),
        (reply('{"name": "' + "word " * 100 + '"}'), "unusable", "longer than 40"),
    ],
)
def test_everything_else_has_a_reason(response: object, kind: str, reason: str) -> None:
    found = parse_reply(response)
    assert found.names == []
    assert found.kind == kind
    assert reason in found.reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "refusal", "finish_reason", "name"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_reply_gives_names_or_a_reason(response: object) -> None:
    for given_reply in (response, reply(response), {"choices": [response]}):
        found = parse_reply(given_reply)
        assert bool(found.names) is not bool(found.reason)
        assert all(0 < len(name) <= 40 for name in found.names)


@given(st.text(max_size=200))
def test_any_text_gives_names_or_a_reason(content: str) -> None:
    found = parse_reply(reply(content))
    assert bool(found.names) is not bool(found.reason)
