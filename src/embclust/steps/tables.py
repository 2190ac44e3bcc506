"""The artefacts that are Parquet files: to bytes and back, the same bytes for the same content.

clusters.parquet has a row per item (id, cluster, name, distance, is_medoid) and, so that one
file is whole, the centres in the file's own key-value metadata: `embclust.numbers` (JSON list)
and `embclust.centres` (base64 of float32 little-endian, (k, d) in the order of the numbers).
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embclust.data import NOISE, Clustering, Layout

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "clustering_bytes",
    "clustering_from",
    "layout_bytes",
    "layout_from",
    "named_bytes",
    "named_from",
    "names_from",
]

_NUMBERS = "embclust.numbers"
_SHAPE = "embclust.centres.shape"
_CENTRES = "embclust.centres"
_PROPOSED = "embclust.proposed"


def clustering_bytes(clustering: Clustering, names: Mapping[int, str]) -> bytes:
    """Return clusters.parquet. `names`: cluster number -> name; clusters without have ''."""
    import pyarrow as pa

    is_medoid = np.zeros(len(clustering.ids), dtype=bool)
    is_medoid[list(clustering.medoids.values())] = True
    shown = [names.get(number, "") for number in clustering.clusters.tolist()]
    table = pa.table(
        {
            "id": pa.array(clustering.ids, pa.string()),
            "cluster": pa.array(clustering.clusters, pa.int32()),
            "name": pa.array(shown, pa.string()),
            "distance": pa.array(clustering.distances, pa.float32()),
            "is_medoid": pa.array(is_medoid, pa.bool_()),
        }
    )
    centres = np.ascontiguousarray(clustering.centres, dtype="<f4")
    metadata = {
        _NUMBERS: json.dumps(clustering.numbers),
        _SHAPE: json.dumps(centres.shape),
        _CENTRES: base64.b64encode(centres.tobytes()).decode(),
    }
    return _to_bytes(table, metadata)


def clustering_from(data: bytes) -> Clustering:
    """Read clusters.parquet."""
    table, metadata = _from_bytes(data)
    clusters = table["cluster"].to_numpy().astype(np.int32)
    raw = np.frombuffer(base64.b64decode(metadata[_CENTRES]), dtype="<f4").astype(np.float32)
    medoids = {int(clusters[row]): int(row) for row in np.flatnonzero(table["is_medoid"])}
    return Clustering(
        ids=table["id"].to_pylist(),
        clusters=clusters,
        numbers=json.loads(metadata[_NUMBERS]),
        centres=raw.reshape(json.loads(metadata[_SHAPE])),
        distances=table["distance"].to_numpy().astype(np.float32),
        medoids={number: medoids[number] for number in sorted(medoids) if number != NOISE},
    )


def names_from(data: bytes) -> dict[int, str]:
    """Read the names in clusters.parquet: cluster number -> name, for those that have one."""
    table, _ = _from_bytes(data)
    pairs = zip(table["cluster"].to_pylist(), table["name"].to_pylist(), strict=True)
    return {number: name for number, name in set(pairs) if name and number != NOISE}


def layout_bytes(layout: Layout) -> bytes:
    """Return layout-2d.parquet or layout-3d.parquet."""
    import pyarrow as pa

    columns: dict[str, Any] = {"id": pa.array(layout.ids, pa.string())}
    for axis, name in enumerate("xyz"[: layout.coords.shape[1]]):
        columns[name] = pa.array(layout.coords[:, axis], pa.float32())
    return _to_bytes(pa.table(columns), {})


def layout_from(data: bytes) -> Layout:
    """Read a layout."""
    table, _ = _from_bytes(data)
    axes = [table[name].to_numpy() for name in table.column_names[1:]]
    return Layout(table["id"].to_pylist(), np.stack(axes, axis=1).astype(np.float32))


def named_bytes(
    rows: Mapping[int, Sequence[tuple[str, int]]], proposed: Mapping[int, str | None]
) -> bytes:
    """Return named.parquet: cluster number -> (id, text hash) of the rows its name was made of.

    `proposed`: the names that were made, which tell which names.json this belongs to.
    """
    import pyarrow as pa

    flat = [(number, *row) for number in sorted(rows) for row in rows[number]]
    table = pa.table(
        {
            "cluster": pa.array([row[0] for row in flat], pa.int32()),
            "id": pa.array([row[1] for row in flat], pa.string()),
            "text": pa.array([row[2] for row in flat], pa.int64()),
        }
    )
    return _to_bytes(table, {_PROPOSED: json.dumps(proposed, sort_keys=True)})


def named_from(data: bytes) -> tuple[dict[int, list[tuple[str, int]]], dict[int, str | None]]:
    """Read named.parquet: the rows, and the names made of them."""
    table, metadata = _from_bytes(data)
    rows: dict[int, list[tuple[str, int]]] = {}
    columns = (table[name].to_pylist() for name in ("cluster", "id", "text"))
    for number, item_id, text in zip(*columns, strict=True):
        rows.setdefault(number, []).append((item_id, text))
    proposed = json.loads(metadata[_PROPOSED])
    return rows, {int(number): name for number, name in proposed.items()}


def _to_bytes(table: pa.Table, metadata: Mapping[str, str]) -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    # Without the Arrow schema in the file, which would hold the metadata a second time.
    with pq.ParquetWriter(
        sink, table.schema, version="2.6", compression="zstd", store_schema=False
    ) as writer:
        writer.write_table(table, row_group_size=1 << 20)
        if metadata:
            writer.add_key_value_metadata(dict(metadata))
    return sink.getvalue()


def _from_bytes(data: bytes) -> tuple[pa.Table, dict[str, str]]:
    import pyarrow.parquet as pq

    # Not in Arrow's threads: one that lets go of our bytes while the program ends aborts it.
    with pq.ParquetFile(io.BytesIO(data), pre_buffer=False) as file:
        raw: dict[bytes, bytes] = file.metadata.metadata or {}
        return file.read(use_threads=False), {
            key.decode(): value.decode() for key, value in raw.items()
        }
