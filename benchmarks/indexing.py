"""What a row costs in `embclust index`, against the sum of its parts measured alone.

    python -m benchmarks.indexing [--rows N] [--folder FOLDER]

Three tables: 224 px JPEGs on disk, 1080x1440 JPEGs over loopback HTTP, and product names. The
picture encoder is ViT-B/32 with random weights (speed does not depend on them), written to the
folder as a model like any other; the text encoder is MiniLM from the demo extra. Every figure is
taken in this one process, so that the ratios hold whatever the machine's speed is:

1. cost: processor seconds per row of the whole run / sum of the parts (at most 1.15 wanted)
2. throughput: rows per second of the run / of the bare encoder (at least 0.90 wanted for the first)
3. speed-up over a plain loop: one picture at a time, float32, a store write for each
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measure import Cost, cost, make_pictures, print_table
from benchmarks.models import MINILM, encode_all
from benchmarks.random_encoder import write_random_model
from embclust import plugins
from embclust.cli.console import Console
from embclust.config import Settings
from embclust.data import CollectionInfo, EmbeddedBatch, Item
from embclust.encoders._torch import resolve_device, resolve_precision
from embclust.images import content_key, load_picture, thumbnail
from embclust.ledger import open_ledger
from embclust.reports import IndexReport
from embclust.staging import Cell, Done, Staging, Target
from embclust.steps.index import IndexOptions, run_index
from embclust.steps.sync import open_store
from embclust.thumbs import Thumbs
from embclust.vectors import unit_rows
from embclust.workspace import Workspace

ROUNDS = 3


@dataclass(frozen=True)
class Line:
    """What one table came to; rows per second and speed-up without loading the model."""

    name: str
    cost: float
    throughput: float
    rate: float
    speedup: float


def settings(folder: Path, table: Path, column: str, model: dict[str, Any], kind: str) -> Settings:
    """Settings of one benchmark table."""
    return Settings.model_validate(
        {
            "workspace": folder / "workspace",
            "source": {"path": table, "id_field": "id"},
            "fields": {f"{kind}s": [column]},
            "encoders": {kind: model},
            "images": {"allow_private_hosts": True},
        }
    )


def built(configured: Settings, kind: str) -> Any:
    """The encoder of a modality."""
    section = getattr(configured.encoders, kind)
    return plugins.build(
        "encoder", section.kind, section.options(), modality=kind, device="cpu", base=Path()
    )


def whole(configured: Settings) -> tuple[Cost, IndexReport]:
    """A whole index run from an empty workspace."""
    workspace = Workspace(configured.workspace)
    shutil.rmtree(workspace.root, ignore_errors=True)
    workspace.create()
    ledger = open_ledger(workspace.ledger_path, create=True)
    assert ledger is not None
    thumbs = Thumbs(workspace.thumbs_path)
    with cost() as spent:
        report = run_index(
            configured,
            workspace,
            ledger,
            thumbs,
            IndexOptions(),
            Console(quiet=True),
            lambda: False,
            {},
        )
    thumbs.close()
    ledger.close()
    return spent, report


def load_alone(configured: Settings, kind: str, prepared: list[Any]) -> Cost:
    """Loading the model, which a run does once however many rows there are."""
    encoder = built(configured, kind)
    part = prepared[: encoder.batch_size]
    with cost() as first:
        encoder.encode(part)
    with cost() as second:
        encoder.encode(part)
    return Cost(max(0.0, first.wall - second.wall), max(0.0, first.cpu - second.cpu))


def encode_alone(encoder: Any, prepared: list[Any]) -> Cost:
    """The bare encoder on inputs that are in memory already."""
    with cost() as spent:
        encode_all(encoder, prepared)
    return spent


def write_alone(folder: Path, items: list[Item], vectors: Any, thumbs: list[bytes]) -> Cost:
    """What the ledger costs for these rows: staging, batches of 64, thumbnails."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ledger = open_ledger(folder / "ledger.sqlite", create=True)
    assert ledger is not None
    kept = Thumbs(folder / "thumbs.sqlite")
    with cost() as spent:
        collection = ledger.ensure_collection("c", "f", "image", "e")
        ledger.pin_encoder(collection.encoder, vectors.shape[1], None)
        with Staging(ledger) as staging:
            for line, item in enumerate(items):
                staging.add(item, line, [Cell(f"k:{item.id}")], "error")
            staging.end()
            staging.compare(
                [Target(0, "f", "image", collection)],
                ledger.source("t"),
                retry_failed=False,
                refresh=False,
                reencode=False,
            )
            for start in range(0, len(items), 64):
                part = items[start : start + 64]
                keys = [item.id.encode() for item in part]
                kept.put(list(zip(keys, thumbs[start : start + 64], strict=False)))
                done = [
                    Done(f"k:{item.id}", key, True) for item, key in zip(part, keys, strict=True)
                ]
                staging.finish("image", done, [], (keys, vectors[start : start + 64]))
    kept.close()
    ledger.close()
    return spent


def upsert_alone(configured: Settings, folder: Path, items: list[Item], vectors: Any) -> Cost:
    """What the store costs for these rows."""
    shutil.rmtree(folder, ignore_errors=True)
    workspace = Workspace(folder)
    workspace.create()
    store = open_store(configured, workspace, "alone")
    with cost() as spent:
        store.create(CollectionInfo("alone", "f", "e", vectors.shape[1], 0))
        for start in range(0, len(items), 2000):
            store.upsert(EmbeddedBatch(items[start : start + 2000], vectors[start : start + 2000]))
        store.close()
    return spent


def timed(function: Callable[[Any], Any], inputs: list[Any]) -> tuple[Cost, list[Any]]:
    """A function over inputs, one after the other."""
    with cost() as spent:
        results = [function(one) for one in inputs]
    return spent, results


def pictures(
    name: str,
    configured: Settings,
    refs: list[str],
    read: Callable[[str], bytes],
    items: list[Item],
    folder: Path,
    loop: Callable[[], float] = lambda: 0.0,
) -> Line:
    """Measure the parts and the whole for one table of pictures."""
    encoder = built(configured, "image")
    read_cost, bodies = timed(read, refs)

    def prepare(body: bytes) -> tuple[Any, bytes]:
        content_key(body)
        picture = load_picture(body, configured.images)
        return encoder.prepare(picture.image), thumbnail(picture.image, configured.images.thumbnail)

    prepare(bodies[0])  # imports
    prepare_cost, made = timed(prepare, bodies)
    prepared = [one for one, _ in made]
    encoder.encode(prepared[: encoder.batch_size])  # load and warm up
    vectors = unit_rows(encode_all(encoder, prepared))
    ledger_cost = write_alone(folder / "alone", items, vectors, [thumb for _, thumb in made])
    upsert_alone(configured, folder / "alone-store", items[:8], vectors[:8])
    store_cost = upsert_alone(configured, folder / "alone-store", items, vectors)
    return report(
        name,
        configured,
        len(items),
        lambda: encode_alone(encoder, prepared),
        {
            "load the model": load_alone(configured, "image", prepared),
            "read": read_cost,
            "prepare": prepare_cost,
            "ledger": ledger_cost,
            "store": store_cost,
        },
        loop,
    )


def report(
    name: str,
    configured: Settings,
    n: int,
    bare: Callable[[], Cost],
    parts: dict[str, Cost],
    loop: Callable[[], float] = lambda: 0.0,
) -> Line:
    """Run the whole and print it beside its parts.

    Bare encoder, plain loop and whole run take turns, so that what else the machine does meets
    all of them; the ratios are the medians of the rounds.
    """
    whole(configured)  # warm: imports, the model file in the page cache
    load = parts["load the model"]
    encodes, costs, throughputs, rates, speedups = [], [], [], [], []
    for _ in range(ROUNDS):
        encodes.append(bare())
        rate = loop()
        spent, done = whole(configured)
        assert done.collections[0].indexed == n, done
        loaded = spent.wall - load.wall
        costs.append(spent.cpu)
        throughputs.append(encodes[-1].wall / loaded)
        rates.append(n / loaded)
        speedups.append(n / loaded / rate if rate else 0.0)
    parts = {**parts, "encode": Cost(0.0, median(one.cpu for one in encodes))}
    total = sum(part.cpu for part in parts.values())
    print(f"\n{name}: {n} rows, {ROUNDS} rounds")
    print_table(
        ("part", "ms of processor per row", "share of the sum"),
        [(part, 1000 * value.cpu / n, value.cpu / total) for part, value in parts.items()],
    )
    line = Line(name, median(costs) / total, median(throughputs), median(rates), median(speedups))
    print_table(
        ("whole run", "value"),
        [
            ("ms of processor per row", 1000 * median(costs) / n),
            ("cost / sum of parts", line.cost),
            ("rows per second after loading", line.rate),
            ("seconds to load the model", load.wall),
            ("throughput after loading / bare encoder", line.throughput),
            *((f"in round {i + 1}", each) for i, each in enumerate(throughputs)),
        ],
    )
    return line


def local(folder: Path, n: int, model: dict[str, Any]) -> Line:
    """224 px JPEGs on disk."""
    paths = make_pictures(folder / "small", n, (224, 224))
    table = write_table(folder / "small.csv", "photo", [str(path) for path in paths])
    configured = settings(folder, table, "photo", model, "image")
    items = [Item(str(i), {"id": str(i), "photo": str(path)}) for i, path in enumerate(paths)]
    return pictures(
        "224 px JPEGs on disk",
        configured,
        [str(path) for path in paths],
        lambda path: Path(path).read_bytes(),
        items,
        folder,
        plain_loop(folder, max(32, n // 8), model),
    )


def remote(folder: Path, n: int, model: dict[str, Any]) -> Line:
    """1080x1440 JPEGs over loopback HTTP; the server is a process of its own."""
    paths = make_pictures(folder / "large", n, (1080, 1440))
    server = subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-m",
            "http.server",
            "0",
            "--bind",
            "127.0.0.1",
            "--directory",
            str(folder / "large"),
            "--protocol",
            "HTTP/1.1",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().split("port ")[1].split()[0])
        urls = [f"http://127.0.0.1:{port}/{path.name}" for path in paths]
        table = write_table(folder / "large.csv", "photo", urls)
        configured = settings(folder, table, "photo", model, "image")
        items = [Item(str(i), {"id": str(i), "photo": url}) for i, url in enumerate(urls)]

        def get(url: str) -> bytes:
            with urllib.request.urlopen(url, timeout=30) as answer:
                body: bytes = answer.read()
            return body

        return pictures("1080x1440 JPEGs over HTTP", configured, urls, get, items, folder)
    finally:
        server.terminate()
        server.wait()


def names(folder: Path, n: int) -> Line:
    """Product names through MiniLM."""
    rng = np.random.default_rng(0)
    words = [
        "Blue",
        "Nike",
        "Men",
        "Shirt",
        "Watch",
        "Casual",
        "Women",
        "Leather",
        "Puma",
        "Bag",
        "Printed",
        "Sandals",
        "Analog",
        "Kurta",
        "Round",
        "Neck",
        "Sports",
        "Shoes",
    ]
    texts = [" ".join(rng.choice(words, rng.integers(4, 9))) + f" {i}" for i in range(n)]
    table = write_table(folder / "names.csv", "title", texts)
    configured = settings(folder, table, "title", MINILM, "text")
    encoder = built(configured, "text")
    encoder.prepare(texts[0])
    prepare_cost, prepared = timed(encoder.prepare, texts)
    encoder.encode(prepared[:64])
    ordered = sorted(prepared, key=lambda one: len(str(one.value)))
    vectors = unit_rows(encode_all(encoder, prepared))
    items = [Item(str(i), {"id": str(i), "title": text}) for i, text in enumerate(texts)]
    ledger_cost = write_alone(folder / "alone", items, vectors, [])
    upsert_alone(configured, folder / "alone-store", items[:8], vectors[:8])
    store_cost = upsert_alone(configured, folder / "alone-store", items, vectors)
    return report(
        "product names",
        configured,
        n,
        lambda: encode_alone(encoder, ordered),
        {
            "load the model": load_alone(configured, "text", prepared),
            "prepare": prepare_cost,
            "ledger": ledger_cost,
            "store": store_cost,
        },
    )


def plain_loop(folder: Path, n: int, model: dict[str, Any]) -> Callable[[], float]:
    """Rows per second of one picture at a time, float32, one store write each, model loaded."""
    from PIL import Image

    paths = make_pictures(folder / "small", n, (224, 224))
    configured = settings(
        folder, folder / "small.csv", "photo", {**model, "precision": "float32"}, "image"
    )
    encoder = built(configured, "image")

    def run() -> float:
        encoder.encode([encoder.prepare(Image.open(paths[0]).convert("RGB"))])
        root = folder / "loop"
        shutil.rmtree(root, ignore_errors=True)
        workspace = Workspace(root)
        workspace.create()
        store = open_store(configured, workspace, "loop")
        store.create(CollectionInfo("loop", "f", "e", encoder.dim, 0))
        with cost() as spent:
            for i, path in enumerate(paths):
                picture = Image.open(path).convert("RGB")
                vector = unit_rows(encoder.encode([encoder.prepare(picture)]))
                store.upsert(EmbeddedBatch([Item(str(i), {"photo": str(path)})], vector))
        store.close()
        return n / spent.wall

    return run


def write_table(path: Path, column: str, values: list[str]) -> Path:
    """A CSV of id and one column."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", column])
        writer.writerows(enumerate(values))
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "embclust-bench"
    )
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    folder = write_random_model(chosen.folder / "vit-b-32")
    model = {"kind": "open_clip", "model": f"local-dir:{folder}", "batch_size": 64}
    lines = [
        local(chosen.folder, chosen.rows, model),
        remote(chosen.folder, max(64, chosen.rows // 2), model),
        names(chosen.folder, 9500 if chosen.rows >= 512 else chosen.rows * 4),
    ]
    print()
    print_table(
        ("table", "cost / sum of parts", "throughput / bare encoder", "rows per second"),
        [(line.name, line.cost, line.throughput, line.rate) for line in lines],
    )
    precision = resolve_precision("auto", resolve_device("auto"))
    print(
        f"\nembclust, in {precision}, is {lines[0].speedup:.1f} times as fast as the"
        " plain loop in float32, on the same pictures"
    )


if __name__ == "__main__":
    main()
