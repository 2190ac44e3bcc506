"""The choice of k: the rule on tables, and the sweep on rows with and without clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from embclust.data import Embeddings, Vectors
from embclust.errors import UsageError
from embclust.steps import choose_k, stability
from embclust.steps.choose_k import Candidate, Choice, between, candidates, decide, fallback_k
from embclust.steps.cluster import cluster_stale, run_cluster
from embclust.steps.quality import load_quality
from embclust.vectors import unit_rows
from embclust.workspace import Workspace
from tests.steps.parts import Silent, blobs, group_of, make_settings, subset


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "w")


def line(k: int, silhouette: float, stability: float, by_chance: float = 0.1) -> Candidate:
    return Candidate(k, silhouette, by_chance, stability)


def embedded(vectors: Vectors) -> Embeddings:
    return Embeddings([f"{n:05d}" for n in range(len(vectors))], vectors, [{}] * len(vectors))


def rough_blobs(groups: int, n: int, noise: float, dim: int = 48) -> tuple[Vectors, list[int]]:
    rng = np.random.default_rng(groups)
    centres = unit_rows(rng.normal(size=(groups, dim)))
    label = rng.choice(groups, n, p=rng.dirichlet(np.full(groups, 4.0)))
    spread = noise * rng.normal(size=(n, dim)) / np.sqrt(dim)
    return unit_rows(centres[label] + spread), label.tolist()


def auto(embeddings: Embeddings, workspace: Workspace, **more: Any) -> Choice:
    chosen = make_settings(cluster={"kind": "kmeans", "k": "auto"})
    _, report = run_cluster("c", embeddings, chosen, workspace, progress=Silent(), **more)
    found = report.details["auto"]
    assert report.k == found["k"]
    return choose_k.choice_from(found)


def test_the_smallest_that_is_good_and_stable() -> None:
    table = [
        line(2, 0.30, 1.0, by_chance=0.28),  # any cloud falls in two
        line(5, 0.26, 0.95),
        line(7, 0.30, 0.95),  # the next one gains much
        line(8, 0.33, 0.92),
        line(12, 0.34, 0.90),
        line(20, 0.40, 0.60),  # better, but not stable
    ]
    choice = decide(table, 1000, 1000)
    assert (choice.k, choice.structure, choice.kept) == (8, "clear", False)
    assert "0.330" in choice.reason


def test_better_than_chance_but_not_stable_is_weak() -> None:
    choice = decide([line(2, 0.11, 0.9), line(9, 0.3, 0.7), line(20, 0.3, 0.55)], 1000, 1000)
    assert (choice.k, choice.structure) == (9, "weak")
    assert choice.reason.startswith("Weak structure")


@pytest.mark.parametrize(
    "table",
    [
        [],
        [line(2, 0.10, 1.0), line(3, 0.12, 0.9)],  # stable, but no better than chance
        [line(2, 0.30, 0.2), line(3, 0.40, 0.4)],  # better than chance, but never the same
    ],
)
def test_no_structure_takes_the_fallback(table: list[Candidate]) -> None:
    choice = decide(table, 1000, 1000)
    assert (choice.k, choice.structure) == (10, "none")
    assert ("too few rows" if not table else "No clear structure") in choice.reason


def test_the_fallback_suits_few_rows() -> None:
    assert [fallback_k(n) for n in (1, 2, 8, 50, 200, 10**6)] == [1, 1, 2, 5, 10, 10]


def test_the_last_k_is_kept_until_the_evidence_has_clearly_changed() -> None:
    before = decide([line(8, 0.3, 0.9), line(12, 0.3, 0.7)], 1000, 1000)
    assert before.k == 8
    a_little = [line(7, 0.29, 0.9), line(8, 0.26, 0.75), line(12, 0.30, 0.7)]
    assert decide(a_little, 1000, 1000).k == 7
    kept = decide(a_little, 1000, 1000, before)
    assert (kept.k, kept.kept, kept.structure) == (8, True, "clear")
    clearly = [line(7, 0.29, 0.9), line(8, 0.2, 0.6), line(12, 0.30, 0.85)]
    assert decide(clearly, 1000, 1000, before).k == 7
    nothing = [line(7, 0.1, 0.1), line(8, 0.1, 0.1)]
    lost = decide(nothing, 1000, 1000, before)
    assert (lost.k, lost.structure) == (10, "none")
    assert decide(nothing, 72, 72, lost).k == 10, "an arbitrary k does not change either"
    weak = decide([line(9, 0.3, 0.6)], 1000, 1000)
    assert decide([line(6, 0.3, 0.9), line(9, 0.3, 0.6)], 1000, 1000, weak).k == 6


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-0.2, 1)), min_size=1, max_size=20
    )
)
def test_a_clear_choice_always_reaches_the_limits(
    figures: list[tuple[float, float, float]],
) -> None:
    table = [Candidate(k, *three) for k, three in enumerate(figures, 2)]
    choice = decide(table, 1000, 1000)
    if choice.structure == "none":
        return
    limits = choose_k.LIMITS[choice.structure]
    chosen = next(one for one in table if one.k == choice.k)
    assert chosen.stability >= limits.stability
    assert chosen.beyond_chance >= limits.beyond_chance
    for smaller in table[: choice.k - 2]:
        assert (
            smaller.stability < limits.stability
            or smaller.beyond_chance < limits.beyond_chance
            or smaller.score < limits.of_best * max(one.score for one in table)
            or any(one.score > smaller.score for one in table)
        )


def test_which_ks_are_tried() -> None:
    assert candidates(9) == []
    assert candidates(60) == [*range(2, 11), 12]
    assert max(candidates(10**6)) == 40
    assert candidates(100, 11) == [*range(2, 13), 14, 17, 20]
    assert between([2, 3, 5, 9, 14], 9) == [6, 7, 8, 10, 11, 12, 13]
    assert between([2, 3], 2) == []
    assert between([2, 5], 5) == [3, 4]


def test_rows_without_clusters_have_the_same_spread_and_no_groups() -> None:
    vectors, labels = rough_blobs(6, 500, 0.4)
    shuffled = choose_k.without_clusters(vectors, 0)
    assert np.linalg.norm(shuffled, axis=1) == pytest.approx(1, abs=1e-5)
    spread = [np.linalg.svd(v - v.mean(axis=0), compute_uv=False)[:5] for v in (vectors, shuffled)]
    assert spread[0] == pytest.approx(spread[1], rel=0.25)
    again = stability.clustered("kmeans", {"k": 6}, shuffled, 0)
    assert adjusted_rand_score(labels, again) < 0.1


@pytest.mark.parametrize(("groups", "n"), [(3, 80), (7, 400), (13, 700)])
def test_the_number_of_blobs_is_found(workspace: Workspace, groups: int, n: int) -> None:
    vectors, labels = rough_blobs(groups, n, 0.6)
    choice = auto(embedded(vectors), workspace)
    assert choice.structure == "clear"
    assert abs(choice.k - len(set(labels))) <= (0 if groups < 10 else 1)


@pytest.mark.parametrize("cloud", ["sphere", "cube", "cone"])
def test_clouds_have_no_clear_structure(workspace: Workspace, cloud: str) -> None:
    rng = np.random.default_rng(5)
    rows = {
        "sphere": rng.normal(size=(300, 12)),
        "cube": rng.uniform(size=(300, 12)),
        "cone": 1 + 0.5 * rng.normal(size=(300, 12)),
    }[cloud]
    choice = auto(embedded(unit_rows(rows)), workspace)
    assert (choice.structure, choice.k) == ("none", 10)


@pytest.mark.parametrize("n", [1, 2, 5, 9, 12])
def test_very_few_rows(workspace: Workspace, n: int) -> None:
    vectors = unit_rows(np.random.default_rng(0).normal(size=(n, 4)))
    choice = auto(embedded(vectors), workspace)
    assert choice.k == fallback_k(n) or choice.structure != "none"


def test_rows_that_are_all_alike(workspace: Workspace) -> None:
    same = Embeddings([str(n) for n in range(40)], np.full((40, 4), 0.5, np.float32), [{}] * 40)
    chosen = make_settings(cluster={"kind": "kmeans", "k": "auto"})
    _, report = run_cluster("c", same, chosen, workspace, progress=Silent())
    assert report.details["auto"]["structure"] == "none"
    assert report.k == 1


def test_unchanged_rows_are_not_swept_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = blobs([40, 30, 30], dim=16)
    first = auto(embeddings, workspace)
    assert first.k == 3
    quality = load_quality(workspace, "c")
    assert quality is not None
    assert quality["auto"] == first.as_json()
    chosen = make_settings(cluster={"kind": "kmeans", "k": "auto"})
    assert cluster_stale(workspace, "c", embeddings, chosen) is None
    other = make_settings(cluster={"kind": "kmeans", "k": 4})
    assert cluster_stale(workspace, "c", embeddings, other) == "cluster.k was auto, is 4"
    before = {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}
    monkeypatch.setattr(choose_k, "_sweep", None)
    assert auto(embeddings, workspace) == first
    after = {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}
    assert after == before


def test_a_few_more_rows_keep_k_and_fresh_looks_again(workspace: Workspace) -> None:
    everything = blobs([50, 40, 45, 30], dim=16, seed=2)
    part = subset(everything, [row for row in range(165) if row % 20])
    assert auto(part, workspace).k == 4
    more = auto(everything, workspace)
    assert (more.k, more.kept) == (4, True)
    again = auto(everything, workspace, fresh=True)
    assert (again.k, again.kept) == (4, False)
    assert again.table == more.table
    groups = group_of(everything)
    assert len(set(groups)) == 4


def test_an_unsettled_k_is_refused_by_the_clusterer_itself() -> None:
    with pytest.raises(UsageError, match="auto"):
        stability.clustered("kmeans", {"k": "auto"}, np.eye(4, dtype=np.float32), 0)


def test_what_is_not_stable_itself_is_no_reason_to_look_on() -> None:
    table = [line(2, 0.2, 0.7), line(3, 0.4, 0.9), line(4, 0.6, 0.7), line(5, 0.3, 0.6)]
    choice = decide(table, 1000, 1000)
    assert (choice.k, choice.structure) == (3, "clear")
