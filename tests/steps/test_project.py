from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from embclust.data import Embeddings, Layout
from embclust.errors import EmbclustError, UsageError
from embclust.steps.project import layout_file, layout_stale, load_layout, run_project
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
    return run_project("c", embeddings, settings, workspace, dims, Silent(), fresh=fresh)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_layout_is_kept_and_read_back(workspace: Workspace, dims: int) -> None:
    embeddings = blobs([5, 6])
    layout = run(embeddings, workspace, dims)
    assert layout.coords.shape == (11, dims)
    table = pq.read_table(workspace.collection_folder("c") / f"layout-{dims}d.parquet")
    assert table.column_names == ["id", "x", "y", "z"][: dims + 1]
    found = load_layout(workspace, "c", dims)
    assert found is not None
    assert found[0].ids == embeddings.ids
    assert found[0].coords.dtype == np.float32
    assert found[0].coords.tobytes() == layout.coords.tobytes()
    assert load_layout(workspace, "c", 5 - dims) is None


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
    assert load_layout(workspace, "c", 3) is None


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
    assert load_layout(workspace, "c", 3) is None


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
    assert load_layout(workspace, "c", 3) is None
