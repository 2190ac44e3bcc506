from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

from embclust.steps import trust
from embclust.steps.trust import measure_trust
from embclust.vectors import unit_rows

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def digits() -> Floats:
    return unit_rows(load_digits().data)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("rows", [21, 200, 1797])
def test_it_is_scikit_learns_figure(digits: Floats, dims: int, rows: int) -> None:
    coords = digits[:rows, 20 : 20 + dims]
    found = measure_trust(digits[:rows], coords)
    assert found is not None
    assert (found.k, found.rows) == (10, rows)
    expected = trustworthiness(digits[:rows], coords, n_neighbors=10)
    assert found.value == pytest.approx(expected, abs=1e-6)
    assert found.value < 0.95


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_sample_gives_the_figure_of_its_rows(
    digits: Floats, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """Over all rows the second way agrees with the first, over half of them nearly."""
    rng = np.random.default_rng(3)
    coords = (digits[:, 20:23] + rng.normal(0, 1e-4, (1797, 3))).astype(np.float32)
    whole = measure_trust(digits, coords)
    monkeypatch.setattr(trust, "ALL_UP_TO", 100)
    monkeypatch.setattr(trust, "SAMPLE", int(1797 * share))
    sampled = measure_trust(digits, coords)
    assert whole is not None
    assert sampled is not None
    assert sampled.rows == int(1797 * share)
    assert sampled.value == pytest.approx(whole.value, abs=1e-5 if share == 1 else 0.005)


def test_too_few_rows_have_no_figure(digits: Floats) -> None:
    assert measure_trust(digits[:20], digits[:20, :2]) is None


def test_a_perfect_map_and_a_shuffled_one(digits: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    angles = np.linspace(0, 1.5, 600)
    arc = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    line = np.stack([angles, 0 * angles], axis=1).astype(np.float32)
    for limit in (4000, 100):
        monkeypatch.setattr(trust, "ALL_UP_TO", limit)
        perfect = measure_trust(arc, line)
        assert perfect is not None
        assert perfect.value > 0.99999
        shuffled = measure_trust(arc, np.random.default_rng(0).permutation(line))
        assert shuffled is not None
        assert 0.45 < shuffled.value < 0.55


def test_equal_rows_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of forty equal rows is nearest on the map says nothing about the map."""
    monkeypatch.setattr(trust, "ALL_UP_TO", 100)
    rng = np.random.default_rng(0)
    vectors = np.repeat(unit_rows(rng.normal(size=(30, 6))), 40, axis=0)
    coords = (vectors[:, :3] * 10 + rng.normal(0, 1e-3, (1200, 3))).astype(np.float32)
    found = measure_trust(vectors, coords)
    assert found is not None
    assert found.value > 0.999
