"""Collection names, against Chroma's own validator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from embclust.collection_names import collection_name, is_valid_name
from embclust.stores._client import close_client, open_embedded


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    opened = open_embedded(tmp_path_factory.mktemp("names"), "default_tenant", "default_database")
    yield opened
    close_client(opened)


def chroma_accepts(client: Any, name: str) -> bool:
    from chromadb.errors import ChromaError

    try:
        client.get_or_create_collection(name, embedding_function=None)
    except (ChromaError, ValueError, UnicodeError):
        return False
    client.delete_collection(name)
    return True


_NEAR_VALID = st.text("aZ09._- \né", max_size=12)


@given(prefix=_NEAR_VALID, field=st.one_of(_NEAR_VALID, st.text(max_size=600)))
@example(prefix="", field="1.2.3.4")
@example(prefix="", field="1.2.3.256")
@example(prefix="", field="01.2.3.4")
@example(prefix="", field="abc\n")
@example(prefix="", field="a" * 512)
@example(prefix="", field="a" * 513)
@example(prefix="", field="\ud800")
@example(prefix="", field="a..b")
def test_names_are_what_chroma_accepts(client: Any, prefix: str, field: str) -> None:
    name = prefix + field
    made = collection_name(prefix, field)
    assert chroma_accepts(client, made)
    assert is_valid_name(name) == chroma_accepts(client, name)
    assert (made == name) == is_valid_name(name)


def test_a_valid_name_stays() -> None:
    assert collection_name("fashion_", "imageUrl") == "fashion_imageUrl"


def test_an_invalid_name_becomes_a_slug_with_a_hash() -> None:
    made = collection_name("my ", "täble")
    assert re.fullmatch(r"my-t-ble-[0-9a-f]{8}", made)
    assert made != collection_name("my-", "täble")
    assert re.fullmatch(r"[0-9a-f]{8}", collection_name("", "日本"))
