from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from embclust.projectors._components import principal_components


@pytest.mark.parametrize(("n", "d"), [(200, 12), (12, 200), (9000, 5)])
def test_components_agree_with_scikit_learn_up_to_sign(n: int, d: int) -> None:
    scales = np.linspace(3, 0.3, d)
    vectors = (np.random.default_rng(0).normal(size=(n, d)) * scales).astype(np.float32)
    ours = principal_components(vectors, 3)
    theirs = PCA(3, svd_solver="full").fit_transform(vectors.astype(np.float64))
    signs = np.sign((ours * theirs).sum(axis=0))
    assert np.allclose(ours, theirs * signs, atol=1e-6)


def test_the_farthest_coordinate_is_positive() -> None:
    vectors = np.random.default_rng(1).normal(size=(300, 8)).astype(np.float32)
    scores = principal_components(vectors, 3)
    farthest = np.abs(scores).argmax(axis=0)
    assert (scores[farthest, np.arange(3)] > 0).all()
    mirrored = principal_components(-vectors, 3)
    assert np.allclose(np.abs(mirrored), np.abs(scores))


def test_directions_without_variance_are_zero() -> None:
    line = np.outer(np.arange(20), [1.0, 2.0, 3.0, 4.0]).astype(np.float32)
    scores = principal_components(line, 3)
    assert scores[:, 0].std() > 1
    assert (scores[:, 1:] == 0).all()
