"""Thumbnails -> sheets of equal tiles, as large as a budget of bytes allows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["SIDES", "Sheets", "Thumbs", "fit", "load"]

SIDES: Final = (128, 112, 96, 80, 64, 48)
"""Tile sides, in pixels. Multiples of WebP's 16-pixel block, so that tiles do not bleed."""
SHEET: Final = 2048
"""Side of a sheet: one hover decodes one sheet, and 16 MB decoded is quick everywhere."""
_QUALITY: Final = 70
_MOST: Final = 4096
"""Longest side, in pixels, that is still taken for a thumbnail."""
_SAMPLE: Final = 256


@dataclass(frozen=True, slots=True)
class Thumbs:
    """Distinct pictures, encoded, and which row shows which (-1: none).

    `side`: the longest side among them, in pixels.
    """

    pictures: list[bytes]
    of_row: NDArray[np.int32]
    side: int


@dataclass(frozen=True, slots=True)
class Sheets:
    """Sheets of tiles. Tile t lies on sheet t // per_sheet; `sizes` holds its width and height."""

    side: int
    sheets: list[bytes]
    of_row: NDArray[np.int32]
    sizes: list[tuple[int, int]]
    fewer: bool = False
    """True when not all pictures fitted."""

    @property
    def shown(self) -> int:
        """How many rows have a picture."""
        return int((self.of_row >= 0).sum())

    def layout(self) -> dict[str, Any]:
        """How the viewer finds a row's tile, JSON-ready; `rows` holds tile + 1, 0 for none."""
        from embclust.page.columns import codes_base64

        return {
            "side": self.side,
            "across": SHEET // self.side,
            "rows": codes_base64(self.of_row + 1),
            "sizes": codes_base64([length for size in self.sizes for length in size]),
        }


def load(thumbnail: Callable[[int], bytes | None], rows: int) -> Thumbs:
    """Read every row's thumbnail once; equal pictures are kept once."""
    import numpy as np

    of_row = np.full(rows, -1, dtype=np.int32)
    place: dict[bytes, int] = {}
    side = 0
    for row in range(rows):
        content = thumbnail(row)
        if not content:
            continue
        if content not in place:
            side = max(side, _longest(content))
            place[content] = len(place)
        of_row[row] = place[content]
    return Thumbs(list(place), of_row, side)


def fit(thumbs: Thumbs, budget: int, first: Sequence[int]) -> Sheets:
    """Pack the readable pictures into WebP sheets of at most `budget` bytes in all.

    Tiles get smaller first; when the smallest do not fit either, only as many pictures as fit are
    kept: those of the rows `first`, then rows spread evenly over the rest.
    """
    for side in _sides(thumbs.side):
        if _estimate(thumbs, side) > budget:
            continue
        packed = _pack(thumbs, range(len(thumbs.pictures)), side)
        if sum(map(len, packed.sheets)) <= budget:
            return packed
    return _fewer(thumbs, budget, first)


def _sides(longest: int) -> list[int]:
    """Sides worth trying: none much larger than the pictures are."""
    useful = [side for side in SIDES if side - 16 < longest]
    return useful or [SIDES[-1]]


def _longest(content: bytes) -> int:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            return max(image.size)
    except (OSError, ValueError, Image.DecompressionBombError):
        return 0


def _tile(content: bytes, side: int) -> Image | None:
    """One picture as RGB, no longer than `side`, transparency on white; None: unreadable."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as opened:
            if max(opened.size) > _MOST:
                return None
            image = opened.convert("RGBA" if "A" in opened.getbands() else "RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    if max(image.size) > side:
        scale = side / max(image.size)
        width, height = (max(1, round(length * scale)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    if image.mode == "RGBA":
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image


def _pack(thumbs: Thumbs, chosen: Iterable[int], side: int) -> Sheets:
    import numpy as np

    tile_of = np.full(len(thumbs.pictures) + 1, -1, dtype=np.int32)
    sizes: list[tuple[int, int]] = []
    sheets: list[bytes] = []
    batch: list[Image] = []
    per_sheet = (SHEET // side) ** 2
    for picture in chosen:
        tile = _tile(thumbs.pictures[picture], side)
        if tile is None:
            continue
        tile_of[picture] = len(sizes)
        sizes.append(tile.size)
        batch.append(tile)
        if len(batch) == per_sheet:
            sheets.append(_sheet(batch, side))
            batch = []
    if batch:
        sheets.append(_sheet(batch, side))
    # Row -> picture -> tile; the extra last entry answers for rows without a picture (-1).
    return Sheets(side, sheets, tile_of[thumbs.of_row], sizes)


def _sheet(tiles: list[Image], side: int) -> bytes:
    from PIL import Image

    across = min(len(tiles), SHEET // side)
    down = -(-len(tiles) // across)
    sheet = Image.new("RGB", (across * side, down * side), "white")
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (index % across * side, index // across * side))
    out = io.BytesIO()
    sheet.save(out, "WEBP", quality=_QUALITY, method=4)
    return out.getvalue()


def _estimate(thumbs: Thumbs, side: int) -> float:
    """Bytes that all pictures would take at `side`, judged by a sample of them."""
    count = len(thumbs.pictures)
    step = max(1, count // _SAMPLE)
    sample = range(0, count, step)
    sheets = _pack(thumbs, sample, side).sheets
    return sum(map(len, sheets)) / max(1, len(sample)) * count


def _fewer(thumbs: Thumbs, budget: int, first: Sequence[int]) -> Sheets:
    side = min(SIDES)
    each = _estimate(thumbs, side) / max(1, len(thumbs.pictures))
    keep = min(len(thumbs.pictures), int(budget / each)) if each else 0
    while keep > 0:
        packed = _pack(thumbs, _choose(thumbs, keep, first), side)
        if sum(map(len, packed.sheets)) <= budget:
            return replace(packed, fewer=True)
        keep = keep * 9 // 10
    return replace(_pack(thumbs, (), side), fewer=bool(thumbs.pictures))


def _choose(thumbs: Thumbs, keep: int, first: Sequence[int]) -> list[int]:
    import numpy as np

    wanted = dict.fromkeys(int(thumbs.of_row[row]) for row in first)
    wanted.pop(-1, None)
    chosen = list(wanted)[:keep]
    rest = [picture for picture in range(len(thumbs.pictures)) if picture not in wanted]
    places = np.linspace(0, len(rest) - 1, num=min(len(rest), keep - len(chosen)))
    return sorted({*chosen, *(rest[round(place)] for place in places)})
