"""Labelled sets to measure clusters on: unit vectors and the labels nobody clustered by.

Vectors are made once and kept in the temporary folder. Sets that need files which are not part of
the repository are left out with a line that says which.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.models import LITE, MINILM, build_encoder, encode_all
from embclust.cli.console import Console
from embclust.config import ImagesSettings
from embclust.data import Modality, Vectors
from embclust.steps.demo import build_demo, list_emoji
from embclust.vectors import unit_rows

__all__ = ["LabelledSet", "labelled_sets"]

SHARED = Path(__file__).resolve().parents[2] / "shared"


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Unit rows float32 (n, d), a label for each, and which rows are scored."""

    name: str
    vectors: Vectors
    labels: NDArray[np.int64]
    scored: NDArray[np.bool_]


def labelled_sets() -> Iterator[LabelledSet]:
    """Yield every set that can be made here."""
    yield _digits()
    if (SHARED / "data" / "fashion").is_dir() and (SHARED / "models" / "fashion-clip").is_dir():
        yield from _fashion()
    else:
        print(f"left out: the fashion sets, because {SHARED} is not there")
    yield from _emoji()


def _digits() -> LabelledSet:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return _set("digits", unit_rows(pixels.astype(np.float32)), labels)


def _fashion() -> Iterator[LabelledSet]:
    """Pictures by a model that never saw the 600 scored rows; names by MiniLM."""
    folder = SHARED / "data" / "fashion"
    with (folder / "fashion.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = [row["subCategory"] for row in rows]
    unseen = set((folder / "unseen_ids.txt").read_text(encoding="utf-8").split())
    held = np.array([row["id"] in unseen for row in rows])
    clip = {"kind": "open_clip", "model": f"local-dir:{SHARED / 'models' / 'fashion-clip'}"}
    paths = [folder / row["imageUrl"] for row in rows]
    yield _set("fashion pictures", _pictures("fashion-clip", clip, paths), kinds, held)
    names = [row["productDisplayName"] for row in rows]
    vectors = _kept("fashion-names", lambda: _encoded(MINILM, "text", names))
    yield _set("fashion names", vectors, kinds)
    yield _set("fashion names, articles", vectors, [row["articleType"] for row in rows])


def _emoji() -> Iterator[LabelledSet]:
    rows = list_emoji()
    groups = [row.group for row in rows]
    names = [row.name for row in rows]
    yield _set("emoji names", _kept("emoji-names", lambda: _encoded(MINILM, "text", names)), groups)
    folder = _folder() / "emoji"
    build_demo(folder, Console(quiet=True))
    paths = [folder / row.picture for row in rows]
    yield _set("emoji pictures", _pictures("emoji-pictures", LITE, paths), groups)


def _set(
    name: str, vectors: Vectors, labels: Any, scored: NDArray[np.bool_] | None = None
) -> LabelledSet:
    numbers = np.unique(np.asarray(labels), return_inverse=True)[1]
    everything = np.ones(len(vectors), dtype=bool)
    return LabelledSet(name, vectors, numbers, everything if scored is None else scored)


def _pictures(name: str, options: dict[str, Any], paths: list[Path]) -> Vectors:
    def make() -> Vectors:
        limits = ImagesSettings()
        return _encoded(
            options, "image", [load_picture(path.read_bytes(), limits).image for path in paths]
        )

    from embclust.images import load_picture

    return _kept(name, make)


def _encoded(options: dict[str, Any], modality: Modality, raw: list[Any]) -> Vectors:
    encoder = build_encoder(options, modality)
    return unit_rows(encode_all(encoder, [encoder.prepare(one) for one in raw]))


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / "embclust-bench"
    folder.mkdir(exist_ok=True)
    return folder


def _kept(name: str, make: Callable[[], Vectors]) -> Vectors:
    path = _folder() / f"{name}.npy"
    if not path.exists():
        np.save(path, make())
    vectors: Vectors = np.load(path)
    return vectors
