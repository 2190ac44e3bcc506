"""Which cluster was written back to which row of the store: written-back.parquet.

The ledger keeps what came from the table and nothing else. What `--write-back` adds to the rows
in the store is kept beside it, so that a sync, a rebuild and a check know of it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from embclust.workspace import Workspace, make_folder, write_whole

if TYPE_CHECKING:
    from embclust.data import Scalar

__all__ = ["CLUSTER", "CLUSTER_NAME", "Written", "fields_of", "merged", "read", "save"]

CLUSTER: Final = "cluster"
CLUSTER_NAME: Final = "cluster_name"
_FILE: Final = "written-back.parquet"

Written = dict[str, dict[str, "Scalar"]]
"""Row id -> the fields that were added to it."""


def merged(item_id: str, fields: Mapping[str, Scalar], written: Written) -> dict[str, Scalar]:
    """Return a row's fields as the store has them; a column of the table wins."""
    return {**fields, **{k: v for k, v in written.get(item_id, {}).items() if k not in fields}}


def read(workspace: Workspace, collection: str) -> Written:
    """Return what was written back; nothing when it never was."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = workspace.collection_folder(collection) / _FILE
    try:
        with pq.ParquetFile(io.BytesIO(path.read_bytes()), pre_buffer=False) as file:
            table = file.read(use_threads=False)
    except (OSError, pa.ArrowInvalid):
        return {}
    columns = (table[name].to_pylist() for name in ("id", CLUSTER, CLUSTER_NAME))
    return {
        item_id: fields_of(number, name) for item_id, number, name in zip(*columns, strict=True)
    }


def save(workspace: Workspace, collection: str, written: Written) -> None:
    """Keep what is written back, whole. Raises DiskFullError or UsageError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids = sorted(written)
    table = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            CLUSTER: pa.array([written[one][CLUSTER] for one in ids], pa.int32()),
            CLUSTER_NAME: pa.array([written[one].get(CLUSTER_NAME) for one in ids], pa.string()),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    folder = workspace.collection_folder(collection)
    make_folder(folder)
    write_whole(folder / _FILE, sink.getvalue())


def fields_of(number: int, name: str | None) -> dict[str, Scalar]:
    """Return the fields of a row in this cluster; one without a name has only the number."""
    return {CLUSTER: number, **({CLUSTER_NAME: name} if name else {})}
