"""Invariant I: the ledger, the store and the table say the same, and nothing was done twice."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from embclust.data import Item, Vectors
from embclust.ledger import open_ledger
from embclust.stores.chroma import ChromaStore
from tests.faults.bench import BATCH, Bench
from tests.faults.counting import reference

__all__ = ["IN_FLIGHT", "assert_done_once", "assert_invariant", "in_store"]

IN_FLIGHT = 4 * BATCH
"""Contents that a kill may cost: a batch that is encoded, two that wait and one that commits."""

Rows = dict[str, tuple[dict[str, object], Vectors]]


def assert_invariant(bench: Bench, collection: str = "title", *, store: bool = True) -> None:
    """Ledger rows = store rows = the table's, with the right vectors and fields."""
    expected: Rows = {
        item_id: (
            {"id": item_id, **row},
            reference(row["title"].strip(), bench.generation),
        )
        for item_id, row in bench.rows.items()
        if row.get("title", "").strip()
    }
    assert_same(in_ledger(bench.workspace, collection), expected, "ledger")
    if store:
        assert_same(in_store(bench.workspace / "chroma", collection), expected, "store")


def assert_done_once(bench: Bench, kills: int) -> int:
    """No content was encoded twice beyond what was in flight at a kill; how many were."""
    again = sum(count - 1 for count in bench.encoded().values())
    assert again <= kills * IN_FLIGHT, f"{again} encoded again after {kills} kills"
    return again


def in_ledger(workspace: Path, collection: str) -> Rows:
    """The rows that are ok; none may be failed or of another encoder."""
    ledger = open_ledger(workspace / "ledger.sqlite")
    assert ledger is not None
    try:
        assert ledger.rows("PRAGMA integrity_check") == [("ok",)]
        known = ledger.collection(collection)
        assert known is not None
        assert set(ledger.counts(known)) <= {"ok", "missing"}, ledger.counts(known)
        found = ledger.embeddings(known)
        rows: Rows = {}
        for item_id, fields, vector in zip(found.ids, found.fields, found.vectors, strict=True):
            rows[item_id] = (dict(fields), vector)
        return rows
    finally:
        ledger.close()


def in_store(folder: Path, collection: str) -> Rows:
    """The rows of an embedded store, read from a copy: looking must not change anything."""
    with tempfile.TemporaryDirectory(prefix="embclust-look-") as name:
        copy = Path(name) / "chroma"
        shutil.copytree(folder, copy)
        store = ChromaStore(ChromaStore.Options(), collection=collection, folder=copy)
        try:
            rows: Rows = {}
            for batch in store.scan():
                for item, vector in zip(batch.items, batch.vectors, strict=True):
                    assert item.id not in rows, f"{item.id} is there twice"
                    rows[item.id] = (_fields(item), vector)
            if rows:
                some = next(iter(rows))
                found = store.query(rows[some][1], min(5, len(rows)))
                assert found, "the index finds nothing"
                assert found[0][1] < 1e-5, found
            return rows
        finally:
            store.close()


def _fields(item: Item) -> dict[str, object]:
    return dict(item.fields)


def assert_same(found: Rows, expected: Rows, where: str) -> None:
    """The same ids, fields and vectors."""
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    assert not missing, f"{len(missing)} missing from the {where}, such as {missing[:3]}"
    assert not extra, f"{len(extra)} too many in the {where}, such as {extra[:3]}"
    for item_id, (fields, vector) in expected.items():
        got, got_vector = found[item_id]
        assert _present(got) == _present(fields), f"{item_id} in the {where}"
        assert np.abs(got_vector - vector).max() <= 1e-5, f"the vector of {item_id} in the {where}"


def _present(fields: Mapping[str, object]) -> dict[str, object]:
    # An empty cell is a field that is not there.
    return {name: str(value) for name, value in fields.items() if value != ""}
