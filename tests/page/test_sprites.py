from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from embclust.page.sprites import SHEET, SIDES, Sheets, fit, load

if TYPE_CHECKING:
    from collections.abc import Sequence

PLENTY = 10**9


def picture(seed: int, size: tuple[int, int] = (128, 96), mode: str = "RGB") -> bytes:
    """A picture of one colour with noise on it, so that it does not compress to nothing."""
    rng = np.random.default_rng(seed)
    channels = len(mode)
    base = rng.integers(40, 216, channels)
    pixels = base + rng.integers(-24, 24, (size[1], size[0], channels))
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8), mode).save(out, "PNG")
    return out.getvalue()


def tile(sheets: Sheets, row: int) -> Image.Image:
    """What the viewer cuts out for a row."""
    number = int(sheets.of_row[row])
    across = SHEET // sheets.side
    sheet, place = divmod(number, across * across)
    left, top = place % across * sheets.side, place // across * sheets.side
    width, height = sheets.sizes[number]
    return Image.open(io.BytesIO(sheets.sheets[sheet])).crop(
        (left, top, left + width, top + height)
    )


def mean_colour(image: Image.Image) -> list[float]:
    means: list[float] = np.asarray(image.convert("RGB"), dtype=float).mean(axis=(0, 1)).tolist()
    return means


def packed(contents: Sequence[bytes | None], budget: int, first: Sequence[int] = ()) -> Sheets:
    return fit(load(contents.__getitem__, len(contents)), budget, first)


def test_every_row_gets_its_own_picture() -> None:
    contents = [None if i % 7 == 3 else picture(i) for i in range(300)]
    sheets = packed(contents, PLENTY)
    assert sheets.side == 128
    assert len(sheets.sheets) == 2
    assert sheets.shown == sum(content is not None for content in contents)
    for row in (0, 1, 9, 151, 256, 299):
        content = contents[row]
        assert content is not None
        original = Image.open(io.BytesIO(content))
        cut = tile(sheets, row)
        assert cut.size == (128, 96)
        assert mean_colour(cut) == pytest.approx(mean_colour(original), abs=4)
    assert sheets.of_row[3] == -1


def test_equal_pictures_are_stored_once() -> None:
    sheets = packed([picture(1), picture(2), picture(1)], PLENTY)
    assert len(sheets.sizes) == 2
    assert sheets.of_row[0] == sheets.of_row[2]


def test_large_pictures_shrink_to_the_tile_and_small_ones_are_not_blown_up() -> None:
    sheets = packed([picture(1, (400, 100)), picture(2, (20, 30))], PLENTY)
    assert sheets.sizes == [(128, 32), (20, 30)]


def test_transparency_becomes_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(out, "PNG")
    assert min(mean_colour(tile(packed([out.getvalue()], PLENTY), 0))) > 250


def test_a_tighter_budget_makes_tiles_smaller_and_is_kept() -> None:
    contents = [picture(i) for i in range(60)]
    full = sum(map(len, packed(contents, PLENTY).sheets))
    sheets = packed(contents, full // 2)
    assert sheets.side in SIDES
    assert sheets.side < 128
    assert sheets.shown == 60
    assert sum(map(len, sheets.sheets)) <= full // 2


def test_below_the_smallest_tiles_the_first_rows_keep_theirs() -> None:
    contents = [picture(i) for i in range(200)]
    smallest = sum(map(len, packed(contents, PLENTY).sheets)) // 100
    sheets = packed(contents, smallest, first=[150, 42])
    assert sheets.side == min(SIDES)
    assert sheets.fewer
    assert 2 <= sheets.shown < 200
    assert sheets.of_row[150] >= 0
    assert sheets.of_row[42] >= 0
    assert sum(map(len, sheets.sheets)) <= smallest
    shown = np.flatnonzero(sheets.of_row >= 0)
    assert shown.max() > 100
    assert shown.min() < 100


def test_no_budget_and_no_pictures() -> None:
    assert packed([picture(1)], 0).shown == 0
    assert packed([None, None], PLENTY).sheets == []
    assert packed([], PLENTY).shown == 0


def test_what_is_no_picture_counts_as_none() -> None:
    sheets = packed([b"not a picture", picture(1), b"", picture(2, (5000, 1))], PLENTY)
    assert sheets.of_row.tolist() == [-1, 0, -1, -1]
    assert not sheets.fewer


def test_a_cut_off_picture_counts_as_none() -> None:
    whole = picture(1)
    sheets = packed([whole[: len(whole) // 2], picture(2)], PLENTY)
    assert sheets.of_row.tolist() == [-1, 0]


def test_equal_input_gives_equal_bytes() -> None:
    contents = [picture(i) for i in range(5)]
    assert packed(contents, PLENTY).sheets == packed(contents, PLENTY).sheets
