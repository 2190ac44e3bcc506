"""Parquet: typed values, record batches, damage."""

from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embclust.errors import InputTableError
from tests.rows.helpers import items, open_at, read


def write(folder: Path, table: Any, **options: Any) -> Path:
    path = folder / "t.parquet"
    table = pa.table(table) if isinstance(table, dict) else table
    pq.write_table(table, path, **options)
    return path


def test_values_of_every_kind(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "id": pa.array([7, 8], pa.int32()),
            "t": ["a b", None],
            "f": [1.5, float("nan")],
            "b": [True, False],
            "big": pa.array([2**64 - 1, 1], pa.uint64()),
            "dec": [decimal.Decimal("1.10"), None],
            "day": [dt.date(2024, 5, 6), None],
            "at": pa.array([dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC), None]),
            "ns": pa.array([1, 1_000], pa.timestamp("ns")),
            "far": pa.array([2**55, 0], pa.timestamp("ms")),
            "took": pa.array([dt.timedelta(seconds=90), None]),
            "l": [["x", None], []],
            "s": [{"a": 1, "when": dt.date(2024, 1, 2)}, None],
            "cat": pa.array(["x", "y"]).dictionary_encode(),
        },
    )
    table = open_at(path, id_field="id", texts=("t",))
    good, bad = read(table)
    assert bad == []
    assert [(row.line, row.item.id) for row in good] == [(1, "7"), (2, "8")]
    first = good[0].item.fields
    assert "far" not in first
    assert first == {
        "id": 7,
        "t": "a b",
        "f": 1.5,
        "b": True,
        "big": "18446744073709551615",
        "dec": "1.10",
        "day": "2024-05-06",
        "at": "2024-05-06T07:08:09+00:00",
        "ns": "1970-01-01T00:00:00.000000001",
        "took": 90.0,
        "l": '["x",null]',
        "s": '{"a":1,"when":"2024-01-02"}',
        "cat": "x",
    }
    second = good[1].item.fields
    assert second["l"] == "[]"
    assert second["b"] is False
    assert "t" not in second
    assert "f" not in second
    assert (second["ns"], second["far"]) == ("1970-01-01T00:00:00.000001", "1970-01-01T00:00:00")
    assert table.warnings == [
        "Column 'f': 1 value left out (not a finite number).",
        "Column 'far': 1 value left out (a date out of range).",
    ]


def test_binary_columns_are_left_out_with_a_warning(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"id": ["1"], "raw": [b"\xff\xd8"], "image": [{"bytes": b"\xff", "path": "a.jpg"}]},
    )
    table = open_at(path, id_field="id")
    good, _ = read(table)
    assert good[0].item.fields == {"id": "1", "image": '{"bytes":null,"path":"a.jpg"}'}
    assert table.warnings == [
        "Column 'raw' holds binary data and is left out of 1 rows.",
        "Column 'image': 1 value left out (binary).",
    ]
    with pytest.raises(InputTableError, match="'raw' holds binary data"):
        open_at(path, images=["raw"])
    with pytest.raises(InputTableError, match="no columns but binary"):
        open_at(write(tmp_path, {"raw": [b"x"]}))


def test_ids_as_text_keep_their_zeros(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": ["007", "7"]})
    assert [item.id for item in items(path, id_field="id")] == ["007", "7"]


def test_columns_with_dots_in_their_names(tmp_path: Path) -> None:
    path = write(tmp_path, {"a.b": [1], "a": [{"b": 2}]})
    assert items(path)[0].fields == {"a.b": 1, "a": '{"b":2}'}


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.99])
def test_a_truncated_file(tmp_path: Path, keep: float) -> None:
    path = write(tmp_path, {"id": [str(i) for i in range(1_000)]})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(InputTableError, match="cannot be read as Parquet"):
        open_at(path)


def test_damage_inside_is_found_while_reading(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": [f"row {i}" for i in range(5_000)]}, use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[100:2_000] = b"\xff" * 1_900
    path.write_bytes(data)
    with pytest.raises(InputTableError, match="cannot be read as Parquet"):
        read(open_at(path))


def test_no_rows_and_a_column_twice(tmp_path: Path) -> None:
    with pytest.raises(InputTableError, match="no rows"):
        read(open_at(write(tmp_path, {"id": pa.array([], pa.string())})))
    twice = pa.table([["1"], ["2"]], names=["a", "a"])
    with pytest.raises(InputTableError, match="'a' more than once"):
        open_at(write(tmp_path, twice))


def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """200 MB of text in one row group: read whole, it would show."""
    path = tmp_path / "t.parquet"
    schema = pa.schema([("id", pa.int64()), ("t", pa.string())])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        rows = 20_000
        texts = [f"{i:>1000}" for i in range(rows)]
        for start in range(0, 10 * rows, rows):
            ids = list(range(start, start + rows))
            writer.write_table(pa.table({"id": ids, "t": texts}), row_group_size=10 * rows)
    code = f"""
import resource, pathlib
from embclust.config import FieldsSettings, SourceSettings
from embclust.rows import open_table
import pyarrow.parquet
table = open_table(SourceSettings(path=pathlib.Path({str(path)!r})), FieldsSettings())
rows = table.rows()
next(rows)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert sum(1 for _ in rows) == {10 * rows - 1}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 120, "MB more than after the first row"
