"""Looks into a store's files without chromadb, which can crash on damaged ones.

A segment's folder (chromadb 1.5.9, hnswlib format of its Rust core) holds `header.bin` (100
bytes), `data_level0.bin` (per element: link count, links, vector, label), `link_lists.bin` (per
element: byte length, upper links), `length.bin` and `index_metadata.pickle`. A torn link list
reads fine and kills the collection at the next write, so links are checked one by one.
"""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from embclust.stores._folder import DATABASE, segment_folders

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["quick_check"]

_HEADER: Final = struct.Struct("<i6Qii3QdQ")
_PICKLE_STOP: Final = b"."
_FILES: Final = ("header.bin", "data_level0.bin", "link_lists.bin", "length.bin")
_CHUNK: Final = 65_536


class _Header(NamedTuple):
    """The fields of header.bin, in order."""

    version: int
    offset_level0: int
    max_elements: int
    elements: int
    element_bytes: int
    label_offset: int
    data_offset: int
    max_level: int
    entry_point: int
    max_links: int
    max_links_level0: int
    m: int
    mult: float
    ef_construction: int


def quick_check(folder: Path) -> str | None:
    """Return what is wrong with the files of a store, as 'has ...' or 'is ...', or None.

    Needs neither chromadb nor a child process: it checks SQLite's pages, that every flushed
    vector segment has its files in full, that no link leads out of the index, and that the index
    has an element for every row. It does not see changed bits within a vector.
    """
    if not (folder / DATABASE).is_file():
        return f"is gone (there is no {DATABASE} in {folder})"
    try:
        with closing(_connect(folder / DATABASE)) as database:
            found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                return f"has a damaged database ({str(found).splitlines()[-1]})"
            segments = _flushed_segments(database)
    except sqlite3.Error as error:
        return f"has a damaged database ({error})"
    present = {path.name for path in segment_folders(folder)}
    for segment, rows in segments.items():
        if segment not in present:
            return f"has lost an index (folder {segment})"
        try:
            reason = _check_segment(folder / segment, rows)
        except (OSError, struct.error, ValueError) as error:
            reason = f"cannot be read: {error}"
        if reason:
            return f"has a damaged index ({segment}: {reason})"
    return None


def _connect(path: Path) -> sqlite3.Connection:
    # Read-write: a journal left by a kill must be rolled back, as Chroma itself would.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)


def _flushed_segments(database: sqlite3.Connection) -> dict[str, int]:
    """Return each vector segment that has been written out, with the rows it must hold.

    Rows that came after its last write are still in the queue.
    """
    rows = database.execute(
        """
        SELECT vectors.id,
               (SELECT count(*) FROM embeddings WHERE segment_id = metadata.id)
             - (SELECT count(DISTINCT queue.id) FROM embeddings_queue AS queue
                WHERE queue.topic LIKE '%' || vectors.collection
                  AND queue.seq_id > written.seq_id)
        FROM segments AS vectors
        JOIN max_seq_id AS written ON written.segment_id = vectors.id
        JOIN segments AS metadata
          ON metadata.collection = vectors.collection AND metadata.scope = 'METADATA'
        WHERE vectors.scope = 'VECTOR'
        """
    )
    return dict(rows.fetchall())


def _check_segment(folder: Path, rows: int) -> str | None:
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        return f"{missing[0]} is missing"
    raw = (folder / "header.bin").read_bytes()
    if len(raw) != _HEADER.size:
        return f"header.bin has {len(raw)} bytes"
    header = _Header(*_HEADER.unpack(raw))
    if not _is_plausible(header):
        return "header.bin makes no sense"
    if header.elements < rows:
        return f"it holds {header.elements} of {rows} rows"
    return (
        _check_pickle(folder / "index_metadata.pickle")
        or _check_size(folder / "data_level0.bin", header.elements * header.element_bytes)
        or _check_size(folder / "length.bin", header.elements * 4)
        or _check_level0(folder / "data_level0.bin", header)
        or _check_upper_links(folder / "link_lists.bin", header)
    )


def _check_size(path: Path, least: int) -> str | None:
    size = path.stat().st_size
    return f"{path.name} is cut short at {size} bytes" if size < least else None


def _check_pickle(path: Path) -> str | None:
    if not path.is_file():
        return f"{path.name} is missing"
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return f"{path.name} is empty"
        file.seek(-1, 2)
        return None if file.read(1) == _PICKLE_STOP else f"{path.name} is cut short"


def _is_plausible(header: _Header) -> bool:
    links_bytes = 4 + 4 * header.max_links_level0
    return (
        0 <= header.elements <= header.max_elements
        and header.offset_level0 == 0
        and header.data_offset == links_bytes
        and header.label_offset > header.data_offset
        and header.element_bytes == header.label_offset + 8
        and (header.elements == 0 or 0 <= header.entry_point < header.elements)
        and 0 < header.max_links <= 1 << 16
    )


def _check_level0(path: Path, header: _Header) -> str | None:
    """Every element's links: at most the maximum, none to an element that does not exist."""
    if header.elements == 0:
        return None
    data = np.memmap(path, dtype=np.uint8, mode="r", shape=(header.elements, header.element_bytes))
    slots = np.arange(header.max_links_level0)
    for start in range(0, header.elements, _CHUNK):
        words = np.ascontiguousarray(data[start : start + _CHUNK, : header.data_offset])
        # The count is 16 bits; the byte after it marks a deleted element.
        counts = words[:, :2].copy().view("<u2").astype(np.int64)
        links = words[:, 4:].copy().view("<u4")
        used = slots[None, :] < counts
        if (counts > header.max_links_level0).any() or (links[used] >= header.elements).any():
            return f"{path.name} has links that lead nowhere"
    return None


def _check_upper_links(path: Path, header: _Header) -> str | None:
    """The file is exactly one length and its links per element."""
    size = path.stat().st_size
    level_bytes = 4 + 4 * header.max_links
    most = header.elements * (4 + level_bytes * (header.max_level + 1))
    if size > most:
        return f"{path.name} has grown to {size} bytes"
    data = path.read_bytes()
    position = 0
    for _ in range(header.elements):
        if position + 4 > size:
            return f"{path.name} is cut short at {size} bytes"
        length = int.from_bytes(data[position : position + 4], "little")
        position += 4
        if length % level_bytes or length > level_bytes * header.max_level:
            return f"{path.name} is torn"
        for level in range(position, min(position + length, size), level_bytes):
            if not _links_exist(data[level : level + level_bytes], header):
                return f"{path.name} has links that lead nowhere"
        position += length
    return None if position == size else f"{path.name} is torn"


def _links_exist(block: bytes, header: _Header) -> bool:
    if len(block) < 4 + 4 * header.max_links:
        return False
    count = int.from_bytes(block[:2], "little")
    links = struct.unpack_from(f"<{min(count, header.max_links)}I", block, 4)
    return count <= header.max_links and all(link < header.elements for link in links)
