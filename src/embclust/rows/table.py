"""What all formats share: which format it is, ids, windows, bad rows, warnings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from embclust.data import Item, Scalar
from embclust.errors import InputTableError, SettingsError
from embclust.rows._base import Reader, Rejected, Row, nearest
from embclust.rows._csv import CsvReader
from embclust.rows._find import find_format
from embclust.rows._folder import FolderReader
from embclust.rows._jsonl import JsonlReader
from embclust.rows._limit import BadRows
from embclust.rows._parquet import ParquetReader
from embclust.rows.clean import content_id, scalar_text
from embclust.rows.templates import PathTemplate, parse_template

if TYPE_CHECKING:
    from embclust.config import FieldsSettings, SourceSettings

__all__ = ["Table", "open_table", "sample_table"]

MAX_ID: Final = 512


def open_table(source: SourceSettings, fields: FieldsSettings) -> Table:
    """Open the table and check that every column the settings name is there.

    Raises InputTableError (no such file, not readable, a column is missing, …) or SettingsError
    (a template that cannot be used).
    """
    path = source.path
    if path is None:
        raise SettingsError("source.path is not set.", "Name a table or a folder of images.")
    templates = [
        parse_template(column, template)
        for column, template in fields.image_templates().items()
        if template is not None
    ]
    derived = {each.column for each in templates}
    wanted = [source.id_field, *fields.image_templates(), *fields.texts]
    wanted += [name for each in templates for name in each.needs]
    kind = find_format(path, source.format, source.hint)
    reader = _reader(
        path,
        kind,
        source.encoding,
        source.delimiter,
        [name for name in wanted if name is not None and name not in derived],
    )
    table = Table(
        path,
        kind,
        reader,
        templates,
        name=source.name,
        id_field=source.id_field,
        start=source.start,
        limit=source.limit,
        max_bad_rows=source.max_bad_rows,
    )
    table.check(fields)
    return table


def sample_table(path: Path, limit: int, encoding: str = "auto") -> Table:
    """Open a table of which nothing is known yet, to look at its first `limit` rows.

    Bad rows are not held against it: it is `index` that judges them. Raises InputTableError.
    """
    kind = find_format(path, "auto", None)
    reader = _reader(path, kind, encoding, None, [])
    return Table(path, kind, reader, [], limit=limit, max_bad_rows="100%")


class Table:
    """An open table: `rows` streams it; the counts and `warnings` tell about the last stream.

    `name`: what the ledger calls the source. `folder`: what relative picture paths refer to.
    `kind`: csv, tsv, jsonl, parquet or images. `blank_rows`: rows without any value, which are
    passed over.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        reader: Reader,
        templates: list[PathTemplate],
        *,
        name: str | None = None,
        id_field: str | None = None,
        start: int = 0,
        limit: int | None = None,
        max_bad_rows: int | str = "1%",
    ) -> None:
        path = Path(os.path.abspath(path))  # noqa: PTH100 - links in it stay as they are
        self.path = path
        self.kind = kind
        self.name = name or str(path.resolve())
        self.folder = path if kind == "images" else path.parent
        self.read = self.good = self.blank_rows = self.without_id = 0
        self._climbing: dict[str, int] = {}
        self._start, self._limit, self._max_bad_rows = start, limit, max_bad_rows
        self._reader = reader
        self._bad = BadRows(max_bad_rows)
        names = {raw: new for raw, new in reader.cleaner.names.items() if raw not in reader.columns}
        id_field = id_field or ("path" if kind == "images" else None)
        self.id_column = id_field and names.get(id_field, id_field)
        self._templates = [each.with_names(names) for each in templates]

    @property
    def columns(self) -> list[str]:
        """The columns of the items: the table's own under their clean names, then derived ones."""
        own = self._reader.columns
        return own + [each.column for each in self._templates if each.column not in own]

    @property
    def delimiter(self) -> str | None:
        """What separates the cells of a CSV; None for other formats."""
        return self._reader.delimiter if isinstance(self._reader, CsvReader) else None

    @property
    def rejected(self) -> int:
        """How many rows the last stream rejected."""
        return self._bad.count

    @property
    def warnings(self) -> list[str]:
        """What a user should know of the rows streamed so far, one line each."""
        lines = []
        if self.id_column is None:
            lines.append(
                "No id column (source.id_field): an id is the hash of its row's content, so that "
                "an edited row counts as a new one."
            )
        elif self.without_id:
            lines.append(
                f"Rows without a value in the id column '{self.id_column}': {self.without_id}; "
                "their ids are hashes of their content."
            )
        if self.blank_rows:
            lines.append(f"Rows without any value, passed over: {self.blank_rows}.")
        lines += [
            f"'{column}': {count} paths left out that would climb out of the folder ('..')."
            for column, count in self._climbing.items()
        ]
        return lines + self._reader.warnings() + self._reader.cleaner.warnings()

    def rows(self) -> Iterator[Row | Rejected]:
        """Stream the rows within `source.start` and `source.limit`; starts over at each call.

        Raises InputTableError where the table cannot be read on, at its end when there was no
        row, and when more rows were rejected than `source.max_bad_rows` allows.
        """
        self._start_over()
        clean = self._reader.clean
        stop = None if self._limit is None else self._start + self._limit
        for record in islice(self._reader.records(), self._start, stop):
            self.read += 1
            if isinstance(record, Rejected):
                self._bad.add(record, str(self.path))
                yield record
                continue
            line, raw = record
            fields = clean(raw)
            if not fields:
                self.blank_rows += 1
                continue
            self.good += 1
            item_id = self._item_id(fields)
            if self._templates:
                self._derive(fields)
            yield Row(line, Item(item_id, fields))
        self._check_end()

    def check(self, fields: FieldsSettings) -> None:
        """Raise InputTableError or SettingsError when a column that is named is not there."""
        self._check_templates()
        derived = {each.column for each in self._templates}
        images = [each for each in fields.image_templates() if each not in derived]
        id_fields = [self.id_column] if self.id_column else []
        named = [("source.id_field", name) for name in id_fields]
        named += [("fields.images", name) for name in images]
        named += [("fields.texts", name) for name in fields.texts if name not in derived]
        absent = self._reader.missing([name for _, name in named])
        for setting, name in named:
            if name in absent:
                raise InputTableError(
                    f"{self.path} has no column '{name}' ({setting}).", self._advice(name)
                )

    def _check_templates(self) -> None:
        renamed = self._reader.cleaner.name
        for template in self._templates:
            if template.column not in self._reader.columns and renamed(template.column) != (
                template.column
            ):
                raise SettingsError(
                    f"fields.images: '{template.column}' cannot be the name of a column.",
                    "Use letters, digits, spaces, '_', '-' or '.'.",
                )
            for name in self._reader.missing(template.needs):
                raise SettingsError(
                    f"fields.images: the template of '{template.column}' needs a column "
                    f"'{name}', which {self.path} has not.",
                    self._advice(name),
                )

    def _advice(self, name: str) -> str:
        columns = self._reader.columns
        called = self._reader.cleaner.names.get(name)
        if called in columns:
            return f"That column is called '{called}' here."
        if self.delimiter and len(columns) == 1:
            return f"Its header has one column only, '{columns[0]}': set source.delimiter."
        return nearest(name, columns)

    def _item_id(self, fields: dict[str, Scalar]) -> str:
        value = None if self.id_column is None else fields.get(self.id_column)
        if value is None:
            self.without_id += 1
            return content_id(fields)
        return _tidy_id(scalar_text(value))

    def _derive(self, fields: dict[str, Scalar]) -> None:
        filled: dict[str, str | None] = {}
        for template in self._templates:
            try:
                filled[template.column] = template.fill(fields)
            except ValueError:
                filled[template.column] = None
                column = template.column
                self._climbing[column] = self._climbing.get(column, 0) + 1
        for column, value in filled.items():
            if value is None:
                fields.pop(column, None)
            else:
                fields[column] = value

    def _start_over(self) -> None:
        self.read = self.good = self.blank_rows = self.without_id = 0
        self._climbing = {}
        self._bad = BadRows(self._max_bad_rows)
        self._reader.cleaner.forget_counts()

    def _check_end(self) -> None:
        self._bad.judge(str(self.path), self.good)
        if self.good:
            return
        if self._bad.count:
            raise InputTableError(
                f"{self.path}: no row can be read: {self._bad.first()}.",
                "Is it the format it seems to be (source.format, source.delimiter)?",
            )
        if self._start:
            raise InputTableError(f"{self.path}: source.start = {self._start} leaves no rows.")
        raise InputTableError(f"{self.path}: no rows, only a header or blank lines.")


def _tidy_id(text: str) -> str:
    """Make an id one line of at most 512 characters; a longer one ends in a hash of the whole."""
    text = text.strip()
    if not text.isprintable():
        text = text.translate({9: " ", 10: " ", 13: " "})
    if len(text) <= MAX_ID:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{text[: MAX_ID - 33]}~{digest}"


def _reader(
    path: Path, kind: str, encoding: str, delimiter: str | None, wanted: list[str]
) -> Reader:
    if kind == "images":
        return FolderReader(path)
    if kind == "parquet":
        return ParquetReader(path)
    if kind == "jsonl":
        return JsonlReader(path, encoding=encoding)
    delimiter = delimiter or ("\t" if kind == "tsv" else None)
    return CsvReader(path, encoding=encoding, delimiter=delimiter, wanted=wanted)
