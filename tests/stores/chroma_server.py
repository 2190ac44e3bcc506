"""A real Chroma server on loopback, and rows to put into stores."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from embclust.data import CollectionInfo, EmbeddedBatch, Item, Scalar, Vectors


def chroma_command() -> str:
    """Where the `chroma` program of this environment is."""
    beside = Path(sys.executable).with_name("chroma")
    found = str(beside) if beside.exists() else shutil.which("chroma")
    assert found, "chromadb installs a program called chroma"
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start a server and wait until it answers."""
    process = subprocess.Popen(
        [
            chroma_command(),
            "run",
            "--path",
            str(folder),
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/api/v2/heartbeat", timeout=2).is_success:
                return process
        except httpx.HTTPError:
            time.sleep(0.1)
    process.kill()
    process.wait()
    raise AssertionError("the Chroma server did not start in 60 s")


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run a server while the block runs; gives its address."""
    port = free_port()
    process = start(folder, port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def vectors(n: int, dim: int = 8, seed: int = 0) -> Vectors:
    """Random unit rows, float32 (n, dim)."""
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def batch(ids: list[str], dim: int = 8, seed: int = 0, **fields: Scalar) -> EmbeddedBatch:
    """Rows with these ids, random vectors, and the same fields in each."""
    return EmbeddedBatch([Item(i, dict(fields)) for i in ids], vectors(len(ids), dim, seed))


def info(collection: str, encoder_id: str = "hashing-8", dim: int = 8) -> CollectionInfo:
    return CollectionInfo(collection, "title", encoder_id, dim, 0)
