"""Time and peak memory of every clusterer on a large table, beside plain scikit-learn KMeans.

    python -m benchmarks.cluster [--rows 100000] [--dim 512] [--k 50] [--kinds a,b]
                                 [--limit SECONDS]

Each runs in a process of its own on the same made-up vectors: k groups around random directions,
some larger than others. The ratios are to `KMeans(k).fit`, n_init "auto", in the same run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import cost, peak_rss, print_table
from embclust import plugins
from embclust.vectors import unit_rows

PLAIN = "scikit-learn KMeans"


def write_vectors(path: Path, rows: int, dim: int, groups: int) -> None:
    """Write the vectors, float32 (rows, dim), and beside them which group each is of."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(groups, dim)).astype(np.float32)
    share = rng.dirichlet(np.full(groups, 3.0))
    group = rng.choice(groups, rows, p=share)
    vectors = np.lib.format.open_memmap(path, "w+", np.float32, (rows, dim))
    for begin in range(0, rows, 10_000):
        part = group[begin : begin + 10_000]
        noise = rng.standard_normal((len(part), dim), dtype=np.float32)
        vectors[begin : begin + 10_000] = unit_rows(centres[part] + 2.5 * noise)
    vectors.flush()
    np.save(path.with_suffix(".groups.npy"), group)


def measure(kind: str, path: Path, k: int) -> None:
    """Cluster once, in this process, and print one JSON line."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import normalized_mutual_info_score

    vectors = np.load(path)
    before = peak_rss()
    details: object = {}
    with cost() as spent:
        if kind == PLAIN:
            labels = KMeans(k, random_state=0).fit(vectors).labels_
        else:
            given = {"k": k} if kind != "hdbscan" else {}
            clusterer = plugins.build("clusterer", kind, given)
            labels, _ = clusterer.cluster(vectors)
            details = clusterer.details
    truth = np.load(path.with_suffix(".groups.npy"))
    found = {
        "wall": spent.wall,
        "cpu": spent.cpu,
        "peak": peak_rss(),
        "before": before,
        "nmi": float(normalized_mutual_info_score(truth, labels)),
        "found": int(labels.max()) + 1,
        "details": details,
    }
    print(json.dumps(found))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--kinds", default="kmeans,minibatch,agglomerative,spectral,hdbscan")
    parser.add_argument("--limit", type=float, default=3600, help="seconds for each kind")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        measure(chosen.one[0], Path(chosen.one[1]), chosen.k)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.npy"
        write_vectors(path, chosen.rows, chosen.dim, chosen.k)
        compare(path, chosen.k, [PLAIN, *chosen.kinds.split(",")], chosen.limit)


def compare(path: Path, k: int, kinds: list[str], limit: float) -> None:
    """Run each in a process of its own, and print the table."""
    lines: list[list[object]] = []
    base = 1.0
    for kind in kinds:
        began = time.monotonic()
        command = [sys.executable, "-m", "benchmarks.cluster", "--k", str(k), "--one", kind]
        try:
            done = subprocess.run(
                [*command, str(path)], capture_output=True, text=True, check=True, timeout=limit
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"{kind}: {error}", file=sys.stderr)
            continue
        got = json.loads(done.stdout)
        base = got["cpu"] if kind == PLAIN else base
        print(f"{kind}: {time.monotonic() - began:.0f} s {got}", file=sys.stderr)
        over = got["peak"] - got["before"]
        seconds = (got["wall"], got["cpu"], got["cpu"] / base)
        lines.append([kind, *seconds, got["peak"], over, got["nmi"], got["found"]])
    heads = ("kind", "wall s", "cpu s", "cpu / plain", "peak MB", "over the vectors MB")
    print_table((*heads, "NMI", "clusters"), lines)


if __name__ == "__main__":
    main()
