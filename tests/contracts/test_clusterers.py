"""Every clusterer, through the same checks."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embclust import plugins
from embclust.errors import UsageError
from embclust.protocols import Clusterer

Floats = NDArray[np.float32]
KINDS = sorted(plugins.CLUSTERERS)


def build(kind: str, **options: Any) -> Clusterer:
    clusterer: Clusterer = plugins.build("clusterer", kind, options)
    return clusterer


def blobs(per: int = 60, groups: int = 4, d: int = 16, spread: float = 0.05) -> Floats:
    """`groups` tight bunches of unit rows around orthogonal directions, one after the other."""
    rng = np.random.default_rng(1)
    rows = np.repeat(np.eye(groups, d), per, axis=0) + rng.normal(0, spread, (per * groups, d))
    unit: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def options_for(kind: str, k: int) -> dict[str, int]:
    return {"k": k} if "k" in plugins.options_of("clusterer", kind).model_fields else {}


def assert_contract(vectors: Floats, labels: NDArray[np.int32], centres: Floats) -> None:
    assert labels.dtype == np.int32
    assert labels.shape == (len(vectors),)
    found = np.unique(labels[labels >= 0])
    assert labels.min(initial=0) >= -1
    assert found.tolist() == list(range(len(centres)))  # dense, and a centre for each
    assert centres.dtype == np.float32
    assert centres.shape == (len(centres), vectors.shape[1])
    assert np.allclose(np.linalg.norm(centres, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_plain_groups_are_found(kind: str) -> None:
    vectors = blobs()
    labels, centres = build(kind, **options_for(kind, 4)).cluster(vectors)
    assert_contract(vectors, labels, centres)
    assert len(centres) == 4
    for group in range(4):
        own = labels[group * 60 : (group + 1) * 60]
        assert (own == np.bincount(own[own >= 0]).argmax()).mean() > 0.9
        assert centres[own[own >= 0][0]][group] > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_same_input_same_answer_on_any_number_of_threads(kind: str) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(700, 24))
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    options = options_for(kind, 7)
    before = vectors.copy()
    labels, centres = build(kind, **options).cluster(vectors)
    again, centres_again = build(kind, **options).cluster(vectors)
    assert np.array_equal(labels, again)
    assert np.array_equal(centres, centres_again)
    assert np.array_equal(vectors, before)
    code = (
        "import numpy as np, sys; from embclust import plugins\n"
        "rows = np.random.default_rng(0).normal(size=(700, 24))\n"
        "v = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)\n"
        f"l, c = plugins.build('clusterer', {kind!r}, {options!r}).cluster(v)\n"
        "sys.stdout.write(l.tobytes().hex() + ' ' + c.tobytes().hex())"
    )
    for threads in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"{labels.tobytes().hex()} {centres.tobytes().hex()}"


@pytest.mark.parametrize("kind", KINDS)
def test_one_row(kind: str) -> None:
    vectors = blobs(per=1, groups=1)
    labels, centres = build(kind, **options_for(kind, 1)).cluster(vectors)
    assert_contract(vectors, labels, centres)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_rows_make_one_cluster(kind: str) -> None:
    vectors = np.tile(blobs(per=1, groups=1), (40, 1))
    labels, centres = build(kind, **options_for(kind, 5)).cluster(vectors)
    assert_contract(vectors, labels, centres)
    assert labels.tolist() == [0] * 40


@pytest.mark.parametrize("kind", KINDS)
def test_opposite_rows_have_a_unit_centre(kind: str) -> None:
    row = blobs(per=1, groups=1)
    vectors = np.concatenate([row, -row] * 10)
    labels, centres = build(kind, **options_for(kind, 1)).cluster(vectors)
    assert_contract(vectors, labels, centres)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "vectors",
    [
        np.empty((0, 4), np.float32),
        np.ones(4, np.float32),
        np.full((20, 4), np.nan, np.float32),
        np.full((20, 4), np.inf, np.float32),
    ],
)
def test_unusable_input_is_refused_in_plain_words(kind: str, vectors: Floats) -> None:
    with pytest.raises(UsageError):
        build(kind, **options_for(kind, 2)).cluster(vectors)


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_described_and_closed(kind: str) -> None:
    model = plugins.options_of("clusterer", kind)
    assert all(field.description for field in model.model_fields.values())
    with pytest.raises(ValueError, match="nonsense"):
        model(nonsense=1)
