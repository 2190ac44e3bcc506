"""How many unreadable rows a table may have."""

from __future__ import annotations

from typing import Final

from embclust.errors import InputTableError, SettingsError
from embclust.rows._base import Rejected

__all__ = ["BadRows"]

_SHARE_FROM: Final = 100
"""A percentage is not applied to fewer rows: one bad row in twenty says little."""


class BadRows:
    """Counts rejected rows against `source.max_bad_rows`.

    A number is applied at once. A percentage is judged at the end of the table, from 100 rows
    on: bad rows may come in clusters, and the table is read whole before any work is done. A
    rejected row counts as often as it took physical lines, since each could have been a row.
    """

    def __init__(self, allowed: int | str) -> None:
        """`allowed`: 20, '20' or '1%'. Raises SettingsError."""
        self.allowed = allowed
        self.count = 0
        self._lines = 0
        self._first: list[Rejected] = []
        text = str(allowed).strip()
        self._is_share = text.endswith("%")
        try:
            self._limit = float(text.rstrip("% ")) / 100 if self._is_share else int(text)
        except ValueError:
            raise SettingsError(
                f"source.max_bad_rows: '{allowed}' is neither a number nor a percentage.",
                "Write it as 20 or 1%.",
            ) from None

    def add(self, rejected: Rejected, table: str) -> None:
        """Count one. Raises InputTableError when that is one too many."""
        self.count += 1
        self._lines += rejected.lines
        if len(self._first) < 3:
            self._first.append(rejected)
        if not self._is_share and self._lines > self._limit:
            raise self._too_many(table, "")

    def judge(self, table: str, good: int) -> None:
        """At the table's end. Raises InputTableError when too large a share was bad."""
        total = good + self._lines
        if self._is_share and total >= _SHARE_FROM and self._lines > self._limit * total:
            raise self._too_many(table, f" of {total}")

    def first(self) -> str:
        """The first of them in words."""
        return "; ".join(f"line {each.line}: {each.reason}" for each in self._first)

    def _too_many(self, table: str, of_total: str) -> InputTableError:
        return InputTableError(
            f"{table}: {self._lines}{of_total} rows cannot be read, more than "
            f"source.max_bad_rows allows ({self.allowed}): {self.first()}.",
            "Mend them or raise source.max_bad_rows.",
        )
