"""Equal to the transforms of open_clip and timm, pixel by pixel."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import pytest
from PIL import Image

from embclust.encoders._pixels import Preprocess, to_pixels
from embclust.encoders._torch import quiet
from embclust.errors import BadInputError

SIZES = [(224, 224), (60, 80), (500, 333), (301, 300), (40, 700), (1000, 50), (225, 223)]
Resize = Literal["shortest", "longest", "squash"]


def noise(size: tuple[int, int]) -> Image.Image:
    rng = np.random.default_rng(size[0] * 1000 + size[1])
    small = rng.integers(0, 256, (size[1] // 2 + 1, size[0] // 2 + 1, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size)


@pytest.mark.parametrize("filters", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize", get_args(Resize))
def test_equal_to_open_clip(resize: Resize, filters: str) -> None:
    with quiet():
        from open_clip.transform import PreprocessCfg, image_transform_v2

    for side in (224, (224, 224), (160, 256)):
        if resize == "shortest" and side == (160, 256) and filters == "bilinear":
            continue  # open_clip resizes with bicubic there whatever it is told
        cfg: Any = PreprocessCfg(
            size=side, mean=(0, 0, 0), std=(1, 1, 1), interpolation=filters, resize_mode=resize
        )
        theirs = image_transform_v2(cfg, is_train=False)
        size = (side, side) if isinstance(side, int) else side
        how = Preprocess(size, size, resize, filters, (0, 0, 0), (1, 1, 1))
        for shape in SIZES:
            expected = (theirs(noise(shape)).numpy() * 255).round().astype(np.uint8)
            np.testing.assert_array_equal(to_pixels(noise(shape), how), expected)


@pytest.mark.parametrize("mode", ["center", "border", "squash"])
def test_equal_to_timm(mode: str) -> None:
    with quiet():
        from timm.data.transforms_factory import transforms_imagenet_eval

    resize: dict[str, Resize] = {"center": "shortest", "border": "longest", "squash": "squash"}
    mean = (0.5, 0.4, 0.3)
    fill = tuple(round(255 * m) for m in mean)
    for filters in ("bicubic", "bilinear"):
        theirs: Any = transforms_imagenet_eval(
            224, crop_pct=0.875, crop_mode=mode, interpolation=filters, mean=mean, normalize=False
        )
        how = Preprocess(
            (224, 224),
            (256, 256),
            resize[mode],
            filters,
            mean,
            (1, 1, 1),
            (*fill,),  # type: ignore[arg-type]
        )
        for shape in SIZES:
            expected = theirs(noise(shape)).numpy()
            np.testing.assert_array_equal(to_pixels(noise(shape), how), expected)


def test_a_long_strip_does_not_cost_memory() -> None:
    """open_clip's own transform would make 20,000 pixels of side 224 of it: gigabytes."""
    how = Preprocess((224, 224), (224, 224), "shortest", "bicubic", (0, 0, 0), (1, 1, 1))
    strip = Image.new("RGB", (1, 60_000), (10, 20, 30))
    pixels = to_pixels(strip, how)
    assert pixels.shape == (3, 224, 224)
    assert (pixels == np.array([10, 20, 30], dtype=np.uint8)[:, None, None]).all()


def test_what_is_no_picture_is_bad_input() -> None:
    how = Preprocess((8, 8), (8, 8), "squash", "box", (0, 0, 0), (1, 1, 1))
    for raw in (None, "a", np.zeros((4, 4, 3), np.uint8), Image.new("RGB", (0, 4))):
        with pytest.raises(BadInputError):
            to_pixels(raw, how)
