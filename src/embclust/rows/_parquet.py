"""Parquet, read in record batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from embclust.data import Scalar
from embclust.errors import InputTableError
from embclust.rows._base import Record, Rejected
from embclust.rows.clean import Cleaner

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ParquetReader"]

_BATCH: Final = 1_024
_BUFFER: Final = 2**20
"""Bytes read at once per column; without it a whole row group would be."""


class ParquetReader:
    """A Parquet file. Numbers and truth values keep their types; binary columns are left out."""

    def __init__(self, path: Path) -> None:
        """Read the schema. Raises InputTableError when it is not Parquet, or damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        with self._guarded(), pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            self._rows = int(file.metadata.num_rows)
        twice = [name for name, count in Counter(schema.names).items() if count > 1]
        if twice:
            raise InputTableError(
                f"{path} has the columns {', '.join(map(repr, twice))} more than once.",
                "Give each column a name of its own.",
            )
        self.binary = [field.name for field in schema if _is_binary(pa, field.type)]
        self._kept = [name for name in schema.names if name not in set(self.binary)]
        if not self._kept:
            raise InputTableError(f"{path} has no columns but binary ones.")
        self.cleaner = Cleaner(self._kept)
        self.columns = [self.cleaner.name(name) for name in self._kept]

    def records(self) -> Iterator[Record | Rejected]:
        """Yield (number, values by column). The first row is number 1."""
        import pyarrow.parquet as pq

        number = 0
        with self._guarded(), pq.ParquetFile(self._path, buffer_size=_BUFFER) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=self._kept):
                columns = [self._values(name, batch.column(name)) for name in self._kept]
                for values in zip(*columns, strict=True):
                    number += 1
                    yield number, dict(zip(self._kept, values, strict=True))

    def clean(self, raw: dict[str, Any]) -> dict[str, Scalar]:
        """Turn a row into fields."""
        return self.cleaner.fields(raw)

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """Return those of `wanted` that the schema has not; raises when one is binary."""
        for name in wanted:
            if name in self.binary:
                raise InputTableError(
                    f"{self._path}: column '{name}' holds binary data, which is not read.",
                    "Write the pictures to files and put their paths into the table.",
                )
        return [name for name in wanted if name not in self.columns]

    def warnings(self) -> list[str]:
        """Say which columns were not read."""
        return [
            f"Column '{name}' holds binary data and is left out of {self._rows} rows."
            for name in self.binary
        ]

    def _values(self, name: str, column: pa.Array) -> list[Any]:
        import pyarrow as pa

        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        try:
            return list(column.to_pylist())
        except (ValueError, OverflowError, ImportError):
            return [self._value(name, each) for each in column]

    def _value(self, name: str, scalar: pa.Scalar) -> Any:
        """One by one, so that what a value becomes never depends on its neighbours."""
        import pyarrow as pa

        try:
            return scalar.as_py()
        except (ValueError, OverflowError, ImportError):
            # Nanoseconds take Arrow's own spelling; years that it cannot spell are left out.
            text = str(scalar.cast(pa.string())) if pa.types.is_temporal(scalar.type) else "<"
        if text.startswith("<"):
            self.cleaner.left_out[self.cleaner.name(name), "a date out of range"] += 1
            return None
        return text.replace(" ", "T", 1).replace("Z", "+00:00")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = (str(error).splitlines() or ["unknown"])[0]
            raise InputTableError(
                f"{self._path} cannot be read as Parquet: {reason}",
                "It may be cut short or no Parquet file; fetch or write it again.",
            ) from error


def _is_binary(pa: Any, kind: Any) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )
