"""The page on real photographs: the right picture for every point, and screenshots to look at."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from embclust.page import PageCluster, PageData, build_page
from tests.browser.viewer import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

FASHION = Path(__file__).parents[2] / "../shared/data/fashion"
ROWS = 400


def thumbnail(path: Path) -> bytes:
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((128, 128))
    out = io.BytesIO()
    small.save(out, "WEBP", quality=80)
    return out.getvalue()


def fashion() -> PageData:
    """Real rows and photographs, laid out by the principal components of tiny versions."""
    with (FASHION / "fashion.csv").open(encoding="utf-8") as table:
        rows = [row for row, _ in zip(csv.DictReader(table), range(ROWS), strict=False)]
    thumbs = [thumbnail(FASHION / row["imageUrl"]) for row in rows]
    pixels = np.stack(
        [np.asarray(Image.open(io.BytesIO(t)).resize((12, 16))).ravel() / 255 for t in thumbs]
    )
    left, scale, _ = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)
    coords = (left * scale)[:, :3].astype(np.float32)
    distance = ((coords[:, None] - coords[None]) ** 2).sum(axis=2)
    kinds = sorted({row["subCategory"] for row in rows})
    clusters = np.array([kinds.index(row["subCategory"]) for row in rows], np.int32)
    members = [np.flatnonzero(clusters == k) for k in range(len(kinds))]
    return PageData(
        title="Fashion products",
        collection="fashion_imageUrl",
        encoder="tiny pixels",
        ids=[row["id"] for row in rows],
        layouts={2: coords[:, :2].copy(), 3: coords},
        clusters=clusters,
        named=[
            PageCluster(k, kind, len(members[k]), "subCategory", [], members[k][:8].tolist())
            for k, kind in enumerate(kinds)
        ],
        columns={
            name: [row[name] for row in rows]
            for name in ("productDisplayName", "gender", "articleType", "baseColour", "year")
        },
        text_fields=["productDisplayName"],
        thumbnails=thumbs,
        neighbours=np.argsort(distance, axis=1, kind="stable")[:, 1:13].astype(np.int32),
    )


@pytest.mark.skipif(not FASHION.exists(), reason="../shared/data/fashion is not here")
def test_real_photographs(browser: Browser, tmp_path: Path, screenshots: Path) -> None:
    data = fashion()
    path = tmp_path / "fashion.html"
    built = build_page(data, 25_000_000)
    assert built.thumbnails == ROWS
    path.write_bytes(built.html)
    with opened(browser, path, "#theme=light") as viewer:
        page = viewer.page
        page.screenshot(path=screenshots / "fashion-3d.png")
        for row in (0, 57, 123, 399):
            page.evaluate(f"location.hash = 'theme=light&tab=item&pin={data.ids[row]}'")
            viewer.settle()
            panel = page.locator("#panel-item")
            assert panel.locator("h2").inner_text() == data.columns["productDisplayName"][row]
            page.wait_for_selector("#panel-item .frame canvas[data-painted]")
            shown = panel.locator(".frame canvas").evaluate(
                "(c) => [c.width, c.height, ...c.getContext('2d')"
                ".getImageData(0, 0, c.width, c.height).data]"
            )
            width, height = shown[:2]
            pixels = np.array(shown[2:], float).reshape(height, width, 4)[:, :, :3]
            original = Image.open(FASHION / "images" / f"{data.ids[row]}.jpg").convert("RGB")
            expected = np.asarray(original.resize((width, height)), float)
            assert np.abs(pixels - expected).mean() < 12
        page.screenshot(path=screenshots / "fashion-pinned.png")
        page.evaluate("location.hash = 'theme=dark&dims=2'")
        viewer.settle()
        box = page.locator("main.map").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_timeout(300)
        page.screenshot(path=screenshots / "fashion-2d-dark.png")
        page.evaluate("location.hash = 'theme=light&dims=2&colour=baseColour'")
        viewer.settle()
        page.get_by_label("Search the points").fill("watch")
        viewer.settle()
        page.wait_for_timeout(300)
        page.screenshot(path=screenshots / "fashion-search.png")
        viewer.assert_clean()
