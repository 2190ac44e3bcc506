"""Table columns -> what the page can show, search, colour and filter by."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from embclust.page.escape import clean_text
from embclust.wording import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embclust.data import Scalar

__all__ = ["MAX_COLUMNS", "MAX_TEXT", "codes_base64", "encode_columns", "int16_base64"]

MAX_COLUMNS: Final = 40
MAX_TEXT: Final = 1000
MAX_LABEL: Final = 120
_MAX_CATEGORIES: Final = 1000
_EXACT: Final = 2**53
"""JavaScript's numbers are exact for whole numbers up to this."""


def encode_columns(
    columns: dict[str, list[Scalar | None]], text_fields: Sequence[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the columns as JSON-ready records, text fields first, and notes on what was cut.

    A record is {"name", "kind", …}: `number` with `values`; `category` with its sorted distinct
    `values` and `codes` (base64, see `codes_base64`; the code len(values) means empty); `text`
    with `values`. Columns without any value are left out.
    """
    order = [name for name in text_fields if name in columns]
    order += [name for name in columns if name not in order]
    notes: list[str] = []
    records: list[dict[str, Any]] = []
    cut = 0
    for name in order:
        values = [None if value == "" else value for value in columns[name]]
        if all(value is None for value in values):
            continue
        if len(records) == MAX_COLUMNS:
            notes.append(
                f"The page shows {MAX_COLUMNS} of {len(order)} columns; "
                "plot.text_fields chooses which come first."
            )
            break
        cut += sum(1 for value in values if isinstance(value, str) and len(value) > MAX_TEXT)
        records.append({"name": clean_text(name, MAX_LABEL), **_encode(values)})
    if cut:
        notes.append(
            f"{counted(cut, 'cell')} of more than {MAX_TEXT} characters cut short on the page."
        )
    return records, notes


def _encode(values: list[Scalar | None]) -> dict[str, Any]:
    numbers = _as_numbers(values)
    if numbers is not None:
        return {"kind": "number", "values": numbers}
    texts = [None if value is None else clean_text(_text(value), MAX_TEXT) for value in values]
    counts = Counter(text for text in texts if text is not None)
    filled = counts.total()
    if len(counts) <= max(2, min(_MAX_CATEGORIES, filled // 2)):
        # Most frequent first: the first codes get the palette's best colours.
        distinct = sorted(counts, key=lambda text: (-counts[text], text))
        place = {text: code for code, text in enumerate(distinct)}
        codes = [len(distinct) if text is None else place[text] for text in texts]
        return {"kind": "category", "values": distinct, "codes": codes_base64(codes)}
    return {"kind": "text", "values": texts}


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _as_numbers(values: list[Scalar | None]) -> list[int | float | None] | None:
    """Return numbers when every value is one, or reads as one and prints the same again."""
    numbers: list[int | float | None] = []
    for value in values:
        if isinstance(value, bool):
            return None
        number = _number(value) if isinstance(value, str) else value
        if number is None and value is not None:
            return None
        if isinstance(number, float) and not math.isfinite(number):
            number = None
        if isinstance(number, int) and abs(number) > _EXACT:
            return None
        numbers.append(number)
    return numbers


def _number(text: str) -> int | float | None:
    """'2012' -> 2012 and '0.5' -> 0.5, but not '007', '1e3' or '1,000', which would not survive."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text and math.isfinite(number):
            return number
    return None


def codes_base64(codes: Sequence[int] | NDArray[np.integer[Any]]) -> dict[str, str]:
    """Encode whole numbers >= 0 as {"type": "u8" | "u16" | "u32", "data": base64, little-endian}.

    The smallest type that holds the largest number is taken.
    """
    import numpy as np

    array = np.asarray(codes, dtype=np.int64)
    top = int(array.max(initial=0))
    kind, dtype = ("u8", "u1") if top < 2**8 else ("u16", "<u2") if top < 2**16 else ("u32", "<u4")
    return {"type": kind, "data": base64.b64encode(array.astype(dtype).tobytes()).decode()}


def int16_base64(coords: NDArray[np.float32]) -> str:
    """Encode positions (n, d) as base64 of little-endian int16, row by row.

    All axes are centred and scaled alike, to ±32767, so shapes are kept; the error of at most
    1/65534 of the map's width is below a pixel.
    """
    import numpy as np

    if not len(coords):
        return ""
    wide = coords.astype(np.float64)
    low, high = wide.min(axis=0), wide.max(axis=0)
    half = float((high - low).max()) / 2 or 1.0
    scaled = np.rint((wide - (low + high) / 2) / half * 32767)
    return base64.b64encode(scaled.astype("<i2").tobytes()).decode()
