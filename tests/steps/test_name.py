from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embclust.data import Clustering, ClusterName, ClusterSample, Embeddings, Scalar
from embclust.errors import ServerError, UsageError
from embclust.reports import NameReport
from embclust.steps import artefacts
from embclust.steps.cluster import cluster_stale, load_clustering, run_cluster
from embclust.steps.distinct import LIMIT, choose, key
from embclust.steps.name import load_names, names_stale, run_name
from embclust.steps.samples import join_texts, make_samples, naming_fields
from embclust.workspace import Workspace, write_whole
from tests.steps.parts import HERE, Common, Silent, blobs, joined, make_settings, subset

WORDS = ("boots", "watch", "shirt")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "w")


def namer(name: str, **options: Any) -> dict[str, Any]:
    return {"kind": f"{HERE}:{name}", **options}


def cluster(embeddings: Embeddings, workspace: Workspace, k: int = 3) -> Clustering:
    wanted = make_settings(cluster={"kind": f"{HERE}:Lloyd", "k": k})
    return run_cluster("c", embeddings, wanted, workspace, progress=Silent())[0]


def name(
    embeddings: Embeddings,
    workspace: Workspace,
    kind: str = "Common",
    fields: Sequence[str] = ("title",),
    clustering: Clustering | None = None,
    *,
    force: bool = False,
    strict: bool = False,
    **options: Any,
) -> tuple[list[ClusterName], NameReport]:
    return run_name(
        "c",
        embeddings,
        clustering or cluster(embeddings, workspace),
        make_settings(name=namer(kind, **options), plot={"text_fields": list(fields)}),
        workspace,
        force=force,
        strict=strict,
        progress=Silent(),
    )


def edit(workspace: Workspace, cluster: int, text: Any) -> None:
    path = workspace.collection_folder("c") / "names.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["names"][str(cluster)]["name"] = text
    path.write_text(json.dumps(content), encoding="utf-8")


def names_in(workspace: Workspace) -> dict[int, str]:
    table = pq.read_table(workspace.collection_folder("c") / "clusters.parquet").to_pydict()
    return dict(zip(table["cluster"], table["name"], strict=True))


def test_names_are_made_kept_and_reported(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    names, report = name(embeddings, workspace)
    assert [(one.cluster, one.name) for one in names] == [(0, "Watch"), (1, "Shirt"), (2, "Boots")]
    assert [(one.cluster, one.name, one.size) for one in report.names] == [
        (0, "Watch", 50),
        (1, "Shirt", 30),
        (2, "Boots", 20),
    ]
    assert {one.source for one in names} == {f"{HERE}:Common"}
    assert (report.warnings, report.kind) == ([], f"{HERE}:Common")
    assert names_in(workspace) == {0: "Watch", 1: "Shirt", 2: "Boots"}
    content = json.loads(
        (workspace.collection_folder("c") / "names.json").read_text(encoding="utf-8")
    )
    assert content["schema"] == 1
    assert content["names"]["2"]["name"] == "Boots"
    evidence = content["names"]["2"]["evidence_ids"]
    titles = dict(zip(embeddings.ids, join_texts(embeddings, ["title"]), strict=True))
    assert len(evidence) == 5
    assert {titles[item] for item in evidence} == {"boots"}
    assert load_names(workspace, "c") == names
    found = load_clustering(workspace, "c")
    assert found is not None, "clusters.parquet with names must still be whole"
    assert cluster_stale(workspace, "c", embeddings, make_settings()) is None


def test_naming_again_asks_nobody_and_changes_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    first, _ = name(embeddings, workspace)
    before = {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}

    def asked(self: Common, samples: Sequence[ClusterSample]) -> dict[int, list[str]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Common, "name", asked)
    again, report = name(embeddings, workspace)
    assert (again, report.warnings) == (first, [])
    after = {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}
    assert after == before


def test_the_same_input_makes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        name(blobs([20, 50, 30], words=WORDS), Workspace(folder))
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        contents.append([(path.relative_to(folder), path.read_bytes()) for path in files])
    assert contents[0] == contents[1]


def test_an_edited_name_wins_until_force(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    name(embeddings, workspace)
    edit(workspace, 1, "Uhren & mehr")
    loaded = load_names(workspace, "c")
    assert loaded is not None
    assert (loaded[1].name, loaded[1].source) == ("Uhren & mehr", "edited")
    for _ in range(2):
        names, report = name(embeddings, workspace, case="upper")  # other settings, too
        assert (names[1].name, names[1].source) == ("Uhren & mehr", "edited")
        assert names[0].name == "WATCH"
        assert report.warnings == []
        assert names_in(workspace)[1] == "Uhren & mehr"
    names, _ = name(embeddings, workspace, case="upper", force=True)
    assert (names[1].name, names[1].source) == ("SHIRT", f"{HERE}:Common")
    names, _ = name(embeddings, workspace, case="upper")
    assert names[1].name == "SHIRT"


def test_edits_are_made_short_and_unique_and_said(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    name(embeddings, workspace)
    edit(workspace, 0, "Same")
    edit(workspace, 1, "same")
    edit(workspace, 2, "x" * 60)
    names, report = name(embeddings, workspace)
    assert [one.name for one in names][:2] == ["Same", "same (2)"]
    assert len(names[2].name) <= LIMIT
    assert len(report.warnings) == 2
    assert [one.source for one in names] == ["edited"] * 3
    again, _ = name(embeddings, workspace)
    assert again == names


def test_an_emptied_name_is_made_anew(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    first, _ = name(embeddings, workspace)
    edit(workspace, 1, "  ")
    assert load_names(workspace, "c") is None
    again, _ = name(embeddings, workspace)
    assert again == first


@pytest.mark.parametrize("content", ["{", "[]", '{"names": 3}', '{"names": {"x": "y"}}'])
def test_a_broken_names_file_is_not_thrown_away(workspace: Workspace, content: str) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    clustering = cluster(embeddings, workspace)
    name(embeddings, workspace)
    path = workspace.collection_folder("c") / "names.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"names\.json"):
        name(embeddings, workspace, clustering=clustering)
    assert path.read_text() == content
    names, _ = name(embeddings, workspace, clustering=clustering, force=True)
    assert names[0].name == "Watch"


def test_a_name_stays_while_most_of_the_cluster_does(workspace: Workspace) -> None:
    everything = blobs([30, 60, 40], words=WORDS, seed=4)
    part = subset(everything, [row for row in range(130) if row % 10])
    first, _ = name(part, workspace)
    fields = [
        {**row, "title": row["title"] if i % 12 else "aaa"}
        for i, row in enumerate(everything.fields)
    ]
    grown = Embeddings(everything.ids, everything.vectors, fields)
    clustering = cluster(grown, workspace)
    wanted = make_settings(name=namer("Common"), plot={"text_fields": ["title"]})
    assert names_stale(workspace, "c", grown, clustering, wanted) == (
        "the clusters or their texts changed"
    )
    assert names_in(workspace) == {0: "Watch", 1: "Shirt", 2: "Boots"}
    again, _ = name(grown, workspace, clustering=clustering)
    assert [one.name for one in again] == [one.name for one in first]
    assert names_stale(workspace, "c", grown, clustering, wanted) is None


def test_a_cluster_is_named_anew_when_its_texts_changed(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    name(embeddings, workspace)
    fields = [
        {**row, "title": "clock" if row["title"] == "watch" else row["title"]}
        for row in embeddings.fields
    ]
    changed = Embeddings(embeddings.ids, embeddings.vectors, fields)
    names, _ = name(changed, workspace)
    assert [one.name for one in names] == ["Clock", "Shirt", "Boots"]


def test_a_new_cluster_gets_a_name_and_the_others_keep_theirs(workspace: Workspace) -> None:
    every = blobs([40, 30, 20, 10], words=("boots", "watch", "shirt", "sari"), seed=4)
    old = subset(every, [i for i, row in enumerate(every.fields) if row["group"] != 3])
    before, _ = name(old, workspace)
    edit(workspace, 2, "Tops")
    added = subset(every, [i for i, row in enumerate(every.fields) if row["group"] == 3])
    clustering = cluster(joined(old, added), workspace, k=4)
    names, _ = name(joined(old, added), workspace, clustering=clustering)
    assert [one.name for one in names] == [before[0].name, before[1].name, "Tops", "Sari"]


def test_twins_are_told_apart(workspace: Workspace) -> None:
    plain = blobs([20, 50, 30])
    alike: list[dict[str, Scalar]] = [{"title": "shirt"} for _ in plain.ids]
    names, _ = name(Embeddings(plain.ids, plain.vectors, alike), workspace)
    assert [one.name for one in names] == ["Shirt", "Shirt (2)", "Shirt (3)"]
    colours = ("red", "blue", "green")
    coloured: list[dict[str, Scalar]] = [
        {"title": f"shirt of {colours[int(row['group'])]} cloth"} for row in plain.fields
    ]
    embeddings = Embeddings(plain.ids, plain.vectors, coloured)
    names, _ = name(embeddings, workspace, "FirstWord")
    assert names[0].name == "Shirt"
    told_apart = sorted(one.name.casefold() for one in names[1:])
    assert told_apart == ["shirt (green)", "shirt (red)"]


def test_a_namer_that_fails_costs_no_run(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    names, report = name(embeddings, workspace, "Failing")
    assert len(names) == 3
    for one, word in zip(names, ("watch", "shirt", "boots"), strict=True):
        assert word in one.name.casefold()  # keywords: the offline namer stands in
        assert one.source.startswith("fallback: RuntimeError: the server said no")
        assert "secret" not in one.source
    assert len(report.warnings) == 1
    assert "3 of 3 clusters" in report.warnings[0]
    with pytest.raises(ServerError, match="gave no name"):
        name(embeddings, workspace, "Failing", strict=True)
    assert load_names(workspace, "c") is not None


def test_a_fallback_is_tried_again_and_a_namers_gap_is_filled(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    names, report = name(embeddings, workspace, "OnlyFirst")
    assert (names[0].name, names[0].source) == ("First", f"{HERE}:OnlyFirst")
    assert names[1].source.startswith("fallback: ")
    assert "2 of 3" in report.warnings[0]
    _, again = name(embeddings, workspace, "OnlyFirst")
    assert again.warnings, "the clusters with a fallback are put to the namer once more"


def test_a_mistake_of_the_user_is_no_fallback(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    with pytest.raises(UsageError, match="no row has a field 'titel'") as caught:
        name(embeddings, workspace, fields=["titel"])
    assert "Did you mean 'title'?" in caught.value.hint
    with pytest.raises(UsageError, match="no namer kind"):
        run_name(
            "c",
            embeddings,
            cluster(embeddings, workspace),
            make_settings(name={"kind": "keyword"}),
            workspace,
            progress=Silent(),
        )
    other = cluster(subset(embeddings, range(90)), workspace)
    with pytest.raises(UsageError, match="other rows"):
        name(embeddings, workspace, clustering=other)


def test_without_any_text_clusters_have_numbers_for_names(workspace: Workspace) -> None:
    plain = blobs([20, 50, 30])
    embeddings = Embeddings(plain.ids, plain.vectors, [{} for _ in plain.ids])
    names, report = name(embeddings, workspace, fields=())
    assert [one.name for one in names] == ["Cluster 0", "Cluster 1", "Cluster 2"]
    assert all(one.source.startswith("fallback: ") for one in names)
    assert report.warnings


def test_all_noise_has_no_names(workspace: Workspace) -> None:
    embeddings = blobs([10])
    wanted = make_settings(cluster={"kind": f"{HERE}:AllNoise"})
    clustering, _ = run_cluster("c", embeddings, wanted, workspace, progress=Silent())
    names, report = name(embeddings, workspace, clustering=clustering)
    assert (names, report.names) == ([], [])
    assert load_names(workspace, "c") == []


def test_staleness_says_why(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    clustering = cluster(embeddings, workspace)
    wanted = make_settings(name=namer("Common"), plot={"text_fields": ["title"]})
    assert names_stale(workspace, "c", embeddings, clustering, wanted) == (
        "there are clusters without a name"
    )
    name(embeddings, workspace)
    assert names_stale(workspace, "c", embeddings, clustering, wanted) is None
    edit(workspace, 1, "Mine")
    assert names_stale(workspace, "c", embeddings, clustering, wanted) is None
    upper = make_settings(name=namer("Common", case="upper"), plot={"text_fields": ["title"]})
    assert names_stale(workspace, "c", embeddings, clustering, upper) == (
        "name.case was title, is upper"
    )
    fewer = cluster(embeddings, workspace, k=2)
    assert names_stale(workspace, "c", embeddings, fewer, wanted) is not None


@pytest.mark.parametrize("writes", range(6))
def test_a_kill_between_any_two_files_is_recognised(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    name(embeddings, workspace, case="upper")
    edit(workspace, 2, "Mine")
    clustering = cluster(embeddings, workspace)
    done = 0

    def dying(path: Path, data: bytes) -> None:
        nonlocal done
        if done == writes:
            raise KeyboardInterrupt
        done += 1
        write_whole(path, data)

    with monkeypatch.context() as patch:
        patch.setattr("embclust.steps.artefacts.write_whole", dying)
        with pytest.raises(KeyboardInterrupt):
            name(embeddings, workspace, clustering=clustering)
    wanted = make_settings(name=namer("Common", case="upper"), plot={"text_fields": ["title"]})
    if names_stale(workspace, "c", embeddings, clustering, wanted) is None:
        loaded = load_names(workspace, "c", clustering)
        assert loaded is not None
        assert [one.name for one in loaded] == ["WATCH", "SHIRT", "Mine"]
    names, _ = name(embeddings, workspace, case="upper")
    assert [one.name for one in names] == ["WATCH", "SHIRT", "Mine"]
    assert names_in(workspace) == {0: "WATCH", 1: "SHIRT", 2: "Mine"}
    latest = artefacts.latest_run(workspace, "c")
    assert latest is not None
    assert cluster_stale(workspace, "c", embeddings, make_settings()) is None


def test_secrets_stay_out_of_what_is_kept(workspace: Workspace) -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    name(embeddings, workspace, "Secretive", api_key="sk-canary", base_url="http://u:pw9@h/v1")
    kept = b"".join(path.read_bytes() for path in workspace.root.rglob("*") if path.is_file())
    assert b"sk-canary" not in kept
    assert b"pw9" not in kept


def test_samples_hold_every_member_most_typical_first() -> None:
    embeddings = blobs([20, 50, 30], words=WORDS)
    labels = np.array(
        [-1 if i % 7 == 0 else int(row["group"]) for i, row in enumerate(embeddings.fields)],
        dtype=np.int32,
    )
    distances = np.linspace(1, 0, 100).astype(np.float32)
    clustering = Clustering(
        embeddings.ids, labels, [0, 1, 2], np.eye(3, dtype=np.float32), distances, {}
    )
    samples = make_samples(embeddings, clustering, join_texts(embeddings, ["title", "group"]))
    assert sum(sample.size for sample in samples) == int((labels >= 0).sum())
    for sample in samples:
        assert sample.size == len(sample.ids) == len(sample.texts) == len(sample.fields)
        assert set(sample.texts) == {f"{WORDS[sample.cluster]} {sample.cluster}"}
        ordered = [sample.ids[index] for index in sample.representatives]
        assert ordered == sorted(sample.ids, reverse=True)


def test_fields_to_name_from() -> None:
    rows: list[dict[str, Any]] = [
        {
            "url": f"https://h/{n}.jpg",
            "path": f"images/{n}.png",
            "sku": f"AB{n}",
            "price": n,
            "colour": "blue",
            "title": f"Shirt {n}",
        }
        for n in range(5)
    ]
    embeddings = Embeddings([str(n) for n in range(5)], np.ones((5, 1), np.float32), rows)
    assert naming_fields(embeddings, [], []) == ["colour", "title"]
    assert naming_fields(embeddings, [], ["title", "none"]) == ["title"]
    assert naming_fields(embeddings, [], ["none"]) == ["colour", "title"]
    assert naming_fields(embeddings, ["sku", "title"], ["colour"]) == ["sku", "title"]


@settings(deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 30),
        st.lists(st.text(max_size=60) | st.sampled_from(["Shirt", "shirt", "a" * 40]), min_size=1),
        max_size=12,
    ),
    st.lists(st.sampled_from(["linen", "blue shirt", "x" * 80, "", "()"]), max_size=3),
)
def test_names_are_always_unique_short_and_on_one_line(
    candidates: dict[int, list[str]], words: list[str]
) -> None:
    with_last_resort = {n: [*said, f"Cluster {n}"] for n, said in candidates.items()}
    chosen = choose(with_last_resort, dict.fromkeys(candidates, words))
    assert list(chosen) == list(candidates)
    assert len({key(one) for one in chosen.values()}) == len(chosen)
    for one in chosen.values():
        assert 0 < len(one) <= LIMIT
        assert one == one.strip()
        assert len(one.splitlines()) == 1


def test_twins_take_the_next_candidate_then_a_word_then_a_number() -> None:
    chosen = choose(
        {1: ["Shirt"], 2: ["shirt", "Blouse"], 3: ["Shirt"], 4: ["SHIRT"], 5: ["Shirt"]},
        {3: ["shirts for men", "linen"], 4: ["shirt"]},
    )
    assert chosen == {
        1: "Shirt",
        2: "Blouse",
        3: "Shirt (shirts)",
        4: "SHIRT (2)",
        5: "Shirt (3)",
    }
    assert choose({1: ["Unclustered"]}, {}) == {1: "Unclustered (2)"}
    assert choose({1: ["", "\n"]}, {}) == {}
