"""CSV and TSV, read strictly: no cell changes its type, no row goes missing in silence."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from embclust.data import Scalar
from embclust.errors import InputTableError
from embclust.rows._base import Record, Rejected
from embclust.rows._text import TextFile
from embclust.rows.clean import Cleaner

if TYPE_CHECKING:
    import _csv

__all__ = ["CsvReader"]

DELIMITERS: Final = (",", ";", "\t", "|")
FIELD_LIMIT: Final = 16 * 2**20
_LONG_ROW: Final = 200
"""A row that runs over more lines than this is worth a warning: a quote may be left open."""


class CsvReader:
    """A delimited text table whose first line holds the column names. All cells stay text."""

    def __init__(
        self, path: Path, *, encoding: str, delimiter: str | None, wanted: Iterable[str]
    ) -> None:
        """Read the header. `wanted`: columns that the header is expected to have.

        Raises InputTableError: no header, a column twice, a delimiter that cannot be told.
        """
        csv.field_size_limit(max(csv.field_size_limit(), FIELD_LIMIT))
        self._path = path
        self._file = TextFile(path, encoding)
        self.delimiter = delimiter or self._find_delimiter(list(wanted))
        header = self._header(self.delimiter)
        twice = [name for name, count in Counter(filter(None, header)).items() if count > 1]
        if twice:
            raise InputTableError(
                f"{path}: the header has {', '.join(map(repr, twice))} more than once.",
                "Give each column a name of its own.",
            )
        self._names = self._unnamed_apart(header)
        self.cleaner = Cleaner(self._names)
        self.columns = [self.cleaner.name(name) for name in self._names]
        self.long_rows: list[tuple[int, int]] = []

    def records(self) -> Iterator[Record | Rejected]:
        """Yield (line, cells), or why the row at that line is no row. Blank lines are none."""
        self.long_rows = []
        reader = csv.reader(self._file.lines(), delimiter=self.delimiter, strict=True)
        width = len(self.columns)
        self._next_header(reader)
        last = reader.line_num
        while True:
            line = last + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                last = reader.line_num
                yield self._rejected(error, line, last)
                continue
            last = reader.line_num
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue
            if len(cells) != width:
                reason = f"{len(cells)} fields where the header has {width}"
                if last > line:
                    reason += f" (lines {line} to {last}: is a quote left open?)"
                yield Rejected(line, reason, last - line + 1)
                continue
            if last - line > _LONG_ROW:
                self.long_rows.append((line, last))
            yield line, cells

    def clean(self, raw: list[str]) -> dict[str, Scalar]:
        """Turn cells into fields."""
        return self.cleaner.texts(self.columns, raw)

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """Return those of `wanted` that the header has not."""
        return [name for name in wanted if name not in self.columns]

    def warnings(self) -> list[str]:
        """Say what looked odd in the last pass."""
        return [
            f"The row at line {first} runs to line {last}: is a quote left open?"
            for first, last in self.long_rows[:5]
        ]

    def _rejected(self, error: csv.Error, line: int, last: int) -> Rejected:
        reason = str(error)
        # An open quote swallows the lines behind it up to the next quote or the file's end.
        if "unexpected end of data" in reason or last > line:
            raise InputTableError(
                f"{self._path}, line {line}: a quote is opened and not closed "
                f"(seen at line {last}).",
                "Close it, or double it where it belongs to the text.",
            ) from error
        if "field limit" in reason:
            reason = f"a field is longer than {FIELD_LIMIT:,} characters"
        elif "expected after" in reason:
            reason = "text after a closing quote (a quote inside a quoted field must be doubled)"
        return Rejected(line, reason)

    def _header(self, delimiter: str) -> list[str]:
        reader = csv.reader(self._file.lines(), delimiter=delimiter, strict=True)
        return [name.strip() for name in self._next_header(reader)]

    def _next_header(self, reader: _csv.Reader) -> list[str]:
        try:
            header = next((cells for cells in reader if "".join(cells).strip()), None)
        except csv.Error as error:
            raise InputTableError(
                f"{self._path}: the header cannot be read: {error}.", "Check its quotes."
            ) from error
        if header is None:
            raise InputTableError(f"{self._path}: no rows, the file is empty.")
        return header

    @staticmethod
    def _unnamed_apart(header: list[str]) -> list[str]:
        """Several columns may lack a name; spaces tell them apart until they are cleaned."""
        blanks = itertools.count()
        return [name or " " * next(blanks) for name in header]

    def _find_delimiter(self, wanted: list[str]) -> str:
        """Choose by the wanted columns, then by how many rows fit the header, then its width."""
        headers = {each: self._try_header(each) for each in DELIMITERS}
        several = {each: header for each, header in headers.items() if len(header) > 1}
        if not several:  # one column, unless a quote in the header was what kept it together
            return next((each for each, header in headers.items() if not header), DELIMITERS[0])
        scores = {
            each: (
                sum(name in header for name in wanted),
                self._fitting_rows(each, len(header)),
                len(header),
            )
            for each, header in several.items()
        }
        best = max(scores.values())
        winners = [each for each, score in scores.items() if score == best]
        if len(winners) > 1:
            raise InputTableError(
                f"{self._path}: the delimiter may be {' or '.join(map(repr, winners))}.",
                "Set source.delimiter.",
            )
        return winners[0]

    def _try_header(self, delimiter: str) -> list[str]:
        try:
            return self._header(delimiter)
        except InputTableError as error:
            if isinstance(error.__cause__, csv.Error):
                return []
            raise

    def _fitting_rows(self, delimiter: str, width: int) -> int:
        rows = csv.reader(itertools.islice(self._file.lines(), 50), delimiter=delimiter)
        try:
            return sum(len(cells) == width for cells in rows)
        except csv.Error:
            return 0
