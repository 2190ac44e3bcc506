"""`--write-back`: clusters on the rows in the store, through syncs, rebuilds and kills."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embclust.data import EmbeddedBatch
from embclust.stores.chroma import ChromaStore
from tests.cli.running import good, index_texts, run, texts, things, write_csv
from tests.cli.test_foreign import state, write_theirs
from tests.stores.chroma_server import running

TABLE = Path("t.csv")
STORE = Path(".embclust/chroma")


@pytest.fixture(autouse=True)
def _isolated_folder(_isolated: None) -> None:
    """Every test has a folder of its own."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with running(tmp_path / "server") as url:
        yield url


def stored(**options: Any) -> dict[str, dict[str, Any]]:
    """The fields of every row in the store."""
    store = ChromaStore(ChromaStore.Options(**options), collection="title", folder=STORE)
    try:
        return {item.id: dict(item.fields) for batch in store.scan() for item in batch.items}
    finally:
        store.close()


def written(rows: dict[str, dict[str, Any]]) -> dict[str, tuple[Any, Any]]:
    return {one: (row.get("cluster"), row.get("cluster_name")) for one, row in rows.items()}


def test_clusters_and_names_are_on_the_rows() -> None:
    texts(TABLE)
    before = stored()
    report = good("cluster", "--k", 3, "--write-back", "--json").json
    assert report["details"]["written_back"] == 30
    rows = stored()
    assert {row["cluster"] for row in rows.values()} == {0, 1, 2}
    assert all("cluster_name" not in row for row in rows.values()), "they have no names yet"
    assert {one: {**row, "cluster": rows[one]["cluster"]} for one, row in before.items()} == rows
    good("name", "--write-back")
    rows = stored()
    assert {row["cluster_name"].split()[0].lower() for row in rows.values()} == {
        *("red", "blue", "green")
    }
    for row in rows.values():
        assert row["cluster_name"].split()[0].lower() == row["colour"]
    assert good("check", "--full").code == 0
    again = good("cluster", "--write-back", "--json").json
    assert again["details"]["written_back"] == 0, "nothing changed"


def test_they_survive_a_sync_a_rebuild_and_other_clusters() -> None:
    texts(TABLE)
    good("name", "--k", 3, "--write-back")
    first = written(stored())
    rows = things(range(35))
    rows[4] = {**rows[4], "colour": "violet"}
    write_csv(TABLE, rows)
    assert index_texts(TABLE).code == 0
    after = stored()
    assert after["p4"]["colour"] == "violet"
    assert {one: written(after)[one] for one in first} == first
    assert written(after)["p34"] == (None, None), "not clustered yet"
    assert good("check", "--full").code == 0
    good("cluster", "--k", 2)
    assert {one: written(stored())[one] for one in first} == first, "not asked for"
    assert good("check", "--full").code == 0
    good("rebuild-store")
    assert stored() == after
    assert good("check", "--full").code == 0
    good("cluster", "--write-back")
    assert {number for number, _ in written(stored()).values()} <= {0, 1, 2}
    assert None not in {number for number, _ in written(stored()).values()}
    assert good("check", "--full").code == 0


def test_rows_that_are_noise_and_rows_that_went() -> None:
    texts(TABLE)
    flags = ("--kind", "hdbscan", "--set", "cluster.min_cluster_size=25", "--write-back")
    report = good("cluster", *flags, "--json").json
    noise = [row for row in stored().values() if row["cluster"] == -1]
    assert len(noise) == report["noise"]
    write_csv(TABLE, things(range(5, 30)))
    assert index_texts(TABLE, "--prune").code == 0
    good("cluster", "--kind", "kmeans", "--k", 2, "--write-back")
    assert len(stored()) == 25
    assert good("check", "--full").code == 0


def test_a_store_that_was_being_written_is_made_anew_with_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts(TABLE)
    good("name", "--k", 3)

    class Killed(BaseException):
        pass

    def killed(self: ChromaStore, batch: EmbeddedBatch) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ChromaStore, "upsert", killed)
        with pytest.raises(Killed):
            run("name", "--write-back")
    assert run("check").code == 1
    ran = good("name", "--write-back")
    assert "rebuilt from the ledger" in ran.err
    assert all(row["cluster_name"] for row in stored().values())
    assert good("check", "--full").code == 0


def test_a_store_elsewhere_and_a_server(server: str) -> None:
    for place in (f"store.path={Path('mine').absolute()}", f"store.url={server}"):
        flags = ("--set", place)
        texts(TABLE, *flags)
        good("name", "--k", 3, "--write-back", *flags)
        key, _, value = place.removeprefix("store.").partition("=")
        assert all(row["cluster_name"] for row in stored(**{key: value}).values())
        assert good("check", "--full", *flags).code == 0


def test_another_programs_store_is_never_written_to(tmp_path: Path) -> None:
    write_theirs(tmp_path / "chromadb")
    before = state(tmp_path / "chromadb")
    flags = ("--collection", "fashion_imageUrl", "--set", f"store.path={tmp_path / 'chromadb'}")
    for command in ("cluster", "name"):
        ran = run(command, *flags, "--k", 3, "--write-back")
        ran.refused(5, "--write-back", "another program", "clusters.parquet")
    assert state(tmp_path / "chromadb") == before
    assert not Path(".embclust/collections/fashion_imageUrl/clusters.parquet").exists()


@pytest.mark.parametrize("column", ["cluster", "cluster_name"])
def test_a_column_of_that_name_is_not_overwritten(column: str) -> None:
    write_csv(TABLE, [{**row, column: "mine"} for row in things(range(30))])
    assert index_texts(TABLE).code == 0
    run("cluster", "--k", 3, "--write-back").refused(2, f"'{column}'", "Rename")
    assert all(row[column] == "mine" for row in stored().values())


def test_a_column_of_that_name_that_comes_later_wins() -> None:
    texts(TABLE)
    good("name", "--k", 3, "--write-back")
    write_csv(TABLE, [{**row, "cluster": "mine"} for row in things(range(30))])
    assert index_texts(TABLE).code == 0
    rows = stored()
    assert all(row["cluster"] == "mine" for row in rows.values())
    assert all(row["cluster_name"] for row in rows.values())
    assert good("check", "--full").code == 0
