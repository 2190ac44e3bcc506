"""Every projector, through the same checks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from embclust import plugins
from embclust.errors import UsageError
from embclust.protocols import Projector

Floats = NDArray[np.float32]
KINDS = sorted(plugins.PROJECTORS)


class CountingBar:
    """A progress bar that remembers."""

    def __init__(self) -> None:
        self.done = 0
        self.of: int | None = None
        self.calls = 0

    def advance(self, n: int = 1) -> None:
        self.done += n
        self.calls += 1

    def total(self, n: int | None) -> None:
        self.of = n


def build(kind: str) -> Projector:
    projector: Projector = plugins.build("projector", kind, {})
    return projector


def rows(n: int, d: int = 24, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    raw = np.eye(6, d)[rng.integers(0, 6, n)] * 2 + rng.normal(0, 0.3, (n, d))
    unit: Floats = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    return unit


def assert_map(coords: Floats, n: int, dims: int) -> None:
    assert coords.dtype == np.float32
    assert coords.shape == (n, dims)
    assert np.isfinite(coords).all()
    assert np.abs(coords.mean(axis=0)).max() < 1e-4
    assert np.abs(coords).max() <= 1.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 11, 40])
def test_any_number_of_rows(
    kind: str, dims: int, n: int, capfd: pytest.CaptureFixture[str]
) -> None:
    bar = CountingBar()
    coords = build(kind).project(rows(n), dims, bar)
    assert_map(coords, n, dims)
    assert np.abs(coords).max() == (1.0 if n > 1 else 0.0)
    assert bar.done == bar.of
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [2, 3])
def test_same_input_same_map(kind: str, dims: int) -> None:
    vectors = rows(200)
    vectors[50:60] = vectors[0]  # duplicates have no order of their own
    before = vectors.copy()
    first = build(kind).project(vectors, dims, CountingBar())
    again = build(kind).project(vectors, dims, CountingBar())
    assert np.array_equal(first, again)
    assert np.array_equal(vectors, before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [2, 3])
def test_equal_rows_lie_on_one_point(kind: str, dims: int) -> None:
    coords = build(kind).project(np.tile(rows(1), (30, 1)), dims, CountingBar())
    assert_map(coords, 30, dims)
    assert np.ptp(coords, axis=0).max() == 0.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2])
def test_vectors_with_fewer_dimensions_than_the_map(kind: str, d: int) -> None:
    angles = np.linspace(0, 3, 30)
    flat = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, :d].astype(np.float32)
    assert_map(build(kind).project(flat, 3, CountingBar()), 30, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [2, 3])
def test_groups_stay_apart(kind: str, dims: int) -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.eye(3, 20), 50, axis=0)
    raw = groups + rng.normal(0, 0.05, groups.shape)
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    coords = build(kind).project(vectors, dims, CountingBar()).reshape(3, 50, dims)
    means = coords.mean(axis=1)
    widths = np.linalg.norm(coords - means[:, None], axis=2).mean()
    gaps = np.linalg.norm(means - np.roll(means, 1, axis=0), axis=1)
    assert gaps.min() > 2 * widths


@pytest.mark.parametrize("kind", KINDS)
def test_unusable_input_is_refused_in_plain_words(kind: str) -> None:
    for vectors in (np.empty((0, 4)), np.full((9, 4), np.nan), np.ones(4)):
        with pytest.raises(UsageError):
            build(kind).project(vectors.astype(np.float32), 2, CountingBar())
    with pytest.raises(UsageError, match="2 or 3 dimensions"):
        build(kind).project(rows(9), 4, CountingBar())


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_described_and_closed(kind: str) -> None:
    model = plugins.options_of("projector", kind)
    assert all(field.description for field in model.model_fields.values())
    with pytest.raises(ValueError, match="nonsense"):
        model(nonsense=1)
