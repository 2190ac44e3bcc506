from __future__ import annotations

import concurrent.futures
import io
import struct
import subprocess
import sys
import textwrap
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from embclust.config import ImagesSettings
from embclust.errors import BadInputError
from embclust.images import content_key, load_picture, thumbnail

SETTINGS = ImagesSettings()


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def half_red(width: int = 40, height: int = 20, mode: str = "RGB") -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (width, height), "blue")
    ImageDraw.Draw(image).rectangle((0, 0, width // 2 - 1, height - 1), fill="red")
    return image.convert(mode)


def png_header(width: int, height: int) -> bytes:
    """A grey PNG of any size whose pixels are zeros: tiny as a file, huge when decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    deflate = zlib.compressobj(9)
    pixels = b"".join(deflate.compress(bytes(width + 1)) for _ in range(height)) + deflate.flush()
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def reason(body: bytes, settings: ImagesSettings = SETTINGS) -> str:
    with pytest.raises(BadInputError) as caught:
        load_picture(body, settings)
    return caught.value.reason


def close(pixel: object, colour: tuple[int, int, int], by: int = 40) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= by for a, b in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_format_on_the_list_is_read(kind: str) -> None:
    picture = load_picture(encoded(half_red(), kind), SETTINGS)
    assert (picture.image.mode, picture.image.size) == ("RGB", (40, 20))
    assert (picture.width, picture.height) == (40, 20)
    assert close(picture.image.getpixel((4, 10)), (255, 0, 0))
    assert close(picture.image.getpixel((35, 10)), (0, 0, 255))


@pytest.mark.parametrize("kind", ["PPM", "TGA", "ICO", "JPEG2000", "EPS", "PCX"])
def test_no_other_format_is(kind: str) -> None:
    assert reason(encoded(half_red(), kind)).startswith(("unsupported format", "not an image"))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("CMYK", "JPEG"), ("L", "JPEG"), ("P", "PNG"), ("LA", "PNG"), ("1", "PNG"), ("RGBA", "PNG")],
)
def test_pixel_types(mode: str, kind: str) -> None:
    image = load_picture(encoded(half_red(mode=mode), kind), SETTINGS).image
    assert image.mode == "RGB"
    want = half_red(mode=mode).convert("RGB")
    assert close(image.getpixel((4, 10)), want.getpixel((4, 10)))  # type: ignore[arg-type]
    assert close(image.getpixel((35, 10)), want.getpixel((35, 10)))  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_sixteen_bit_grey_is_scaled_not_clipped(dtype: type[np.generic]) -> None:
    pixels = np.full((16, 16), 32_768, dtype)
    body = encoded(Image.fromarray(pixels), "TIFF")
    assert load_picture(body, SETTINGS).image.getpixel((8, 8)) == (128, 128, 128)


def test_sixteen_bit_png() -> None:
    body = encoded(Image.fromarray(np.full((16, 16), 0x4000, np.uint16)), "PNG")
    assert load_picture(body, SETTINGS).image.getpixel((8, 8)) == (64, 64, 64)


def test_floats_are_refused() -> None:
    body = encoded(Image.fromarray(np.full((16, 16), 0.5, np.float32)), "TIFF")
    assert reason(body) == "unsupported pixel type (floating point)"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparent_becomes_white_not_the_hidden_colour(kind: str) -> None:
    image = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 10, 20))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    picture = load_picture(encoded(image, kind, **options), SETTINGS).image
    assert picture.getpixel((15, 10)) == (255, 255, 255)
    assert picture.getpixel((5, 10)) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_transparent_palette(kind: str) -> None:
    image = half_red(mode="P")
    hidden = image.getpixel((35, 10))
    picture = load_picture(encoded(image, kind, transparency=hidden), SETTINGS).image
    assert picture.getpixel((35, 10)) == (255, 255, 255)
    assert close(picture.getpixel((4, 10)), (255, 0, 0))


def test_palette_with_many_alphas() -> None:
    image = half_red(mode="P")
    alphas = bytearray([255] * 256)
    alphas[int(np.asarray(image)[10, 35])] = 0
    picture = load_picture(encoded(image, "PNG", transparency=bytes(alphas)), SETTINGS).image
    assert picture.getpixel((35, 10)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise: the left side comes up
    picture = load_picture(encoded(half_red(), kind, exif=exif), SETTINGS)
    assert picture.image.size == (20, 40)
    assert (picture.width, picture.height) == (20, 40)
    assert close(picture.image.getpixel((10, 4)), (255, 0, 0))
    assert not picture.image.getexif()
    thumb = Image.open(io.BytesIO(thumbnail(picture.image, 16)))
    assert thumb.size == (8, 16)


def test_broken_exif_does_not_matter() -> None:
    body = encoded(half_red(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert load_picture(body, SETTINGS).image.size == (40, 20)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF", "PNG", "TIFF"])
def test_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    body = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert close(load_picture(body, SETTINGS).image.getpixel((10, 10)), (255, 0, 0))


def test_large_jpeg_is_drafted_but_keeps_the_target() -> None:
    body = encoded(half_red(2000, 1600), "JPEG")
    picture = load_picture(body, SETTINGS, target=448)
    assert picture.image.size == (1000, 800)
    assert (picture.width, picture.height) == (2000, 1600)
    assert load_picture(body, SETTINGS, target=2000).image.size == (2000, 1600)


def test_drafted_and_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = load_picture(encoded(half_red(2000, 1600), "JPEG", exif=exif), SETTINGS, 448)
    assert picture.image.size == (800, 1000)
    assert (picture.width, picture.height) == (1600, 2000)


def test_too_small() -> None:
    assert reason(encoded(Image.new("P", (1, 1)), "GIF")).startswith("too small (1x1 pixels")
    assert reason(encoded(half_red(7, 30), "PNG")).startswith("too small (7x30")
    assert load_picture(encoded(half_red(8, 8), "PNG"), SETTINGS).image.size == (8, 8)


def test_too_narrow() -> None:
    assert reason(encoded(half_red(10, 201), "PNG")).startswith("too narrow (10x201")
    assert load_picture(encoded(half_red(10, 200), "PNG"), SETTINGS).width == 10


def test_too_many_pixels_whatever_pillow_thinks() -> None:
    small = ImagesSettings(max_pixels=1000)
    assert reason(encoded(half_red(), "PNG"), ImagesSettings(max_pixels=799)).startswith(
        "too many pixels (40x20"
    )
    assert load_picture(encoded(half_red(), "PNG"), small).width == 40
    assert reason(png_header(7000, 6000)).startswith("too many pixels")
    assert reason(png_header(10_000, 10_000)).startswith("too many pixels")  # Pillow warns
    assert reason(png_header(14_000, 13_500)).startswith("too many pixels")  # Pillow raises


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
def test_truncated(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    body = encoded(Image.fromarray(noise), kind)
    for part in (0.5, 0.9):
        assert reason(body[: int(len(body) * part)]).startswith("truncated"), part


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty (0 bytes)"),
        (b"<!DOCTYPE html><html></html>", "not an image (looks like HTML)"),
        (b"  \n<html><body><svg></svg>", "not an image (looks like HTML)"),
        (b'{"error": 1}', "not an image (looks like JSON)"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "not an image (looks like PDF)"),
        (b"<?xml version='1.0'?><Error/>", "not an image (looks like XML)"),
        (b"Access denied", "not an image (looks like text)"),
        (b"PK\x03\x04 and so on", "not an image (looks like ZIP)"),
        (b"\x00\x01\x02\x03" * 10, "not an image (looks like unknown data)"),
        (b"\x00\x00\x00\x18ftypmp42....", "not an image (looks like a video)"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported format (SVG)"),
        (b"<?xml version='1.0'?>\n<!-- x --><svg/>", "unsupported format (SVG)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "unsupported format (EPS)"),
        (b"8BPS\0\1", "unsupported format (PSD)"),
        (b"\x00\x00\x00\x18ftypheic....", "unsupported format (HEIC)"),
    ],
)
def test_what_is_no_picture_is_named(body: bytes, words: str) -> None:
    assert reason(body) == words


def test_whatever_a_decoder_raises_stays_with_its_picture() -> None:
    rng = np.random.default_rng(1)
    reasons = []
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        good = encoded(half_red(), kind)
        for _ in range(60):
            bad = bytearray(good)
            for at in rng.integers(0, len(bad), 6):
                bad[at] = rng.integers(256)
            try:
                assert load_picture(bytes(bad), SETTINGS).image.mode == "RGB"
            except BadInputError as error:
                reasons.append(error.reason)
    assert len(reasons) > 50
    assert all(reason and "\n" not in reason for reason in reasons)


def test_thumbnail() -> None:
    picture = load_picture(encoded(half_red(600, 300), "JPEG", icc_profile=b"x" * 999), SETTINGS)
    body = thumbnail(picture.image, 128)
    thumb = Image.open(io.BytesIO(body))
    assert (thumb.format, thumb.size) == ("WEBP", (128, 64))
    assert not set(thumb.info) & {"exif", "icc_profile", "xmp"}
    assert close(thumb.convert("RGB").getpixel((20, 30)), (255, 0, 0))
    assert Image.open(io.BytesIO(thumbnail(half_red(), 128))).size == (40, 20), "never enlarged"
    assert Image.open(io.BytesIO(thumbnail(half_red(1000, 8), 128))).size == (128, 1)


def test_threads_give_the_same_pictures() -> None:
    bodies = [encoded(half_red(40 + n, 30), kind) for n in range(20) for kind in ("JPEG", "PNG")]
    alone = [load_picture(body, SETTINGS).image.tobytes() for body in bodies]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda b: load_picture(b, SETTINGS).image.tobytes(), bodies))
    assert alone == together


def test_content_key() -> None:
    assert content_key(b"a") != content_key(b"b")
    assert content_key(b"a") == content_key(b"a")
    assert len(content_key(b"")) == 32


BOMBS = """
    import io, resource, sys
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    from embclust.config import ImagesSettings
    from embclust.errors import BadInputError
    from embclust.images import load_picture, thumbnail
    from PIL import Image
    import PIL.WebPImagePlugin, PIL.AvifImagePlugin

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    Image.init()
    body = open(sys.argv[1], "rb").read()
    before = peak()
    try:
        thumbnail(load_picture(body, ImagesSettings()).image, 128)
        words = "ok"
    except BadInputError as error:
        words = error.reason
    print(peak() - before, words)
"""


def bombs() -> dict[str, bytes]:
    gif = b"GIF89a" + struct.pack("<HHBBB", 9000, 9000, 0, 0, 0)
    gif += b"," + struct.pack("<HHHHB", 0, 0, 9000, 9000, 0) + b"\x02\x02\x44\x01\x00;"
    strip = Image.new("L", (20_000, 9))
    webp = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (15_999).to_bytes(3, "little") * 2
    webp += b"VP8L" + struct.pack("<I", 20) + b"\x2f" + bytes(19)
    return {
        "png": png_header(13_000, 13_000),
        "gif": gif,
        "line": encoded(Image.new("RGB", (1, 20_000)), "PNG"),
        "strip": encoded(strip, "PNG"),
        "webp": b"RIFF" + struct.pack("<I", len(webp) + 4) + b"WEBP" + webp,
    }


@pytest.mark.parametrize("name", ["png", "gif", "line", "strip", "webp"])
def test_bombs_cost_no_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bombs()[name])
    code = [sys.executable, "-c", textwrap.dedent(BOMBS), str(path)]
    started = time.monotonic()
    done = subprocess.run(code, capture_output=True, text=True, timeout=60, check=True)
    megabytes, _, words = done.stdout.strip().partition(" ")
    assert words.startswith(("too ", "truncated", "broken")), words
    assert int(megabytes) < 50
    assert time.monotonic() - started < 20
    assert not done.stderr
