"""open_clip: the same vectors as its own pipeline, and never random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from embclust.encoders import _open_clip_spec as spec
from embclust.encoders._torch import quiet
from embclust.errors import SettingsError, UnknownModelError
from embclust.protocols import Encoder
from tests.encoders.samples import (
    fashion_pictures,
    make,
    need_fashion_clip,
    picture,
    tiny_open_clip,
    unit,
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_open_clip(tmp_path_factory.mktemp("models") / "tiny")


def own_pipeline(name: str, pictures: list[Image.Image], texts: list[str]) -> Any:
    """What open_clip itself makes of them, as its README shows it; unit rows."""
    with quiet():
        import open_clip
        import torch

        model, _, transform = open_clip.create_model_and_transforms(name)
        tokenizer = open_clip.get_tokenizer(name)
        model.eval()
        with torch.inference_mode():
            images = model.encode_image(torch.stack([transform(p) for p in pictures]))
            words = model.encode_text(tokenizer(texts))
    return unit(images.numpy()), unit(words.numpy())


def encoded(encoder: Encoder, raws: list[Any]) -> NDArray[np.float32]:
    return unit(encoder.encode([encoder.prepare(raw) for raw in raws]))


def test_vectors_equal_those_of_open_clips_own_pipeline() -> None:
    name = need_fashion_clip()
    pictures = [*fashion_pictures(24), picture(9, (300, 40)), picture(200, (31, 33))]
    texts = ["red running shoe", "a wrist watch", "T-Shirt", "a long text " * 30]
    images, words = own_pipeline(name, pictures, texts)
    for modality, raws, expected in (("image", pictures, images), ("text", texts, words)):
        exact = encoded(make("open_clip", modality, model=name, precision="float32"), raws)
        assert (exact * expected).sum(axis=1).min() > 0.99999, modality
        fast = encoded(make("open_clip", modality, model=name, precision="auto"), raws[:24])
        assert (fast * expected[:24]).sum(axis=1).min() > 0.995, modality


def test_pictures_and_words_meet_in_one_space() -> None:
    name = need_fashion_clip()
    image, text = (make("open_clip", m, model=name) for m in ("image", "text"))
    assert image.encoder_id != text.encoder_id
    assert image.dim == text.dim == 256
    pictures = encoded(image, fashion_pictures(40))
    words = encoded(text, ["a photo of shoes", "a photo of a watch", "a photo of a shirt"])
    best = (pictures @ words.T).argmax(axis=1)
    assert len(set(best.tolist())) == 3  # not one word for everything


def test_a_text_is_marked_as_cut_exactly_when_the_model_does_not_read_its_end(tiny: Path) -> None:
    encoder = make("open_clip", "text", model=f"local-dir:{tiny}")
    ten = " ".join(["cat"] * 10)  # 10 tokens, start and end: the context of 12
    assert not encoder.prepare(ten).cut
    assert encoder.prepare(f"{ten} cat").cut
    whole, cut = encoder.prepare(f"{ten} cat dog"), encoder.prepare(f"{ten} cat fish")
    same = encoder.encode([whole, cut])
    np.testing.assert_array_equal(same[0], same[1])
    assert encoder.prepare("cat " * 100_000).cut


def test_the_id_is_of_the_content_and_not_of_the_place(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "elsewhere")
    here = make("open_clip", "image", model=f"local-dir:{tiny}")
    there = make("open_clip", "image", base=tmp_path, model="local-dir:elsewhere")
    assert here.encoder_id == there.encoder_id
    other = tiny_open_clip(tmp_path / "other", seed=1)
    assert make("open_clip", "image", model=f"local-dir:{other}").encoder_id != here.encoder_id
    config = tmp_path / "elsewhere" / "open_clip_config.json"
    read = json.loads(config.read_text(encoding="utf-8"))
    read["preprocess_cfg"]["mean"] = [0.1, 0.1, 0.1]
    config.write_text(json.dumps(read), encoding="utf-8")
    again = make("open_clip", "image", base=tmp_path, model="local-dir:elsewhere")
    assert again.encoder_id != here.encoder_id


@pytest.mark.parametrize("step", ["check", "encode"])
def test_a_folder_without_weights_is_an_error_and_not_a_random_model(
    tiny: Path, tmp_path: Path, step: str
) -> None:
    shutil.copytree(tiny, tmp_path / "m")
    (tmp_path / "m" / "open_clip_model.safetensors").unlink()
    encoder = make("open_clip", "image", base=tmp_path, model="local-dir:m")
    with pytest.raises(SettingsError, match="no weight file"):
        encoder.check() if step == "check" else encoder.encode([encoder.prepare(picture(1))])


@pytest.mark.parametrize("damage", ["cut", "lacks", "more", "shape", "text"])
def test_weights_that_do_not_fit_exactly_are_refused(
    tiny: Path, tmp_path: Path, damage: str
) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny, tmp_path / "m")
    path = tmp_path / "m" / "open_clip_model.safetensors"
    state = load_file(path)
    if damage == "lacks":
        del state["visual.proj"]
    elif damage == "more":
        state["visual.extra"] = state["visual.proj"].clone()
    elif damage == "shape":
        state["visual.proj"] = state["visual.proj"][:, :8].clone()
    save_file(state, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-1000])
    elif damage == "text":
        path.write_text("not weights")
    encoder = make("open_clip", "image", base=tmp_path, model="local-dir:m")
    with pytest.raises(SettingsError, match="weights"):
        encoder.encode([encoder.prepare(picture(1))])


def test_a_weight_file_can_be_given_to_a_built_in_model(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"no/file\.bin"):
        make("open_clip", "image", model="ViT-B-32", pretrained="no/file.bin").encoder_id  # noqa: B018
    (tmp_path / "w.bin").write_bytes(b"content")
    mine = make("open_clip", "image", base=tmp_path, model="ViT-B-32", pretrained="w.bin")
    assert mine.encoder_id.startswith("open_clip/image ViT-B-32 sha256:")
    mine.check()
    with pytest.raises(SettingsError, match=r"w\.bin|ViT-B-32"):
        mine.encode([mine.prepare(picture(1))])


@pytest.mark.parametrize(
    "model", ["ViT-B-32-quickgelu", "ViT-B-32", "openai/clip-vit-base-patch32"]
)
def test_openais_weights_always_get_openais_activation(model: str) -> None:
    options: dict[str, Any] = {"model": model} | ({} if "/" in model else {"pretrained": "openai"})
    encoder = make("open_clip", "image", **options)
    assert encoder.encoder_id == "open_clip/image ViT-B-32-quickgelu openai"
    assert encoder.dim == 512


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"model": "ViT-B-23", "pretrained": "openai"}, UnknownModelError, "ViT-B-32"),
        ({"model": "ViT-B-32", "pretrained": "opnai"}, UnknownModelError, "openai"),
        ({"model": "ViT-B-32"}, SettingsError, "random"),
        ({"model": "laion/some-clip"}, UnknownModelError, "hf-hub:laion/some-clip"),
        ({"model": "local-dir:nowhere"}, SettingsError, "not a folder"),
        ({"model": "local-dir:.", "pretrained": "openai"}, SettingsError, "pretrained"),
        ({"model": "local-dir:."}, SettingsError, "open_clip_config.json"),
    ],
)
def test_a_wrong_name_is_told_in_one_line(
    options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        make("open_clip", "image", **options).check()
    assert len(str(caught.value).splitlines()) == 1


def test_unknown_names_come_with_the_three_nearest() -> None:
    with pytest.raises(UnknownModelError) as caught:
        make("open_clip", "image", model="ViT-B-33", pretrained="openai").check()
    near = caught.value.hint.removeprefix("Nearest: ").split(".")[0].split(", ")
    assert len(near) == 3
    assert set(near) <= set(spec.architectures())


def test_what_is_read_from_the_files_is_what_the_library_says() -> None:
    with quiet():
        import open_clip
        from open_clip.pretrained import _PRETRAINED
        from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    assert sorted(open_clip.list_models()) == spec.architectures()
    assert spec._tags() == _PRETRAINED
    for name, tags in _PRETRAINED.items():
        config = spec.read_config(name)
        for tag, settings in tags.items():
            source = spec.find_source(name, tag, None, Path())
            if settings.get("quick_gelu"):
                assert spec.read_config(str(source.config))["quick_gelu"], (name, tag)
            theirs = merge_preprocess_dict(PreprocessCfg(), settings)
            ours = spec.preprocess_of(config, settings)
            assert ours.mean == tuple(theirs["mean"]), (name, tag)
            assert ours.std == tuple(theirs["std"]), (name, tag)
            assert ours.resize == theirs["resize_mode"], (name, tag)
            if ours.size[0] == ours.size[1]:
                assert ours.interpolation == theirs["interpolation"], (name, tag)
