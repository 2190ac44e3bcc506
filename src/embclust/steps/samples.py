"""What a namer gets to see of each cluster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from embclust.data import Clustering, ClusterSample, Embeddings
from embclust.errors import UsageError
from embclust.wording import guess_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import Scalar

__all__ = ["join_texts", "make_samples", "naming_fields"]

_LOOKED_AT: Final = 200
_VECTORS: Final = 300
"""Vectors that a namer sees of a cluster: shares of them are right to three percent or so."""
_REFERENCE: Final = re.compile(
    r"\w+://|\S*/\S*\.\w{2,5}$|\S+\.(jpe?g|png|webp|gif|tiff?|bmp)$", re.IGNORECASE
)


def naming_fields(
    embeddings: Embeddings,
    chosen: Sequence[str],
    defaults: Sequence[str],
    *,
    key: str = "plot.text_fields",
) -> list[str]:
    """Return the fields that names are made from.

    `chosen` by the user; else those of `defaults` that the rows have; else every field that
    holds words. Raises UsageError for a chosen field that no row has; `key`: the setting that
    chose it.
    """
    known = list(dict.fromkeys(name for row in embeddings.fields for name in row))
    for name in chosen:
        if name not in known:
            raise UsageError(f"{key}: no row has a field '{name}'.", guess_field(name, known))
    if chosen:
        return list(chosen)
    present = [name for name in defaults if name in known]
    return present or [name for name in known if _holds_words(embeddings, name)]


def join_texts(embeddings: Embeddings, fields: Sequence[str]) -> list[str]:
    """Return one text per row: the values of the fields, joined by spaces."""
    return [
        " ".join(str(row[name]).strip() for name in fields if _has(row, name))
        for row in embeddings.fields
    ]


def make_samples(
    embeddings: Embeddings, clustering: Clustering, texts: Sequence[str]
) -> list[ClusterSample]:
    """Return a sample per cluster, in the order of the numbers, with all its rows."""
    samples = []
    for index, number in enumerate(clustering.numbers):
        members = np.flatnonzero(clustering.clusters == number)
        nearest_first = np.argsort(clustering.distances[members], kind="stable")
        samples.append(
            ClusterSample(
                cluster=number,
                size=len(members),
                ids=[embeddings.ids[row] for row in members.tolist()],
                texts=[texts[row] for row in members.tolist()],
                fields=[embeddings.fields[row] for row in members.tolist()],
                representatives=nearest_first.tolist(),
                centre=clustering.centres[index],
                vectors=embeddings.vectors[members[_spread(nearest_first)]],
            )
        )
    return samples


def _spread(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most `_VECTORS` of the rows, evenly, the first and the last among them."""
    count = min(len(rows), _VECTORS)
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(np.intp)]


def _has(row: dict[str, Scalar], name: str) -> bool:
    return name in row and str(row[name]).strip() != ""


def _holds_words(embeddings: Embeddings, name: str) -> bool:
    """Tell whether most values are words, rather than links, paths, codes or numbers."""
    step = max(1, len(embeddings.fields) // _LOOKED_AT)
    values = [row[name] for row in embeddings.fields[::step] if _has(row, name)]
    words = [value for value in values if isinstance(value, str) and _is_words(value)]
    return bool(values) and len(words) * 2 > len(values)


def _is_words(value: str) -> bool:
    text = value.strip()
    if _REFERENCE.match(text) or not any(letter.isalpha() for letter in text):
        return False
    return " " in text or not any(letter.isdigit() for letter in text)
