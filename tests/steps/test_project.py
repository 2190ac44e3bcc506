from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.manifold import trustworthiness

from embclust.config import Settings
from embclust.data import Embeddings, Layout
from embclust.errors import EmbclustError, UsageError
from embclust.steps.project import (
    Map,
    layout_file,
    layout_stale,
    load_map,
    run_project,
    wanted_dims,
)
from embclust.workspace import Workspace, write_whole
from tests.steps import parts
from tests.steps.parts import HERE, FirstAxes, Silent, blobs, make_settings, subset


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "w")


def run(
    embeddings: Embeddings, workspace: Workspace, dims: int = 3, *, fresh: bool = False, **opts: Any
) -> Layout:
    settings = make_settings(project={"kind": f"{HERE}:FirstAxes", **opts})
    return run_both(embeddings, workspace, [dims], settings, fresh=fresh)[dims].layout


def run_both(
    embeddings: Embeddings,
    workspace: Workspace,
    dims: Sequence[int],
    settings: Settings,
    *,
    fresh: bool = False,
) -> dict[int, Map]:
    return run_project("c", embeddings, settings, workspace, dims, Silent(), fresh=fresh)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_layout_is_kept_and_read_back(workspace: Workspace, dims: int) -> None:
    embeddings = blobs([5, 6])
    layout = run(embeddings, workspace, dims)
    assert layout.coords.shape == (11, dims)
    table = pq.read_table(workspace.collection_folder("c") / f"layout-{dims}d.parquet")
    assert table.column_names == ["id", "x", "y", "z"][: dims + 1]
    found = load_map(workspace, "c", dims)
    assert found is not None
    assert found.layout.ids == embeddings.ids
    assert found.layout.coords.dtype == np.float32
    assert found.layout.coords.tobytes() == layout.coords.tobytes()
    assert load_map(workspace, "c", 5 - dims) is None


def test_an_unchanged_layout_is_not_made_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = blobs([5, 6])
    calls = []
    project = FirstAxes.project

    def counting(self: FirstAxes, vectors: Any, dims: int, progress: Any) -> Any:
        calls.append(dims)
        return project(self, vectors, dims, progress)

    monkeypatch.setattr(parts.FirstAxes, "project", counting)
    first = run(embeddings, workspace)
    again = run(embeddings, workspace)
    assert calls == [3]
    assert again.coords.tobytes() == first.coords.tobytes()
    run(embeddings, workspace, 2)
    run(embeddings, workspace, scale=2.0)
    run(subset(embeddings, range(9)), workspace, scale=2.0)
    run(subset(embeddings, range(9)), workspace, scale=2.0, fresh=True)
    assert calls == [3, 2, 3, 3, 3]


def test_one_projector_makes_what_is_missing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings, settings = blobs([9, 8, 7]), make_settings()
    calls: list[tuple[int, int]] = []
    project = FirstAxes.project

    def counting(self: FirstAxes, vectors: Any, dims: int, progress: Any) -> Any:
        calls.append((id(self), dims))
        return project(self, vectors, dims, progress)

    monkeypatch.setattr(parts.FirstAxes, "project", counting)
    run_both(embeddings, workspace, [3], settings)
    both = run_both(embeddings, workspace, [2, 3], settings)
    assert [dims for _, dims in calls] == [3, 2]
    assert {dims: made.layout.coords.shape for dims, made in both.items()} == {
        2: (24, 2),
        3: (24, 3),
    }
    del calls[:]
    run_both(embeddings, workspace, [2, 3], settings, fresh=True)
    assert [dims for _, dims in calls] == [2, 3]
    assert len({projector for projector, _ in calls}) == 1


def test_how_far_it_can_be_trusted_is_kept_with_it(workspace: Workspace) -> None:
    embeddings = blobs([30, 20, 10])
    made = run_both(embeddings, workspace, [2], make_settings())[2]
    expected = trustworthiness(embeddings.vectors, made.layout.coords, n_neighbors=10)
    assert made.trust is not None
    assert made.trust.value == pytest.approx(expected, abs=1e-6)
    manifest = json.loads((workspace.collection_folder("c") / "manifest.json").read_text())
    entry = manifest["artefacts"][layout_file(2)]
    assert entry["trustworthiness"] == {"k": 10, "rows": 60, "value": made.trust.value}
    again = load_map(workspace, "c", 2)
    assert again is not None
    assert (again.trust, again.kind) == (made.trust, f"{HERE}:FirstAxes")
    few = run_both(blobs([5, 6]), workspace, [2], make_settings())[2]
    assert few.trust is None


@pytest.mark.parametrize(
    ("chosen", "rows", "expected"),
    [
        (2, 5, [2]),
        (3, 10**6, [3]),
        ("both", 10**6, [2, 3]),
        ("auto", 20_000, [2, 3]),
        ("auto", 20_001, [3]),
    ],
)
def test_which_maps_are_made(chosen: Any, rows: int, expected: list[int]) -> None:
    settings = make_settings(project={"kind": f"{HERE}:FirstAxes", "dims": chosen})
    assert wanted_dims(settings, rows) == expected
    assert wanted_dims(make_settings(), 100) == [2, 3]


def test_staleness_says_why(workspace: Workspace) -> None:
    embeddings = blobs([5, 6])

    def stale(rows: Embeddings, **options: Any) -> str | None:
        settings = make_settings(project={"kind": f"{HERE}:FirstAxes", **options})
        return layout_stale(workspace, "c", rows, settings, 3)

    assert stale(embeddings) == "there is no 3D map yet"
    run(embeddings, workspace)
    assert stale(embeddings) is None
    assert stale(embeddings, scale=1.0) is None
    assert stale(embeddings, scale=2.0) == "project.scale was 1.0, is 2.0"
    assert stale(subset(embeddings, range(9))) == "the rows changed"
    path = workspace.collection_folder("c") / layout_file(3)
    path.write_bytes(path.read_bytes()[:-4])
    assert stale(embeddings) == "there is no 3D map yet"
    assert load_map(workspace, "c", 3) is None


def test_a_kill_before_the_manifest_is_recognised(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(blobs([5, 6]), workspace)

    def dying(path: Path, data: bytes) -> None:
        if path.name == "manifest.json":
            raise KeyboardInterrupt
        write_whole(path, data)

    monkeypatch.setattr("embclust.steps.artefacts.write_whole", dying)
    with pytest.raises(KeyboardInterrupt):
        run(blobs([7, 8]), workspace)
    assert load_map(workspace, "c", 3) is None


def test_the_same_input_makes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for name in ("a", "b"):
        run(blobs([5, 6]), Workspace(tmp_path / name))
    for file in (layout_file(3), "manifest.json"):
        one, two = (tmp_path / name / "collections" / "c" / file for name in ("a", "b"))
        assert one.read_bytes() == two.read_bytes()


def test_no_rows_and_unusable_positions(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="has no rows"):
        run(Embeddings([], np.zeros((0, 4), np.float32), []), workspace)
    with pytest.raises(EmbclustError, match="no usable positions"):
        run(blobs([5]), workspace, scale=0)
    assert load_map(workspace, "c", 3) is None
