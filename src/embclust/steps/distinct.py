"""Picks one name per cluster out of the candidates so that no two clusters share one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from embclust.names import clean_name

__all__ = ["LIMIT", "choose", "key"]

LIMIT: Final = 40
"""Characters in a name."""
_RESERVED: Final = "Unclustered"
"""What noise is called on the page."""


def key(name: str) -> str:
    """Return what two names are compared by: case and spaces do not tell them apart."""
    return " ".join(name.casefold().split())


def choose(
    candidates: Mapping[int, Sequence[str]], words: Mapping[int, Sequence[str]]
) -> dict[int, str]:
    """Return a name for each cluster that has a candidate, no two alike, at most `LIMIT` long.

    `candidates`: best first; clusters in the order in which they may choose. `words`: what else
    is distinctive of a cluster. A twin takes its next candidate, else adds a word to its first
    ('Shirts (linen)'), else a number ('Shirts (2)').
    """
    taken = {key(_RESERVED)}
    chosen: dict[int, str] = {}
    for cluster, proposed in candidates.items():
        cleaned = [name for name in (clean_name(text, LIMIT) for text in proposed) if name]
        if not cleaned:
            continue
        options = (*cleaned, *_told_apart(cleaned[0], words.get(cluster, ())))
        name = next((option for option in options if key(option) not in taken), None)
        if name is None:
            name = next(option for option in _counted(cleaned[0]) if key(option) not in taken)
        taken.add(key(name))
        chosen[cluster] = name
    return chosen


def _told_apart(name: str, phrases: Sequence[str]) -> Iterator[str]:
    for phrase in phrases:
        for word in (clean_name(phrase, LIMIT) or "").split():
            if any(letter.isalnum() for letter in word) and key(word) not in key(name):
                yield _with_suffix(name, f"({word.strip('.,;:()')})")


def _counted(name: str) -> Iterator[str]:
    count = 2
    while True:
        yield _with_suffix(name, f"({count})")
        count += 1


def _with_suffix(name: str, suffix: str) -> str:
    suffix = suffix[:LIMIT]
    room = LIMIT - len(suffix) - 1
    return f"{name[:room].rstrip()} {suffix}".strip()
