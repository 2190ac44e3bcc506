"""`embclust diff`: what changed between two runs, in three forms and as an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sklearn.metrics import adjusted_rand_score

from tests.cli.running import good, index_texts, run, texts, things, write_csv

TABLE = Path("t.csv")
RESULTS = Path(".embclust/collections/title")


@pytest.fixture(autouse=True)
def _indexed(_isolated: None) -> None:
    texts(TABLE)


def clusters(number: int) -> dict[str, int]:
    table = pq.read_table(RESULTS / f"runs/{number:04d}/clusters.parquet").to_pydict()
    return dict(zip(table["id"], table["cluster"], strict=True))


def test_what_moved_split_and_came_is_told() -> None:
    good("name", "--k", 2)
    good("name", "--k", 3)
    found = good("diff", "--json").json
    old, new = clusters(1), clusters(2)
    assert (found["run"], found["against"], found["rows"], found["shared"]) == (2, 1, 30, 30)
    assert found["moved"] == sum(old[item] != new[item] for item in new) == 10
    assert found["moved_share"] == pytest.approx(1 / 3, abs=1e-6)
    ids = sorted(new)
    expected = adjusted_rand_score([old[one] for one in ids], [new[one] for one in ids])
    assert found["ari"] == pytest.approx(expected, abs=1e-6)
    assert (found["kept"], found["new"], found["gone"]) == ([0, 1], [2], [])
    assert found["split"] == {"0": [0, 2]}
    assert found["settings_changed"] == "cluster.k was 2, is 3"
    assert found["failed"] == []
    assert found["exit_code"] == 0
    whole = found["clusters"][0]
    assert (whole["states"], whole["parts"]) == (["kept", "split"], [2])
    assert (whole["before"], whole["after"], whole["left"], whole["joined"]) == (20, 10, 10, 0)
    assert all(one["name"] for one in found["clusters"])

    plain = good("diff")
    assert "kept, split (2)" in plain.out
    assert found["clusters"][0]["name"] in plain.out
    assert "10 of 30 rows moved (33.3 %)" in plain.err


def test_back_again_is_merged_and_gone() -> None:
    good("name", "--k", 3)
    good("cluster", "--k", 2)
    found = good("diff", "--json").json
    assert len(found["gone"]) == 1
    (parts,) = found["merged"].values()
    assert found["gone"][0] in parts
    gone = next(one for one in found["clusters"] if one["cluster"] == found["gone"][0])
    assert gone["name"], "what is gone has the name it had"
    assert (gone["states"], gone["after"]) == (["gone"], 0)


def test_rows_that_came_and_went() -> None:
    good("cluster", "--k", 3)
    write_csv(TABLE, things(range(3, 36)))
    assert index_texts(TABLE, "--prune").code == 0
    good("cluster")
    found = good("diff", "--json").json
    assert (found["rows"], found["shared"]) == (33, 27)
    assert (found["rows_new"], found["rows_gone"], found["moved"]) == (6, 3, 0)
    assert found["ari"] == 1.0
    assert run("diff", "--fail-on", "rows_new=18%").code == 1
    assert run("diff", "--fail-on", "rows_new=19%,rows_gone=3,moved=0,ari=1").code == 0


@pytest.mark.parametrize(
    ("conditions", "broken"),
    [
        ("moved=33%", ["moved=33%: moved is 33.33 % (10 of 30)"]),
        ("moved=34%", []),
        ("moved=9", ["moved=9: moved is 10"]),
        ("moved=10", []),
        ("ari=0.9", ["ari=0.9: ari is 0."]),
        ("ari=0.1", []),
        ("new=0,gone=0", ["new=0: new is 1"]),
        ("split=0, merged=0", ["split=0: split is 1"]),
        ("moved=5%,ari=0.9", ["moved=5%", "ari=0.9"]),
    ],
)
def test_conditions_decide_the_exit_code(conditions: str, broken: list[str]) -> None:
    good("cluster", "--k", 2)
    good("cluster", "--k", 3)
    ran = run("diff", "--fail-on", conditions, "--json")
    assert ran.code == ran.json["exit_code"] == (1 if broken else 0)
    assert len(ran.json["failed"]) == len(broken)
    for failed, start in zip(ran.json["failed"], broken, strict=True):
        assert failed.startswith(start)
    assert ran.err.count("--fail-on") == len(broken)


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ("", ("''", "moved=5%,ari=0.9")),
        ("moved", ("'moved'", "moved=5%,ari=0.9")),
        ("movd=5%", ("'movd=5%'", "moved")),
        ("moved=many", ("'moved=many'", "percentage")),
        ("moved=101%", ("'moved=101%'",)),
        ("moved=-1", ("'moved=-1'",)),
        ("moved=nan", ("'moved=nan'",)),
        ("new=5%", ("'new=5%'", "number of clusters")),
        ("ari=90%", ("'ari=90%'", "-1 to 1")),
        ("ari=2", ("'ari=2'", "-1 to 1")),
        ("moved=5%,", ("''",)),
    ],
)
def test_conditions_that_cannot_be_read(conditions: str, words: tuple[str, ...]) -> None:
    run("diff", "--fail-on", conditions).refused(2, "--fail-on", *words)


def test_nothing_to_compare() -> None:
    run("diff", "--collection", "titel").refused(2, "No collection named 'titel'", "title")
    run("diff").refused(2, "no clusters to compare", "embclust cluster --collection title")
    good("cluster", "--k", 2)
    run("diff").refused(2, "no earlier run", "run 1")
    run("diff", "--against", 1).refused(2, "--against 1", "none")
    good("cluster", "--k", 3)
    good("cluster", "--k", 4)
    run("diff", "--against", 3).refused(2, "--against 3", "before the current run 3: 1, 2.")
    assert good("diff", "--against", 1, "--json").json["against"] == 1
    assert good("diff", "--json").json["against"] == 2
    (RESULTS / "runs/0002/clusters.parquet").write_bytes(b"?")
    run("diff").refused(2, "Run 2", "damaged", "--against")
    run("diff", "--json", "--markdown").refused(2, "--json", "--markdown")


def test_only_kept_runs_can_be_compared_with() -> None:
    for k in (2, 3, 4, 2, 3):
        good("cluster", "--k", k, "--set", "keep_runs=3")
    run("diff", "--against", 1).refused(2, "3, 4.")


def test_markdown_is_a_table_whatever_the_names_are() -> None:
    good("name", "--k", 2)
    path = RESULTS / "names.json"
    content = json.loads(path.read_text())
    content["names"]["0"]["name"] = "a|b <img src=x> [l](javascript:x) `c`"
    path.write_text(json.dumps(content))
    good("name")
    good("cluster", "--k", 3)
    lines = good("diff", "--markdown").out.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 3
    assert {line.replace("\\|", "").count("|") for line in table} == {8}
    assert "<img" not in "\n".join(lines)
    assert "\\[l\\]" in "\n".join(lines)
    assert "10 of 30 rows moved" in "\n".join(lines)
    ran = run("diff", "--markdown", "--fail-on", "moved=0")
    assert ran.code == 1
    assert "**failed** moved=0" in ran.out
