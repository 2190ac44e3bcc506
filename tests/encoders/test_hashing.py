from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from embclust.errors import BadInputError
from tests.encoders.samples import make, picture


def cosines(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)


def test_texts_that_share_words_are_near() -> None:
    encoder = make("hashing", "text")
    texts = ["Puma men red running shoe", "Puma women red running shoe", "Titan silver watch"]
    alike = cosines(encoder.encode([encoder.prepare(t) for t in texts]))
    assert alike[0, 1] > 0.5
    assert alike[0, 1] > alike[0, 2] + 0.3


def test_pictures_that_look_alike_are_near() -> None:
    encoder = make("hashing", "image")
    shifted = picture(60).rotate(1)
    upside_down = picture(250).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    alike = cosines(
        encoder.encode([encoder.prepare(p) for p in (picture(60), shifted, upside_down)])
    )
    assert alike[0, 1] > 0.95
    assert alike[0, 1] > alike[0, 2] + 0.2


def test_flat_pictures_have_vectors_of_their_own() -> None:
    encoder = make("hashing", "image", dim=8)
    flat = [Image.new("RGB", (20, 20), (v, v, v)) for v in (0, 64, 128, 255)]
    vectors = encoder.encode([encoder.prepare(p) for p in flat])
    assert (np.linalg.norm(vectors, axis=1) > 0).all()
    assert len(np.unique(vectors, axis=0)) == 4


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=8), st.sampled_from([8, 64]))
def test_any_text_gives_its_own_nonzero_vector_in_any_company(texts: list[str], dim: int) -> None:
    encoder = make("hashing", "text", dim=dim)
    batch = []
    for text in texts:
        try:
            batch.append(encoder.prepare(text))
        except BadInputError:
            assert not text.strip()
    together = encoder.encode(batch)
    assert together.any(axis=1).all()
    for one, row in zip(batch, together, strict=True):
        np.testing.assert_array_equal(encoder.encode([one])[0], row)


def test_vectors_are_the_same_in_every_process() -> None:
    code = (
        "from tests.encoders.samples import make, picture; import hashlib\n"
        "t = make('hashing', 'text'); i = make('hashing', 'image')\n"
        "v = t.encode([t.prepare('a red shoe')]).tobytes() + i.encode([i.prepare(picture(7))])"
        ".tobytes()\n"
        "print(hashlib.sha256(v).hexdigest())"
    )
    root = Path(__file__).parents[2]
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={"PYTHONHASHSEED": seed, "PATH": "", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
