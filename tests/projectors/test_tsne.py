from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

from embclust.projectors.tsne import TsneProjector
from tests.contracts.test_projectors import CountingBar

Floats = NDArray[np.float32]
Project = Callable[..., Floats]


def project(vectors: Floats, dims: int, **options: object) -> Floats:
    projector = TsneProjector(TsneProjector.Options.model_validate(options))
    coords: Floats = projector.project(vectors, dims, CountingBar())
    return coords


@pytest.fixture(scope="module")
def digits() -> Floats:
    raw = load_digits().data[:900]
    unit: Floats = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.mark.parametrize("dims", [2, 3])
def test_neighbourhoods_are_kept(digits: Floats, dims: int) -> None:
    score = trustworthiness(digits, project(digits, dims), n_neighbors=10)
    assert score > (0.975 if dims == 2 else 0.985)


def test_the_number_of_threads_does_not_change_the_map(digits: Floats) -> None:
    one = project(digits[:400], 3, jobs=1, iterations=60, early_iterations=30)
    two = project(digits[:400], 3, jobs=2, iterations=60, early_iterations=30)
    assert np.array_equal(one, two)


@pytest.mark.parametrize("landmarks", [None, 200])
def test_a_second_map_of_the_same_vectors_is_as_if_made_alone(
    digits: Floats, landmarks: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    look = TsneProjector._affinities

    def counting(self: TsneProjector, points: Any) -> Any:
        looked.append(len(points))
        return look(self, points)

    monkeypatch.setattr(TsneProjector, "_affinities", counting)
    options = {"landmarks": landmarks, "iterations": 60, "early_iterations": 30}
    vectors, others = digits[:300], digits[300:600]
    alone = {dims: project(vectors, dims, **options) for dims in (2, 3)}
    both = TsneProjector(TsneProjector.Options.model_validate(options))
    del looked[:]
    for dims in (3, 2, 3):
        assert np.array_equal(both.project(vectors, dims, CountingBar()), alone[dims])
    assert looked == [landmarks or 300], "neighbours are searched once"
    assert np.array_equal(both.project(others, 2, CountingBar()), project(others, 2, **options))


def test_landmarks_place_every_row(digits: Floats) -> None:
    projector = TsneProjector(TsneProjector.Options(landmarks=300))
    coords = projector.project(digits, 3, CountingBar())
    assert coords.shape == (900, 3)
    assert projector.details == {"fitted": 300}
    assert trustworthiness(digits, coords, n_neighbors=10) > 0.93


@pytest.mark.slow
def test_three_dimensions_work_from_ten_thousand_points_on() -> None:
    rng = np.random.default_rng(0)
    raw = np.eye(8, 10)[rng.integers(0, 8, 10_050)] + rng.normal(0, 0.2, (10_050, 10))
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    for dims in (2, 3):
        coords = project(vectors, dims, iterations=10, early_iterations=10, perplexity=5)
        assert coords.shape == (10_050, dims)
        assert np.isfinite(coords).all()


def test_duplicates_are_near_each_other_but_can_be_told_apart(digits: Floats) -> None:
    vectors = digits[:120].copy()
    vectors[60:70] = vectors[0]
    coords = project(vectors, 3)
    same = coords[[0, *range(60, 70)]]
    assert len(np.unique(same, axis=0)) == 11
    assert np.linalg.norm(same - same.mean(axis=0), axis=1).max() < 0.3


def test_progress_moves_in_small_steps(digits: Floats) -> None:
    bar = CountingBar()
    options = TsneProjector.Options(iterations=45, early_iterations=25)
    TsneProjector(options).project(digits[:100], 3, bar)
    assert bar.of == bar.done == 70
    assert bar.calls >= 6


def test_what_the_bar_raises_comes_through(digits: Floats) -> None:
    class StoppedError(Exception):
        pass

    class StoppingBar(CountingBar):
        def advance(self, n: int = 1) -> None:
            raise StoppedError

    with pytest.raises(StoppedError):
        TsneProjector(TsneProjector.Options()).project(digits[:50], 3, StoppingBar())


def test_torch_stays_out(digits: Floats) -> None:
    before = "torch" in sys.modules
    project(digits[:50], 3, iterations=10, early_iterations=0)
    assert ("torch" in sys.modules) is before
