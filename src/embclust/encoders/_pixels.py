"""Pictures to the pixels a model reads, with Pillow and numpy alone.

The arithmetic follows torchvision's Resize and CenterCrop and the keep-ratio variants that timm
and open_clip share, to the pixel; tests compare with open_clip's and timm's own transforms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from embclust.errors import BadInputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["INTERPOLATIONS", "Preprocess", "to_pixels"]

INTERPOLATIONS: Final = ("bicubic", "bilinear", "lanczos", "nearest", "box", "hamming")
_MAX_ASPECT: Final = 20

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a picture becomes pixels.

    `size`: (height, width) of what the model reads. `scale`: (height, width) that the picture is
    resized to first. `resize`: "shortest" side to `scale`, "longest" side to it, or "squash".
    `mean`, `std`: per channel, for values in 0..1; applied by the encoder, not here.
    """

    size: tuple[int, int]
    scale: tuple[int, int]
    resize: Literal["shortest", "longest", "squash"]
    interpolation: str
    mean: Triple
    std: Triple
    fill: tuple[int, int, int] = (0, 0, 0)


def to_pixels(raw: Any, how: Preprocess) -> NDArray[np.uint8]:
    """Return uint8 (3, h, w), RGB. Raises BadInputError when `raw` is no picture with pixels."""
    import numpy as np
    from PIL import Image

    if not isinstance(raw, Image.Image):
        raise BadInputError(f"expected a picture, got {type(raw).__name__}")
    if min(raw.size) < 1:
        raise BadInputError("the picture has no pixels")
    image = raw if raw.mode == "RGB" else raw.convert("RGB")
    image = _limit_aspect(image) if how.resize == "shortest" else image
    filters = Image.Resampling
    image = image.resize(_resized(image, how), filters[how.interpolation.upper()])
    image = _crop_or_pad(image, how.size, how.fill)
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))


def _limit_aspect(image: Image) -> Image:
    """Cut the far ends off a strip: the centre crop drops them, resizing them costs gigabytes."""
    width, height = image.size
    longest = _MAX_ASPECT * min(width, height)
    if max(width, height) <= longest:
        return image
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    return image.crop((left, top, left + min(width, longest), top + min(height, longest)))


def _resized(image: Image, how: Preprocess) -> tuple[int, int]:
    """Return the (width, height) to resize to, rounded as the libraries round."""
    width, height = image.size
    to_height, to_width = how.scale
    if how.resize == "squash":
        return to_width, to_height
    if how.resize == "shortest" and to_height == to_width:
        if width <= height:
            return to_width, int(to_width * height / width)
        return int(to_height * width / height), to_height
    pick = max if how.resize == "longest" else min
    ratio = pick(height / to_height, width / to_width)
    return max(1, round(width / ratio)), max(1, round(height / ratio))


def _crop_or_pad(image: Image, size: tuple[int, int], fill: tuple[int, int, int]) -> Image:
    """Cut the centre out; where the picture is too small, pad it evenly first."""
    from PIL import Image as Pillow

    height, width = size
    if image.width < width or image.height < height:
        canvas = (max(image.width, width), max(image.height, height))
        padded = Pillow.new("RGB", canvas, fill)
        left, top = (canvas[0] - image.width) // 2, (canvas[1] - image.height) // 2
        padded.paste(image, (left, top))
        image = padded
    if (image.width, image.height) == (width, height):
        return image
    top = round((image.height - height) / 2.0)
    left = round((image.width - width) / 2.0)
    return image.crop((left, top, left + width, top + height))
