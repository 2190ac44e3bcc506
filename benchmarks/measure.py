"""What the benchmarks share: processor seconds, peak memory, tables, made-up data."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Cost", "cost", "make_pictures", "peak_rss", "print_table"]


@dataclass(slots=True)
class Cost:
    """Seconds of a block: on the wall, and of processor time in this process's threads."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def cost() -> Iterator[Cost]:
    """Measure the block."""
    spent = Cost()
    wall, cpu = time.perf_counter(), time.process_time()
    yield spent
    spent.wall = time.perf_counter() - wall
    spent.cpu = time.process_time() - cpu


def peak_rss() -> float:
    """The most memory this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_pictures(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """Write JPEGs with the detail of photographs (smooth shapes and fine noise), all different."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    width, height = size
    paths = []
    for i in range(count):
        path = folder / f"{i}.jpg"
        if not path.exists():
            rng = np.random.default_rng(i)
            coarse = Image.fromarray(rng.integers(0, 256, (12, 9, 3), dtype=np.uint8))
            smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=np.int16)
            noise = rng.normal(0, 6, (height, width, 1)).astype(np.int16)
            pixels = np.clip(smooth + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(path, quality=88)
        paths.append(path)
    return paths


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print aligned columns."""
    text = [
        [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows
    ]
    widths = [max(len(line[i]) for line in [list(heads), *text]) for i in range(len(heads))]
    for line in [list(heads), *text]:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )
