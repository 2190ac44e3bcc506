"""What was in memory before is in no file of the store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import contextlib, sys, threading
from pathlib import Path
import numpy as np
from embclust.data import CollectionInfo, EmbeddedBatch, Item
from embclust.stores import _place
from embclust.stores.chroma import ChromaStore

folder, guarded = Path(sys.argv[1]), sys.argv[2] == "guarded"
if not guarded:
    _place.zeroed_memory = contextlib.nullcontext

def litter():
    kept = [("CaNaRy7x" * (size // 8)) for size in (600, 3000, 20_000, 60_000, 110_000) * 30]
    barrier.wait()
    del kept

# As downloads do: threads whose part of the heap the store's own threads take over.
barrier = threading.Barrier(12)
threads = [threading.Thread(target=litter) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
store = ChromaStore(ChromaStore.Options(), collection="shoes", folder=folder)
store.create(CollectionInfo("shoes", "f", "e", 64, 0))
items = [Item(str(i), {}) for i in range(5)]
store.upsert(EmbeddedBatch(items, np.eye(5, 64, dtype=np.float32)))
store.close()
"""


def leaked(folder: Path, how: str) -> list[str]:
    subprocess.run([sys.executable, "-c", CODE, str(folder), how], check=True, env={**os.environ})
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "data_level0.bin" for path in files)
    return [path.name for path in files if b"CaNaRy7x" in path.read_bytes()]


def test_unused_places_of_the_index_are_empty(tmp_path: Path) -> None:
    if not leaked(tmp_path / "plain", "plain"):
        pytest.skip("this system's malloc hands out clean memory by itself")
    assert leaked(tmp_path / "chroma", "guarded") == []
