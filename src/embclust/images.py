"""Bytes -> an upright RGB picture within limits, or the reason why not; thumbnails.

Everything here is safe to call from several threads. Pictures are untrusted: only a few formats
are tried, sizes are checked before anything is decoded, and whatever a decoder raises becomes
this one picture's BadInputError.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from embclust.errors import BadInputError
from embclust.image_sniff import cut_short, looks_like, unsupported

if TYPE_CHECKING:
    from PIL import Image

    from embclust.config import ImagesSettings

__all__ = ["Picture", "content_key", "load_picture", "thumbnail"]

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_PIL_WARNINGS: Final = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_THUMBNAIL_QUALITY: Final = 70


@dataclass(frozen=True, slots=True)
class Picture:
    """An upright RGB picture without metadata.

    `width`, `height`: pixels of the original, upright; `image` may be smaller (JPEG draft mode).
    """

    image: Image.Image
    width: int
    height: int


def load_picture(body: bytes, settings: ImagesSettings, target: int = 448) -> Picture:
    """Decode a picture in full: first frame, upright, RGB, alpha on white, 16 bit scaled to 8.

    A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size as long as its shorter side keeps
    `target` pixels: pass at least twice the side that the model reads. Raises BadInputError.
    """
    from PIL import Image

    _ignore_pillow_warnings()
    if not body:
        raise BadInputError("empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(body), formats=FORMATS) as opened:
            _check_size(*opened.size, settings)
            width, height = opened.size
            if opened.format in ("JPEG", "MPO"):
                opened.draft(None, (target, target))
            opened.load()
            upright = _upright(opened)
            if (upright.width > upright.height) != (opened.width > opened.height):
                width, height = height, width
            image = _rgb(upright)
    except BadInputError:
        raise
    except Image.DecompressionBombError as error:
        raise BadInputError("too many pixels for any picture") from error
    except MemoryError as error:
        raise BadInputError("needs too much memory to decode") from error
    except Exception as error:
        raise BadInputError(_reason(body, error)) from error
    image.info.clear()
    return Picture(image, width, height)


def thumbnail(image: Image.Image, side: int) -> bytes:
    """Return the picture as WebP with no side longer than `side` pixels, without metadata."""
    from PIL import Image

    width, height = image.size
    scale = min(1.0, side / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if scale < 1:
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=_THUMBNAIL_QUALITY, method=2)
    return out.getvalue()


def content_key(body: bytes) -> bytes:
    """Return 32 bytes that name a content: its SHA-256."""
    return hashlib.sha256(body).digest()


def _ignore_pillow_warnings() -> None:
    """Pillow warns about sizes and metadata that are judged here; nobody else needs to hear it.

    Filters belong to the process and `catch_warnings` is not safe in threads, hence a filter that
    stays; it is looked up each time because others (pytest) put the list back.
    """
    if _PIL_WARNINGS not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _check_size(width: int, height: int, settings: ImagesSettings) -> None:
    short, long = sorted((width, height))
    if short < settings.min_side:
        raise BadInputError(
            f"too small ({width}x{height} pixels; images.min_side is {settings.min_side})"
        )
    if width * height > settings.max_pixels:
        raise BadInputError(
            f"too many pixels ({width}x{height}; images.max_pixels is {settings.max_pixels:,})"
        )
    if long > settings.max_aspect * short:
        raise BadInputError(
            f"too narrow ({width}x{height} pixels; images.max_aspect is {settings.max_aspect:g})"
        )


def _upright(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - broken EXIF says nothing against the pixels
        return image


def _rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB as a person sees it on a white page."""
    from PIL import Image

    if image.mode == "F":
        raise BadInputError("unsupported pixel type (floating point)")
    if image.mode.startswith("I"):
        image = _eight_bit(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale 16 or 32 bit grey to 8; a plain convert() would clip it to white."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(image)
    low, high = int(pixels.min()), int(pixels.max())
    if low < 0:
        raise BadInputError("unsupported pixel type (signed integers)")
    shift = 8 if high < 1 << 16 else high.bit_length() - 8
    return Image.fromarray((pixels >> shift).astype(np.uint8))


def _reason(body: bytes, error: Exception) -> str:
    from PIL import UnidentifiedImageError

    found = looks_like(body)
    if found not in FORMATS:
        if unsupported(found):
            return f"unsupported format ({found})"
        return f"not an image (looks like {found})"
    if "truncated" in str(error).lower() or cut_short(body, found):
        return f"truncated {found}"
    if isinstance(error, UnidentifiedImageError):
        return f"broken {found} (its header cannot be read)"
    words = " ".join(str(error).split())[:120] or type(error).__name__
    return f"broken {found} ({words})"
