"""`embclust cluster`, `name` and `plot` at the command line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from embclust import __version__
from embclust.steps.quality import load_quality
from embclust.workspace import Workspace
from tests.cli.running import HASHING, WORDS, good, index_texts, run, texts, things, write_csv
from tests.fault_server import FaultServer

TABLE = Path("t.csv")
RESULTS = Path(".embclust/collections/title")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of texts and its workspace."""
    folder = tmp_path_factory.mktemp("indexed")
    texts(folder / TABLE, "--workspace", folder / ".embclust")
    return folder


@pytest.fixture(autouse=True)
def _copy(indexed: Path, _isolated: None) -> None:
    shutil.copytree(indexed, Path.cwd(), dirs_exist_ok=True)


def test_cluster_reports_what_is_promised() -> None:
    ran = good("cluster", "--k", 3, "--json")
    report = ran.json
    promised = {"collection", "kind", "k", "n", "noise", "clusters", "silhouette", "seconds"}
    assert promised | {"artifact"} <= set(report)
    assert (report["collection"], report["kind"]) == ("title", "spectral")
    assert (report["k"], report["n"], report["noise"]) == (3, 30, 0)
    assert [one["size"] for one in report["clusters"]] == [10, 10, 10]
    assert [set(one) for one in report["clusters"]] == [{"cluster", "size"}] * 3
    assert 0 < report["silhouette"] <= 1
    assert Path(report["artifact"]).is_file()
    plain = good("cluster", "--k", 3)
    lines = [line.split() for line in plain.out.splitlines()]
    assert lines[0] == ["cluster", "rows", "silhouette", "stability"]
    assert [line[:2] for line in lines[1:4]] == [
        [str(one["cluster"]), "10"] for one in report["clusters"]
    ]


def test_name_reports_what_is_promised() -> None:
    report = good("name", "--k", 3, "--json").json
    assert {"collection", "kind", "names", "seconds"} <= set(report)
    assert (report["collection"], report["kind"]) == ("title", "keywords")
    assert [set(one) for one in report["names"]] == [{"cluster", "name", "source", "size"}] * 3
    named = {one["name"].lower().split()[0] for one in report["names"]}
    assert named == {"red", "blue", "green"}
    assert [one["size"] for one in report["names"]] == [10, 10, 10]


def test_plot_reports_what_is_promised() -> None:
    ran = good("plot", "--k", 3, "--json")
    report = ran.json
    promised = {"collection", "page", "dims", "points", "drawn", "thumbnails", "bytes", "seconds"}
    assert promised <= set(report)
    assert (report["dims"], report["points"], report["drawn"], report["thumbnails"]) == (
        ("both", 30, 30, 0)
    )
    assert Path(report["page"]).stat().st_size == report["bytes"]
    stages = ("Clustering title", "Naming the clusters of title")
    for made in (*stages, "Laying out title in 2D", "Laying out title in 3D"):
        assert made in ran.err
    assert good("plot").out == f"{report['page']}\n"


def test_a_plot_again_makes_nothing_and_what_changed_is_made_again() -> None:
    good("plot", "--k", 3)
    again = good("plot")
    for made in ("Clustering", "Naming", "Laying out"):
        assert made not in again.err, "what was explicit once is remembered"
    assert "cluster.k was 3, is 2" in good("plot", "--k", 2).err
    assert good("plot", "--dims", 2, "--json").json["dims"] == 2
    assert good("plot", "--json").json["dims"] == 2, "what was explicit once is remembered"
    write_csv(TABLE, things(range(33)))
    index_texts(TABLE)
    report = good("plot", "--json")
    assert "the rows changed" in report.err
    assert report.json["points"] == 33
    assert good("cluster", "--json").json["k"] == 2


def test_frozen_makes_nothing() -> None:
    for command in ("cluster", "name", "plot"):
        run(command, "--frozen").refused(5, "--frozen", "clusters of 'title'")
    good("cluster", "--k", 3)
    assert good("cluster", "--frozen").code == 0
    for command in ("name", "plot"):
        run(command, "--frozen").refused(5, "names of 'title'")
    good("name")
    run("plot", "--frozen").refused(5, "2D map of 'title'")
    run("plot", "--frozen", "--dims", 3).refused(5, "3D map of 'title'")
    three = good("plot", "--dims", 3)
    assert "Laying out title in 2D" not in three.err
    assert good("plot", "--frozen", "--json").json["dims"] == 3, "remembered"
    run("plot", "--frozen", "--dims", "both").refused(5, "there is no 2D map yet")
    both = good("plot", "--dims", "both")
    assert "Laying out title in 2D" in both.err
    assert "Laying out title in 3D" not in both.err, "what is there is taken"
    page = RESULTS / "map.html"
    before = page.stat().st_size
    assert good("plot", "--frozen", "--json").json["bytes"] == before
    run("plot", "--frozen", "--k", 4).refused(5, "cluster.k was 3, is 4")


@pytest.mark.parametrize("command", ["cluster", "name", "plot"])
@pytest.mark.parametrize(
    ("k", "words"),
    [
        ("0", ("cluster.k", "'0'", "--k")),
        ("-1", ("cluster.k", "'-1'", "--k")),
        ("abc", ("cluster.k", "'abc'", "--k")),
        ("2.5", ("cluster.k", "'2.5'", "--k")),
        ("", ("cluster.k", "--k")),
        ("31", ("cluster.k is 31", "30 rows", "--k")),
    ],
)
def test_a_nonsensical_k(command: str, k: str, words: tuple[str, ...]) -> None:
    run(command, "--k", k).refused(2, *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--collection", "titel"), ("'titel'", "Existing collections: title")),
        (("--collection", "../../etc"), ("'../../etc'",)),
        (("--kind", "kmens"), ("'kmens'", "'kmeans'")),
        (("--kind", "hdbscan", "--k", "3"), ("cluster.k", "agglomerative")),
        (("--seed", "-1"), ("cluster.seed", "-1", "--seed")),
        (("--text-field", "titel"), ("'titel'", "title")),
        (("--image-field", "foto"), ("'foto'", "Fields like it")),
        (("--out", "."), ("plot.out", "folder")),
        (("--out", "t.csv/map.html"), ("plot.out", "t.csv", "not a folder")),
        (("--set", "plot.max_points=1"), ("plot.max_points", "10")),
        (("--set", "project.kind=umap"), ("'umap'", "tsne")),
        (("--set", "store.path=nowhere", "--collection", "x"), ("store.path", "nowhere")),
        (("config.yaml",), ("config.yaml",)),
        (("t.csv",), ("t.csv", "settings")),
    ],
)
def test_a_plot_of_what_is_not_there(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    run("plot", *arguments).refused(2, *words)
    assert not (RESULTS / "map.html").exists()


def test_a_collection_must_be_named_where_there_are_two() -> None:
    index_texts(TABLE, "--prefix", "other_")
    run("plot").refused(2, "Which collection?", "other_title, title", "--collection")
    assert good("plot", "--collection", "other_title", "--k", 3, "--json").json["points"] == 30


def test_out_makes_its_folder_and_is_not_remembered() -> None:
    report = good("plot", "--k", 3, "--out", "pages/shop/map.html", "--json").json
    assert Path(report["page"]) == Path("pages/shop/map.html").absolute()
    assert Path("pages/shop/map.html").stat().st_size == report["bytes"]
    assert good("plot").out.strip().endswith(".embclust/collections/title/map.html")


def test_an_epoch_that_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    good("plot", "--k", 3)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    run("plot").refused(2, "SOURCE_DATE_EPOCH", "yesterday")


def test_hdbscan_and_back() -> None:
    report = good("cluster", "--kind", "hdbscan", "--json").json
    assert report["kind"] == "hdbscan"
    assert report["noise"] + sum(one["size"] for one in report["clusters"]) == 30
    plotted = good("plot")
    assert "Laying out" in plotted.err
    assert "Clustering" not in plotted.err, "the kind is remembered"
    back = good("plot", "--kind", "kmeans", "--k", 3)
    assert "cluster.kind was hdbscan, is kmeans" in back.err


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_very_few_rows(rows: int) -> None:
    few = write_csv(Path("few.csv"), things(range(rows)))
    index_texts(few, "--prefix", "few_")
    run("plot", "--collection", "few_title").refused(2, f"only {rows} rows" if rows > 1 else "1")
    for dims in (2, 3):
        flags = ("--k", 1, "--dims", dims, "--json")
        report = good("plot", "--collection", "few_title", *flags).json
        assert (report["points"], report["dims"]) == (rows, dims)
    hdbscan = good("plot", "--collection", "few_title", "--kind", "hdbscan", "--json")
    assert hdbscan.json["points"] == rows


@pytest.mark.parametrize("kind", ["kmeans", "spectral", "hdbscan"])
def test_rows_that_are_all_alike(kind: str) -> None:
    same = [{"id": n, "title": "the very same"} for n in range(20)]
    index_texts(write_csv(Path("same.csv"), same), "--prefix", "same_")
    flags = ("--collection", "same_title", "--kind", kind)
    k = ("--k", 3) if kind != "hdbscan" else ()
    report = good("cluster", *flags, *k, "--json").json
    assert report["n"] == 20
    assert report["warnings"], "fewer clusters than asked for, or no silhouette: it says so"
    assert good("plot", *flags, *k, "--json").json["points"] == 20


def test_a_page_holds_what_a_cell_says_as_text_only() -> None:
    attack = "</script><img src=x onerror=alert(1)> [/x] <!-- javascript:alert(1)"
    rows = [{"id": n, "title": f"{attack} {n}", "link": "javascript:alert(1)"} for n in range(20)]
    index_texts(write_csv(Path("evil.csv"), rows), "--prefix", "evil_")
    report = good("plot", "--collection", "evil_title", "--k", 2, "--json").json
    page = Path(report["page"]).read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "</script><img" not in page
    assert "Content-Security-Policy" in page
    assert page.count("<script") == page.count("</script>")


def test_names_that_would_drive_a_terminal_are_printed_literally() -> None:
    good("name", "--k", 3)
    path = RESULTS / "names.json"
    content = json.loads(path.read_text())
    for entry in content["names"].values():
        entry["name"] = "[/x] [bold]\x1b[31mred\x07"
        break
    path.write_text(json.dumps(content))
    ran = good("name")
    assert "[/x] [bold]" in ran.out
    assert not {"\x1b", "\x07"} & set(ran.out + ran.err)
    assert "edited" in ran.out
    assert not {"\x1b", "\x07"} & set(good("list").out)
    assert "\x1b" not in good("plot", "--json").out


def test_the_same_map_twice_is_the_same_to_the_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    write_csv(Path("turned.csv"), things(reversed(range(30))))
    found = []
    for workspace, table in (("one", TABLE), ("two", TABLE), ("three", "turned.csv")):
        index_texts(table, "--workspace", workspace)
        good("plot", "--k", 3, "--workspace", workspace)
        results = Path(workspace, "collections", "title")
        files = ("clusters.parquet", "named.parquet", "names.json", "layout-3d.parquet", "map.html")
        found.append({name: (results / name).read_bytes() for name in files})
    assert found[0] == found[1]
    assert found[0] == found[2], "the order of the table does not matter"
    good("plot", "--workspace", "one")
    assert (Path("one/collections/title/map.html")).read_bytes() == found[0]["map.html"]


def test_cluster_numbers_and_names_survive_new_rows() -> None:
    good("name", "--k", 3)
    before = {one["name"]: one["cluster"] for one in good("name", "--json").json["names"]}
    rows = [row for row in things(range(60)) if row["id"] not in ("p0", "p1")]
    write_csv(TABLE, rows)
    index_texts(TABLE, "--prune")
    after = {one["name"]: one["cluster"] for one in good("name", "--json").json["names"]}
    assert after == before


def test_pictures_of_another_column_are_fetched_once(fault_server: FaultServer) -> None:
    rows = [
        {**row, "photo": f"{fault_server.url}/ok/{n}.jpg?noise={n + 1}"}
        for n, row in enumerate(things(range(12)))
    ]
    write_csv(TABLE, rows)
    private = ("--set", "images.allow_private_hosts=true")
    index_texts(TABLE, *private, "--prune", "--yes")
    flags = ("--k", 3, "--image-field", "photo", "--json")
    for _ in range(2):
        assert good("plot", *flags).json["thumbnails"] == 12
    assert sum(fault_server.hits.values()) == 12


def test_the_maps_need_no_table() -> None:
    """What reads vectors works where the table is gone."""
    TABLE.unlink()
    assert good("plot", "--k", 3, "--json").json["points"] == 30
    run("index", TABLE, "--text", "title", *HASHING).refused(2, "no table")


def page_data(page: str | Path) -> dict[str, Any]:
    """What a page holds, as its viewer reads it."""
    text = Path(page).read_text(encoding="utf-8")
    found = re.search(r'<script[^>]*type="application/json"[^>]*>(\{.*?)</script>', text, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_a_page_says_what_was_made_from_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    data = page_data(good("plot", "--k", 3, "--json").json["page"])
    assert sorted(data["layouts"]) == ["2", "3"]
    told = dict(data["facts"])
    manifest = json.loads((RESULTS / "manifest.json").read_text())["artefacts"]
    for dims in (2, 3):
        trust = manifest[f"layout-{dims}d.parquet"]["trustworthiness"]
        assert (trust["k"], trust["rows"]) == (10, 30)
        expected = f"tsne, trustworthiness {trust['value']:.3f} (10 neighbours)"
        assert told[f"{dims}D map"] == expected
    assert float(told["Silhouette"]) > 0.1
    quality = load_quality(Workspace(Path(".embclust")), "title")
    assert quality is not None
    silhouettes = [one["silhouette"] for one in data["clusters"]]
    kept = [quality["per_cluster"][str(one["number"])]["silhouette"] for one in data["clusters"]]
    assert silhouettes == pytest.approx(kept, abs=0.01)
    assert told["Collection"] == "title"
    assert told["Encoder"].startswith("hashing/text")
    assert (told["Points"], told["Clusters"]) == ("30", "3 (spectral)")
    assert (told["Made"], told["embclust"]) == ("2023-11-14", __version__)
    assert "Unclustered" not in told
    assert data["warnings"] == []


def test_a_page_says_what_is_not_drawn_or_fitted() -> None:
    rows = [{"id": n, "title": f"{WORDS[n % 3]} {n * 7919 % 211}"} for n in range(150)]
    index_texts(write_csv(Path("more.csv"), rows), "--prefix", "more_")
    few = ("--set", "plot.max_points=60", "--set", "project.landmarks=100")
    report = good("plot", "--collection", "more_title", "--k", 3, *few, "--json").json
    assert (report["points"], report["drawn"]) == (150, 60)
    data = page_data(report["page"])
    assert (data["count"], data["total"]) == (60, 150)
    told = dict(data["facts"])
    assert told["Points"] == "60 drawn of 150"
    assert told["3D map"].startswith("tsne of 100 points, the others placed by them, trust")
    for warnings in (report["warnings"], data["warnings"]):
        assert any("60 of 150 points are drawn" in text for text in warnings)
        assert any("3D map is fitted on 100 of 150 points" in text for text in warnings)
    assert data["neighbours"]["each"] == 12


def test_a_still_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    run("plot", "--k", 3, "--png", ".").refused(2, "--png", "folder")
    run("plot", "--k", 3, "--png", "a.jpg").refused(2, "--png a.jpg", "Name it a.png")
    run("plot", "--k", 3, "--png", "a.png", "--png-size", "9x9").refused(2, "--png-size 9x9")
    monkeypatch.setenv("CHROME_PATH", "nowhere/chrome")
    run("plot", "--k", 3, "--png", "a.png").refused(2, "CHROME_PATH")
    assert not (RESULTS / "map.html").exists()


@pytest.mark.browser
def test_a_still_of_the_page() -> None:
    ran = good("plot", "--k", 3, "--png", "stills/a.png", "--png-size", "900x600", "--json")
    assert ran.json["png"] == "stills/a.png"
    assert "stills/a.png" in ran.err
    with Image.open("stills/a.png") as image:
        assert image.size == (900, 600)
        colours = image.convert("RGB").getcolors(900 * 600)
        assert colours is not None
        assert len(colours) > 100, "not blank"
    assert good("plot", "--json").json["png"] is None
