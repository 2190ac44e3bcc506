"""What `embclust cluster` tells about its clusters."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn import metrics

from tests.cli.running import good, index_texts, run, things, write_csv
from tests.test_workspace import hold

TABLE = Path("t.csv")
ROWS = things(range(60))


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty texts of three kinds; every tenth row has no colour."""
    folder = tmp_path_factory.mktemp("indexed")
    rows = [{**row, "colour": "" if n % 10 == 0 else row["colour"]} for n, row in enumerate(ROWS)]
    table = write_csv(folder / TABLE, rows)
    assert index_texts(table, "--workspace", folder / ".embclust").code == 0
    return folder


@pytest.fixture(autouse=True)
def _copy(indexed: Path, _isolated: None) -> None:
    shutil.copytree(indexed, Path.cwd(), dirs_exist_ok=True)


def test_the_report_has_the_figures_of_every_cluster() -> None:
    ran = good("cluster", "--k", 4, "--json")
    report = ran.json
    details = report["details"]
    assert set(details) == {
        *("auto", "matched", "method", "noise_share", "per_cluster", "settings", "stability"),
    }
    assert set(details["per_cluster"]) == {str(one["cluster"]) for one in report["clusters"]}
    for one in report["clusters"]:
        own = details["per_cluster"][str(one["cluster"])]
        assert own["size"] == one["size"]
        assert -1 <= own["silhouette"] <= 1
        assert 0 <= own["stability"] <= 1
        assert len(own["typical"]) == len(own["untypical"]) == min(5, one["size"])
    assert -0.5 <= details["stability"]["ari"] <= 1
    assert details["noise_share"] == 0
    plain = good("cluster")
    for own in details["per_cluster"].values():
        assert " ".join(own["typical"]) in plain.out
        assert " ".join(own["untypical"]) in plain.out
    assert "silhouette" in plain.err
    assert "stability" in plain.err


@pytest.mark.parametrize("kind", ["spectral", "kmeans", "minibatch"])
def test_fewer_clusters_than_asked_for_are_explained(kind: str) -> None:
    table = write_csv(Path("same.csv"), [{"id": n, "title": "abc"[n % 3]} for n in range(30)])
    assert index_texts(table, "--prefix", "same_").code == 0
    ran = good("cluster", "--collection", "same_title", "--k", 5, "--kind", kind, "--json")
    assert ran.json["k"] == 3
    said = "cluster.k is 5, but 3 clusters came out: the rows have 3 different vectors."
    assert said in ran.json["warnings"]
    assert said in good("plot", "--collection", "same_title", "--json").json["warnings"]


def test_a_collection_in_the_place_of_the_config_is_told_apart() -> None:
    run("cluster", "title").refused(2, "no config file 'title'", "--collection title")
    assert "--collection" not in run("cluster", "title.yaml").error


def test_rows_that_are_still_being_written_are_spoken_of() -> None:
    holder, _ = hold(Path(".embclust"))
    try:
        said = good("cluster", "--k", 3).err
    finally:
        holder.kill()
        holder.communicate()
    assert f"in use by process {holder.pid}" in said
    assert "in use" not in good("cluster", "--k", 3).err


def test_noise_is_shown() -> None:
    report = good("cluster", "--kind", "hdbscan", "--set", "cluster.min_cluster_size=19", "--json")
    share = report.json["noise"] / 60
    assert report.json["details"]["noise_share"] == pytest.approx(share, abs=1e-6)


def test_a_column_of_labels_is_compared_with() -> None:
    ran = good("cluster", "--k", 3, "--compare", "colour", "--json")
    found = ran.json["details"]["compare"]
    assert (found["column"], found["rows"], found["left_out"]) == ("colour", 54, 6)
    assert found["labels"] == 3

    table = pq.read_table(ran.json["artifact"]).to_pydict()
    clusters = dict(zip(table["id"], table["cluster"], strict=True))
    kept = [row for n, row in enumerate(ROWS) if n % 10]
    labels = [str(row["colour"]) for row in kept]
    own = [clusters[str(row["id"])] for row in kept]
    assert found["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(labels, own))
    assert found["ari"] == pytest.approx(metrics.adjusted_rand_score(labels, own))
    assert found["v_measure"] == pytest.approx(metrics.v_measure_score(labels, own))
    counted = {
        (int(number), label): rows
        for number, line in found["table"].items()
        for label, rows in line.items()
    }
    expected = {
        pair: own_pairs
        for pair in set(zip(own, labels, strict=True))
        if (own_pairs := list(zip(own, labels, strict=True)).count(pair))
    }
    assert counted == expected

    plain = good("cluster", "--compare", "colour")
    assert "NMI 1.000, ARI 1.000, V-measure 1.000" in plain.out
    assert "6 without a value left out" in plain.out


def test_labels_have_no_part_in_the_clusters() -> None:
    def clusters() -> list[int]:
        found: list[int] = pq.read_table(".embclust/collections/title/clusters.parquet")[
            "cluster"
        ].to_pylist()
        return found

    good("cluster", "--k", 5)
    before = clusters()
    good("cluster", "--compare", "colour", "--fresh")
    assert clusters() == before


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("color", ("'color'", "colour")),
        ("", ("''", "Columns like it: colour, id, title")),
        ("xyz", ("'xyz'", "colour, id, title")),
    ],
)
def test_a_column_that_is_not_there(column: str, words: tuple[str, ...]) -> None:
    ran = run("cluster", "--k", 3, "--compare", column)
    ran.refused(2, "--compare", *words)
    assert not Path(".embclust/collections/title/clusters.parquet").exists(), "before any work"


def test_the_comparison_is_of_this_run_only() -> None:
    good("cluster", "--k", 3, "--compare", "colour")
    assert "compare" not in good("cluster", "--json").json["details"]


def test_what_became_of_the_last_runs_clusters_is_told() -> None:
    good("cluster", "--k", 2)
    ran = good("cluster", "--k", 3)
    assert "Since the last run" in ran.out
    assert "new: 2" in ran.out
    matched = good("cluster", "--k", 3, "--json").json["details"]["matched"]
    assert matched["kept"] == [0, 1, 2]
    assert (matched["moved_rows"], matched["shared_rows"]) == (0, 60)


def test_k_auto_finds_the_three_groups_and_keeps_them() -> None:
    ran = good("cluster", "--k", "auto", "--json")
    choice = ran.json["details"]["auto"]
    assert ran.json["k"] == choice["k"] == 3
    assert choice["structure"] == "clear"
    assert [line["k"] for line in choice["table"]] == [*range(2, 11), 12]
    assert {"k", "silhouette", "by_chance", "stability"} == set(choice["table"][0])

    again = good("cluster", "--json")
    assert "Choosing k" not in again.err, "the same rows are not looked at twice"
    assert again.json["details"]["auto"] == choice
    plain = good("cluster")
    assert "<- chosen" in plain.out
    assert choice["reason"] in plain.out
    plotted = good("plot")
    assert "Choosing k" not in plotted.err
    assert "Clustering" not in plotted.err


def test_plot_chooses_k_as_well() -> None:
    ran = good("plot", "--set", "cluster.k=auto")
    assert "Choosing k" in ran.err
    assert "Choosing k" not in good("plot").err
    assert good("cluster", "--json").json["k"] == 3


def test_no_clear_structure_is_said() -> None:
    from tests.cli.test_foreign import write_collection

    vectors = np.random.default_rng(0).normal(size=(150, 16))
    write_collection(Path("noise"), "noise", vectors)
    flags = ("--collection", "noise", "--set", "store.path=noise")
    ran = good("cluster", *flags, "--k", "auto")
    assert "Note: No clear structure" in ran.err
    assert len(ran.out.split("\n\n")[0].splitlines()) > 10
    report = good("cluster", *flags, "--json").json
    assert report["details"]["auto"]["structure"] == "none"
    assert report["k"] == round((150 / 2) ** 0.5)
    assert "No clear structure" in report["warnings"][0]


@pytest.mark.parametrize("command", ["cluster", "plot"])
def test_a_kind_without_k_says_which_have_one(command: str) -> None:
    for k in ("auto", "3"):
        run(command, "--kind", "hdbscan", "--k", k).refused(2, "cluster.k", "--kind kmeans")
    good("cluster", "--kind", "hdbscan")
    run(command, "--k", 3).refused(2, "cluster.k", "remembered", "--kind kmeans")
