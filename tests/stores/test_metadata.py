"""Fields to Chroma metadata and back, and what Chroma itself does with it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embclust.data import EmbeddedBatch, Item, Scalar
from embclust.errors import EmbclustError
from embclust.stores._metadata import EMPTY_KEY, from_chroma, size_of, to_chroma
from embclust.stores.chroma import ChromaStore
from tests.stores.chroma_server import info, vectors


@given(
    st.dictionaries(
        st.text(min_size=1).filter(lambda k: not k.startswith(("#", "$", "chroma:"))),
        st.one_of(st.text(), st.integers(), st.floats(), st.booleans()),
    )
)
def test_every_record_is_something_chroma_can_hold(fields: dict[str, Scalar]) -> None:
    record = to_chroma("a", fields)
    assert record
    for key, value in record.items():
        key.encode()
        if isinstance(value, str):
            value.encode()
        elif isinstance(value, float):
            assert math.isfinite(value)
        else:
            assert -(2**63) <= value < 2**63
    assert len(from_chroma(record)) == len(record) - (EMPTY_KEY in record)


@pytest.mark.parametrize("key", ["", "#x", "$x", "chroma:x", EMPTY_KEY])
def test_keys_that_chroma_rejects_or_drops_are_an_error(key: str) -> None:
    with pytest.raises(EmbclustError, match="'7'"):
        to_chroma("7", {key: 1})


def test_what_chroma_would_lose_becomes_text_in_the_store(tmp_path: Path) -> None:
    store = ChromaStore(ChromaStore.Options(), collection="abc", folder=tmp_path / "chroma")
    store.create(info("abc"))
    fields: dict[str, Scalar] = {
        "big": 2**63,
        "huge": -(10**400),
        "nan": math.nan,
        "inf": -math.inf,
        "surrogate": "a\ud800b",
        "edge": 2**63 - 1,
    }
    store.upsert(EmbeddedBatch([Item("1", fields)], vectors(1)))
    (found,) = list(store.scan())
    store.close()
    assert found.items[0].fields == {
        "big": str(2**63),
        "huge": str(-(10**400)),
        "nan": "nan",
        "inf": "-inf",
        "surrogate": "a\\ud800b",
        "edge": 2**63 - 1,
    }


def test_lists_and_documents_of_other_programs_become_fields() -> None:
    assert from_chroma({"tags": ["a", "é"], "gone": None, "n": 1}, "text") == {
        "tags": '["a", "é"]',
        "n": 1,
        "document": "text",
    }
    assert from_chroma(None) == {}
    assert from_chroma({"document": "own"}, "text") == {"document": "own"}


def test_the_size_is_no_smaller_than_the_text() -> None:
    assert size_of({"k": "é" * 1000}) > 2000
