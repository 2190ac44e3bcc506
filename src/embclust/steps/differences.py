"""Whether a collection in the store is what the ledger says: ids, fields, vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from embclust.errors import CollectionNotFoundError, EmbclustError
from embclust.steps import written_back

if TYPE_CHECKING:
    from embclust.data import Item, Vectors
    from embclust.ledger import Change, Collection, Ledger
    from embclust.protocols import Store
    from embclust.steps.written_back import Written

__all__ = ["first_difference", "same_fields", "same_vector"]

_TOLERANCE: Final = 1e-5


def first_difference(
    ledger: Ledger, collection: Collection, store: Store, written: Written
) -> str | None:
    """Return what speaks against a collection in the store, None when it is what was put there.

    Compares every row that was synced, a batch at a time; rows that changed since are left out.
    """
    matched, seen = 0, set()
    try:
        for batch in store.scan():
            known = ledger.stored(collection, [item.id for item in batch.items])
            for item, vector in zip(batch.items, batch.vectors, strict=True):
                if item.id in seen:
                    return f"id '{item.id}' is there twice"
                seen.add(item.id)
                row = known.get(item.id)
                if row is not None and row.change > collection.synced:
                    continue
                if row is None or row.vector is None:
                    return f"id '{item.id}' is in the store only"
                if not _same(item, vector, row, written):
                    return f"id '{item.id}' differs"
                matched += 1
    except CollectionNotFoundError:
        pass  # the count says whether rows are missing
    except EmbclustError as error:
        return error.message
    missing = ledger.synced_rows(collection) - matched
    return f"{missing:,} of its rows are missing" if missing else None


def _same(item: Item, vector: Vectors, row: Change, written: Written) -> bool:
    own = written_back.merged(item.id, row.item.fields, written)
    return (
        row.vector is not None
        and same_vector(vector, row.vector)
        and same_fields(dict(item.fields), own)
    )


def same_vector(one: Vectors, other: Vectors) -> bool:
    """Return whether two vectors, float32 (d,), are equal to 1e-5 in every value."""
    return one.shape == other.shape and bool(np.abs(one - other).max() <= _TOLERANCE)


def same_fields(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Return whether two rows have equal fields, as far as a store can keep them."""
    if one.keys() != other.keys():
        return False
    return all(_same_value(value, other[name]) for name, value in one.items())


def _same_value(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        # Chroma keeps metadata as JSON, which may change a float's last digit.
        return math.isclose(one, other, rel_tol=1e-12)
    return one == other
