"""The whole path on real pictures with a real model: what a release must pass.

1,500 product photographs are served over loopback HTTP and embedded with a small CLIP. Where
`../shared` is not there, all of it is skipped.
"""

from __future__ import annotations

import csv
import hashlib
import json
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.running import COUNTS, fresh, good, run, write_csv
from tests.fault_server import FaultServer

SHARED = Path(__file__).parents[2] / "../shared"
DATA = SHARED / "data/fashion"
MODEL = SHARED / "models/fashion-clip"
PART = 300
"""Rows of the quick tests; the `slow` test takes all 1,500."""

IMAGES, NAMES = "fashion_imageUrl", "fashion_productDisplayName"
HEAVY = ("torch", "open_clip", "sentence_transformers", "timm", "transformers", "chromadb", "PIL")

pytestmark = pytest.mark.skipif(
    not (DATA.is_dir() and MODEL.is_dir()), reason="../shared/data/fashion and the model in"
    " ../shared/models/fashion-clip are not here",
)  # fmt: skip

Rows = list[dict[str, str]]


def read_rows(server: FaultServer) -> Rows:
    """The table, its pictures behind HTTP addresses."""
    with (DATA / "fashion.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{**row, "imageUrl": f"{server.url}/files/{row['imageUrl']}"} for row in rows]


CLIP = f"model=local-dir:{MODEL.resolve()}"


def command(table: Path, workspace: Path, image: str = CLIP) -> list[object]:
    """Both fields at once; the pictures with CLIP, the names without a model."""
    sets = [
        f"encoders.image.{image}",
        "encoders.text.kind=hashing",
        "source.name=fashion",  # the same table wherever it lies
        "images.allow_private_hosts=true",
    ]
    fields = ["--id", "id", "--image", "imageUrl", "--text", "productDisplayName"]
    options = [*fields, "--prefix", "fashion_", "--workspace", workspace, "--json"]
    return ["index", table, *options, *(part for one in sets for part in ("--set", one))]


def counts(report: dict[str, object], collection: str) -> dict[str, int]:
    """A collection's counts that are not zero."""
    found = report["collections"]
    assert isinstance(found, list)
    one = next(one for one in found if one["collection"] == collection)
    assert one["rows"] == sum(one[name] for name in COUNTS)
    return {name: one[name] for name in ("rows", *COUNTS, "gone", "count") if one[name]}


def contents(rows: Rows) -> set[bytes]:
    """The distinct pictures of the rows; some products share one."""
    paths = [DATA / row["imageUrl"].partition("/files/")[2] for row in rows]
    return {hashlib.sha256(path.read_bytes()).digest() for path in paths}


def clusters_of(workspace: Path, collection: str = IMAGES) -> dict[str, int]:
    from pyarrow import parquet

    path = workspace / "collections" / collection / "clusters.parquet"
    table = parquet.read_table(path).to_pydict()
    return dict(zip(table["id"], table["cluster"], strict=True))


def agreement(found: dict[str, int], rows: Rows, ids: Sequence[str]) -> float:
    """How well the clusters agree with the products' subCategory (NMI) over these rows."""
    from sklearn.metrics import normalized_mutual_info_score

    kinds = {row["id"]: row["subCategory"] for row in rows}
    return float(
        normalized_mutual_info_score([kinds[one] for one in ids], [found[one] for one in ids])
    )


def unseen_of(rows: Rows) -> list[str]:
    """The rows that the model was not trained on."""
    unseen = set((DATA / "unseen_ids.txt").read_text().split())
    return [row["id"] for row in rows if row["id"] in unseen]


@dataclass(frozen=True)
class Shop:
    """Indexed rows: table, workspace and the server with the pictures."""

    folder: Path
    server: FaultServer
    all_rows: Rows
    report: dict[str, object]

    @property
    def table(self) -> Path:
        return self.folder / "fashion.csv"

    @property
    def workspace(self) -> Path:
        return self.folder / ".embclust"

    @property
    def rows(self) -> Rows:
        return self.all_rows[:PART]

    def copy(self, folder: Path) -> Shop:
        """The same in another folder, to be changed."""
        shutil.copytree(self.folder, folder)
        return Shop(folder, self.server, self.all_rows, self.report)


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer(DATA) as running:
        yield running


@pytest.fixture(scope="module")
def indexed(server: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    rows = read_rows(server)
    folder = tmp_path_factory.mktemp("fashion")
    write_csv(folder / "fashion.csv", rows[:PART])
    ran = good(*command(folder / "fashion.csv", folder / ".embclust"))
    return Shop(folder, server, rows, ran.json)


@pytest.fixture
def shop(indexed: Shop, tmp_path: Path) -> Shop:
    indexed.server.hits.clear()
    return indexed.copy(tmp_path / "shop")


def test_two_collections_in_one_pass(indexed: Shop) -> None:
    distinct, names = (
        len(contents(indexed.rows)),
        {row["productDisplayName"] for row in indexed.rows},
    )
    for collection, new in ((IMAGES, distinct), (NAMES, len(names))):
        expected = {"rows": PART, "indexed": new, "reused": PART - new, "count": PART}
        found = counts(indexed.report, collection)
        assert found == {name: number for name, number in expected.items() if number}


def test_each_picture_is_fetched_once(server: FaultServer, tmp_path: Path, indexed: Shop) -> None:
    server.hits.clear()
    rows = indexed.rows[:20]
    table = write_csv(tmp_path / "few.csv", rows)
    good(*command(table, tmp_path / "w", "kind=hashing"))
    assert len(server.hits) == 20
    assert set(server.hits.values()) == {1}


def test_the_clusters_are_kinds_of_products(shop: Shop) -> None:
    flags = ("--k", 10, "--workspace", shop.workspace)
    ran = good("plot", "--collection", IMAGES, *flags, "--json")
    assert (ran.json["points"], ran.json["drawn"], ran.json["thumbnails"]) == (PART, PART, PART)
    found = clusters_of(shop.workspace)
    ids, unseen = [row["id"] for row in shop.rows], unseen_of(shop.rows)
    everything, new = agreement(found, shop.rows, ids), agreement(found, shop.rows, unseen)
    print(f"NMI with subCategory: {everything:.3f} of {len(ids)} rows,")
    print(f"{new:.3f} of the {len(unseen)} unseen ones")
    assert everything >= 0.5
    assert new >= 0.5
    named = good("name", "--collection", NAMES, *flags, "--json").json["names"]
    assert len({one["name"] for one in named}) == 10
    assert all(one["source"] == "keywords" for one in named)


def test_an_unchanged_table_costs_nothing(shop: Shop) -> None:
    program = (
        "import sys, time; started = time.monotonic(); from embclust.cli import main;"
        " code = main(sys.argv[1:]); seconds = time.monotonic() - started;"
        f" loaded = sorted(set({HEAVY}) & set(sys.modules));"
        " print(f'TOOK {seconds:.2f} LOADED {loaded}', file=sys.stderr); sys.exit(code)"
    )
    ran = fresh(*command(shop.table, shop.workspace), program=program)
    assert ran.code == 0, ran.err
    for collection in (IMAGES, NAMES):
        expected = {"rows": PART, "unchanged": PART, "count": PART}
        assert counts(ran.json, collection) == expected
    assert not shop.server.hits
    print(ran.err.splitlines()[-1])
    assert "LOADED []" in ran.err


def test_what_changed_is_what_is_done(shop: Shop) -> None:
    rows = [dict(row) for row in shop.rows]
    fresh_pictures = shop.all_rows[PART : PART + 25]
    for row, other in zip(rows[:25], fresh_pictures, strict=True):
        row["imageUrl"] = other["imageUrl"]
    for row in rows[25:50]:
        row["season"] = "Monsoon"
    added = [dict(row) for row in shop.all_rows[PART + 25 : PART + 55]]
    write_csv(shop.table, rows[:-20] + added)
    index = command(shop.table, shop.workspace)
    good("plot", "--collection", IMAGES, "--k", 10, "--workspace", shop.workspace)
    ran = good(*index, "--prune")
    new = len(contents(fresh_pictures + added) - contents(shop.rows))
    images = {"rows": 310, "indexed": new, "reused": 55 - new, "updated": 25, "unchanged": 230}
    images = {name: number for name, number in images.items() if number}
    assert counts(ran.json, IMAGES) == {**images, "gone": 20, "count": 310}
    names = counts(ran.json, NAMES)
    assert names["indexed"] + names.get("reused", 0) == 30
    assert {name: names[name] for name in ("updated", "unchanged", "gone", "count")} == (
        {"updated": 50, "unchanged": 230, "gone": 20, "count": 310}
    )
    assert sum(shop.server.hits.values()) == 55
    # No other command is needed: what was asked for last time is remembered and made again.
    plotted = good("plot", "--collection", IMAGES, "--workspace", shop.workspace, "--json")
    assert (plotted.json["points"], plotted.json["thumbnails"]) == (310, 310)
    assert set(clusters_of(shop.workspace)) == {row["id"] for row in rows[:-20] + added}
    assert len(set(clusters_of(shop.workspace).values())) == 10
    assert good("check", "--full", "--workspace", shop.workspace).code == 0
    assert counts(good(*index).json, IMAGES) == {"rows": 310, "unchanged": 310, "count": 310}


def results(workspace: Path) -> dict[str, bytes]:
    folder = workspace / "collections" / IMAGES
    names = ("clusters.parquet", "names.json", "layout-3d.parquet", "map.html")
    return {name: (folder / name).read_bytes() for name in names}


def test_the_same_plot_twice_is_the_same_to_the_byte(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    second = shop.copy(tmp_path / "second")
    for one in (shop, second):
        good("plot", "--collection", IMAGES, "--k", 10, "--workspace", one.workspace)
    assert results(shop.workspace) == results(second.workspace)
    before = results(shop.workspace)
    good("plot", "--collection", IMAGES, "--workspace", shop.workspace)
    assert results(shop.workspace) == before


def test_the_order_of_the_table_changes_no_cluster(indexed: Shop, tmp_path: Path) -> None:
    rows = indexed.rows[:60]
    turned = random.Random(1).sample(rows, len(rows))
    found = []
    for name, part in (("one", rows), ("other", turned)):
        table, workspace = write_csv(tmp_path / f"{name}.csv", part), tmp_path / name
        good(*command(table, workspace))
        good("cluster", "--collection", IMAGES, "--k", 5, "--workspace", workspace)
        found.append(clusters_of(workspace))
    assert found[0] == found[1]


def test_the_recipe_runs_on_this_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """configs/fashion.yaml as it is: only the environment says where data and model are."""
    config = Path(__file__).parents[2] / "configs/fashion.yaml"
    run("index", config).refused(2, "data/styles.csv", "kaggle.com")
    images = tmp_path / "images"
    images.symlink_to((DATA / "images").resolve())
    with (DATA / "fashion.csv").open(encoding="utf-8", newline="") as file:
        rows = [{**row, "imageUrl": "left out"} for row in csv.DictReader(file)][:12]
    write_csv(tmp_path / "styles.csv", rows)
    monkeypatch.setenv("EMBCLUST_SOURCE__PATH", str(tmp_path / "styles.csv"))
    monkeypatch.setenv("EMBCLUST_ENCODERS__IMAGE__MODEL", f"local-dir:{MODEL.resolve()}")
    monkeypatch.setenv("EMBCLUST_ENCODERS__TEXT__KIND", "hashing")
    monkeypatch.setenv("EMBCLUST_IMAGES__ROOT", str((DATA / "images").resolve()))
    report = good("index", config, "--json").json
    assert [one["collection"] for one in report["collections"]] == [IMAGES, NAMES]
    assert counts(report, IMAGES)["count"] == 12
    plotted = good("plot", "--collection", IMAGES, "--k", "10", "--json").json
    assert (plotted["points"], plotted["thumbnails"]) == (12, 12)


def kinds_of(rows: Rows, found: dict[str, int], number: int) -> list[str]:
    """What most rows of a cluster are: its commonest articleType and subCategory."""
    members = [row for row in rows if found[row["id"]] == number]
    return [
        Counter(row[column] for row in members).most_common(1)[0][0]
        for column in ("articleType", "subCategory")
    ]


def says(name: str, kinds: Sequence[str]) -> bool:
    """Whether a name holds a word of one of the kinds, in singular or plural."""

    def words(text: str) -> set[str]:
        return {re.sub(r"(es|s)$", "", word) for word in re.findall(r"[a-z]+", text.casefold())}

    return any(words(name) & words(kind) for kind in kinds)


@pytest.mark.slow
def test_all_of_it(server: FaultServer, tmp_path: Path) -> None:
    rows = read_rows(server)
    table, workspace = write_csv(tmp_path / "fashion.csv", rows), tmp_path / "w"
    server.hits.clear()
    report = good(*command(table, workspace)).json
    assert [one["count"] for one in report["collections"]] == [1500, 1500]
    assert len(server.hits) == sum(server.hits.values()) == 1500
    plotted = good("plot", "--collection", IMAGES, "--k", 10, "--workspace", workspace, "--json")
    assert (plotted.json["points"], plotted.json["thumbnails"]) == (1500, 1500)
    found = clusters_of(workspace)
    ids, unseen = [row["id"] for row in rows], unseen_of(rows)
    assert len(unseen) == 600
    everything, new = agreement(found, rows, ids), agreement(found, rows, unseen)
    print(json.dumps({"NMI of all 1,500": everything, "NMI of the 600 unseen": new}))
    assert everything >= 0.72
    assert new >= 0.72
    for flags in (
        ("--kind", "keywords", "--text-field", "productDisplayName"),
        ("--kind", "vocabulary", "--set", "name.vocabulary_field=articleType"),
    ):
        named = good("name", "--collection", IMAGES, *flags, "--workspace", workspace, "--json")
        names = {one["cluster"]: one["name"] for one in named.json["names"]}
        assert {one["source"] for one in named.json["names"]} == {flags[1]}
        assert len({name.casefold() for name in names.values()}) == 10
        right = [
            number for number, name in names.items() if says(name, kinds_of(rows, found, number))
        ]
        print(f"{flags[1]}: {len(right)} of 10 names say what most rows are: {names}")
        assert len(right) >= 8
    started = time.monotonic()
    again = fresh(*command(table, workspace))
    print(f"index again: {time.monotonic() - started:.2f} s with the start of the process")
    assert counts(again.json, IMAGES) == {"rows": 1500, "unchanged": 1500, "count": 1500}
    assert sum(server.hits.values()) == 1500
    turned = write_csv(tmp_path / "turned.csv", random.Random(1).sample(rows, len(rows)))
    good(*command(turned, tmp_path / "w2"))
    good("cluster", "--collection", IMAGES, "--k", 10, "--workspace", tmp_path / "w2")
    assert clusters_of(tmp_path / "w2") == found
    kept = kept_when_the_table_grows(table, rows, workspace, tmp_path / "grown")
    print(f"{kept:.1%} of the old rows keep their cluster's number and name with 5 % more rows")
    assert kept >= 0.95


def kept_when_the_table_grows(table: Path, rows: Rows, made: Path, workspace: Path) -> float:
    """The share of 95 % of the rows that stay where they are when the others are added."""
    shutil.copytree(made, workspace)
    flags = ("--collection", IMAGES, "--workspace", workspace)

    def named() -> dict[str, tuple[int, str]]:
        from pyarrow import parquet

        path = workspace / "collections" / IMAGES / "clusters.parquet"
        one = parquet.read_table(path).to_pydict()
        return dict(zip(one["id"], zip(one["cluster"], one["name"], strict=True), strict=True))

    write_csv(table, random.Random(2).sample(rows, len(rows) * 95 // 100))
    good(*command(table, workspace), "--prune")
    good("cluster", *flags, "--k", 10, "--fresh")
    good("name", *flags, "--kind", "keywords", "--text-field", "productDisplayName")
    before = named()
    write_csv(table, rows)
    good(*command(table, workspace))
    good("plot", *flags)
    now = named()
    assert len(now) == 1500
    assert len(before) == 1425
    return sum(now[one] == value for one, value in before.items()) / len(before)
