"""Large tables: an unchanged re-run, and memory while indexing.

    python -m benchmarks.scale [--rows 300000] [--dim 512]

1. `embclust index` over 100,000 unchanged rows: wall seconds of the whole command, and whether a
   model library was imported.
2. A run over --rows rows with the hashing encoder and a store that keeps nothing: peak memory
   for half the rows and for all of them (embclust's own, which must not grow with the table), and
   beside it what Chroma itself takes for as many vectors in a process of its own.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import print_table

RUN = """
import json, resource, sys, time
from embclust.cli import main
code = main(sys.argv[1:])
heavy = sorted(set(sys.modules) & {"torch", "open_clip", "sentence_transformers", "chromadb"})
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"code": code, "peak": peak, "heavy": heavy}), file=sys.stderr)
"""

CHROMA = """
import resource, sys
import numpy as np
from pathlib import Path
from embclust.data import CollectionInfo, EmbeddedBatch, Item
from embclust.stores.chroma import ChromaStore
rows, dim, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
store = ChromaStore(ChromaStore.Options(), collection="alone", folder=folder)
store.create(CollectionInfo("alone", "f", "e", dim, 0))
rng = np.random.default_rng(0)
for start in range(0, rows, 2000):
    n = min(2000, rows - start)
    vectors = rng.normal(size=(n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = [Item(str(start + i), {"title": f"Product {start + i}"}) for i in range(n)]
    store.upsert(EmbeddedBatch(items, vectors))
store.close()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def write_table(path: Path, rows: int) -> Path:
    """A table of product-like rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "brand", "colour", "season", "price", "url", "text"])
        for i in range(rows):
            writer.writerow(
                [
                    i,
                    f"Product {i} of kind {i % 977} in {i * 7919 % 100_003}",
                    f"B{i % 50}",
                    ("red", "blue", "green")[i % 3],
                    "fall",
                    i / 7,
                    f"https://shop.example/{i}.jpg",
                    f"A description of product {i}",
                ]
            )
    return path


def run(folder: Path, table: Path, store: str, dim: int) -> dict[str, object]:
    """One `embclust index` in a process of its own."""
    started = time.perf_counter()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            RUN,
            "index",
            str(table),
            "--id",
            "id",
            "--text",
            "title",
            "--workspace",
            str(folder),
            "--json",
            "--set",
            f"store.kind={store}",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "EMBCLUST_ENCODERS__TEXT__KIND": "hashing",
            "EMBCLUST_ENCODERS__TEXT__DIM": str(dim),
        },
    )
    result: dict[str, object] = json.loads(done.stderr.splitlines()[-1])
    return {
        **result,
        "seconds": time.perf_counter() - started,
        "report": json.loads(done.stdout)["collections"][0],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--dim", type=int, default=512)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="embclust-scale-"))
    try:
        table = write_table(folder / "hundred.csv", 100_000)
        first = run(folder / "w1", table, "chroma", 64)
        again = run(folder / "w1", table, "chroma", 64)
        print_table(
            ("100,000 rows", "seconds", "heavy libraries imported"),
            [
                ("first run", first["seconds"], first["heavy"]),
                ("unchanged", again["seconds"], again["heavy"]),
            ],
        )
        lines = []
        for rows in (chosen.rows // 2, chosen.rows):
            big = write_table(folder / f"{rows}.csv", rows)
            result = run(folder / f"w-{rows}", big, "benchmarks.null_store:NullStore", chosen.dim)
            lines.append((f"embclust, {rows} rows", result["peak"], result["seconds"]))
        started = time.perf_counter()
        chroma = subprocess.run(
            [sys.executable, "-c", CHROMA, str(chosen.rows), str(chosen.dim), str(folder / "c")],
            capture_output=True,
            text=True,
            check=True,
        )
        lines.append(
            (
                f"Chroma alone, {chosen.rows} rows",
                float(chroma.stdout),
                time.perf_counter() - started,
            )
        )
        print()
        print_table((f"{chosen.dim} dimensions", "peak memory (MB)", "seconds"), lines)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
