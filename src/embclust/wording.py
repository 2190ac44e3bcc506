"""Phrases that several messages share: a count with its noun, and the field that was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["counted", "guess_field", "near_fields"]


def counted(count: int, noun: str) -> str:
    """Return '1 row', '2 rows', '12,345 rows': nouns whose plural is an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def guess_field(wanted: str, known: list[str]) -> str:
    """Return the hint for a field that no row has: the one that was meant, or those there are."""
    near = difflib.get_close_matches(wanted, known, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"Fields: {', '.join(known[:20])}."


def near_fields(wanted: str, known: Iterable[str]) -> list[str]:
    """Return the fields most like one that no row has; the first ten where none is like it."""
    there = sorted(known)
    return difflib.get_close_matches(wanted, there, n=3) or there[:10]
