"""The same rows, settings and history give the same page, to the byte, whatever the machine does.

Each run is a process of its own, with other threads and another order of sets.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import HASHING, fresh, write_csv

WORDS = ("leather shoe", "summer hat", "cotton bag", "wool coat", "silver ring")
ADJECTIVES = ("red", "blue", "small", "large", "nice", "old", "new")
QUICK = ("--set", "project.iterations=30", "--set", "project.early_iterations=20")

ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "1"}
TWO = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "2"}


def rows(count: int) -> list[dict[str, object]]:
    return [
        {
            "id": n,
            "title": f"{ADJECTIVES[n * 7 % 11 % 7]} {WORDS[n % 5]} {n * 7919 % 1013}",
            "price": n * 31 % 97,
            "colour": ADJECTIVES[n % 3],
        }
        for n in range(count)
    ]


def made(folder: str, environment: dict[str, str], *plots: tuple[object, ...]) -> list[bytes]:
    """Index, then plot once per tuple of flags; the page after each, and the artefacts."""
    workspace = ("--workspace", folder)
    env = {"SOURCE_DATE_EPOCH": "1700000000", **environment}
    index = ("index", "t.csv", "--id", "id", "--text", "title", *HASHING)
    assert fresh(*index, *workspace, env=env).code == 0
    results = Path(folder, "collections", "title")
    found = []
    for flags in plots:
        ran = fresh("plot", *flags, *workspace, env=env)
        assert ran.code == 0, ran.err
        found.append((results / "map.html").read_bytes())
    names = ("clusters.parquet", "layout-2d.parquet", "layout-3d.parquet", "names.json")
    return [*found, *((results / name).read_bytes() for name in names)]


def test_threads_and_hash_seeds_do_not_matter() -> None:
    write_csv(Path("t.csv"), rows(400))
    # A history: other settings first, so that clusters are matched and a map is made later.
    plots = (("--k", 4, "--dims", 3), ("--k", 5, "--dims", "both"))
    one, two = made("one", ONE, *plots), made("two", TWO, *plots)
    assert one == two
    assert b"2023-11-14" in one[0], "the date is SOURCE_DATE_EPOCH's"
    assert one[0] != one[1]


@pytest.mark.slow
def test_threads_do_not_matter_where_the_work_is_shared_out() -> None:
    """Enough rows for t-SNE and k-means on several cores, drawn in part."""
    write_csv(Path("t.csv"), rows(3600))
    flags = ("--k", 12, *QUICK, "--set", "plot.max_points=1500")
    assert made("one", ONE, flags) == made("two", TWO, flags)
