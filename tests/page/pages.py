"""Small pages for the tests of the page and of the viewer in it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from embclust.page import PageCluster, PageData

if TYPE_CHECKING:
    from embclust.data import Scalar

NAMES = ["Shoes", "Hats", "Bags"]
COLOURS = [(200, 40, 40), (40, 160, 60), (40, 70, 200)]


def colour_of(row: int) -> tuple[int, int, int]:
    """Each row's picture has a colour of its own, near its cluster's."""
    red, green, blue = COLOURS[row % 3]
    return red, green, (blue + row * 5) % 256


def picture_of(row: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (96, 64 + row % 3 * 16), colour_of(row)).save(out, "WEBP", quality=90)
    return out.getvalue()


def page_data(n: int = 60, **changes: Any) -> PageData:
    """Three clusters far apart, the last two rows in none; row 5 has no picture."""
    rng = np.random.default_rng(0)
    clusters = np.arange(n, dtype=np.int32) % 3
    spots = np.array([[-4, -3, 0], [4, -2, 1], [0, 4, -1]])[clusters]
    coords = (spots + rng.normal(size=(n, 3)) * 0.8).astype(np.float32)
    clusters[-2:] = -1
    columns: dict[str, list[Scalar | None]] = {
        "title": [f"{NAMES[row % 3][:-1]} number {row}" for row in range(n)],
        "gender": ["Women" if row % 3 == 0 else "Men" for row in range(n)],
        "year": [2010 + row % 4 for row in range(n)],
        "note": [None if row % 2 else f"note {row}" for row in range(n)],
    }
    distance = ((coords[:, None] - coords[None]) ** 2).sum(axis=2)
    values: dict[str, Any] = {
        "title": "Sixty things",
        "collection": "things_photo",
        "encoder": "hashing (64)",
        "ids": [f"id-{row}" for row in range(n)],
        "layouts": {2: coords[:, :2].copy(), 3: coords},
        "clusters": clusters,
        "named": [
            PageCluster(
                k, NAMES[k], int((clusters == k).sum()), "keywords", ["one", "two"], [k, k + 3]
            )
            for k in range(3)
        ],
        "columns": columns,
        "text_fields": ["title", "gender"],
        "links": [None if row == 5 else f"https://example.com/{row}.jpg" for row in range(n)],
        "thumbnails": [None if row == 5 else picture_of(row) for row in range(n)],
        "neighbours": np.argsort(distance, axis=1, kind="stable")[:, 1:13].astype(np.int32),
        "facts": {"Silhouette": "0.42", "Made": "2026-01-01"},
        "credit": "Pictures by the tests.",
    }
    return PageData(**(values | changes))
