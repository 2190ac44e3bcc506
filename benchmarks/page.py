"""The page: its size, how soon it draws, how soon a card is there, how soon a search is answered.

    python -m benchmarks.page [--points 1500 10000 100000] [--folder KEEP]

1,500 and 10,000 points have thumbnails (pictures with the detail of photographs), 100,000 have
none; all have a name, four columns, both maps and 12 neighbours each. Each page is opened from
its file in headless Chromium with WebGL in software, three times at each dimension; the medians
are shown. `draw` is from the start of loading to the first frame with all points on it, `hover`
from the pointer's coming to a painted card (its picture decoded), `search` from the last
letter to the list and the map that show the hits, `filter` from a click on a cluster to the map.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.measure import print_table
from embclust.page import PageCluster, PageData, build_page
from tests.browser.viewer import PLACES, launch, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.viewer import Viewer

MAX_BYTES = 25_000_000
WITH_PICTURES = 20_000
CLUSTERS = 24
RUNS = 3

# Resolves once the browser has painted what was there when it was called.
PAINTED = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


def thumbnail(seed: int) -> bytes:
    """128 pixels with smooth shapes and fine noise, as the program keeps them."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((128, 128), Image.Resampling.BICUBIC), dtype=np.int16)
    noise = rng.normal(0, 6, (128, 128, 1)).astype(np.int16)
    out = io.BytesIO()
    picture = Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))
    picture.save(out, "WEBP", quality=80, method=0)
    return out.getvalue()


def made_up(n: int) -> PageData:
    """Product-like rows in clusters of unlike sizes, 2 % in none."""
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(CLUSTERS, 3.0))
    clusters = rng.choice(CLUSTERS, n, p=shares).astype(np.int32)
    spread = rng.normal(size=(CLUSTERS, 3)) * 3
    coords = (spread[clusters] + rng.normal(size=(n, 3))).astype(np.float32)
    clusters[rng.random(n) < 0.02] = -1
    words = [f"word{i}" for i in range(5000)]
    picked = rng.integers(0, len(words), (n, 5))
    return PageData(
        title=f"{n:,} products",
        collection="products_photo",
        encoder="made up",
        ids=[str(10_000 + i) for i in range(n)],
        layouts={2: coords[:, :2].copy(), 3: coords},
        clusters=clusters,
        named=[
            PageCluster(
                number=k,
                name=f"Kind {k}",
                size=int((clusters == k).sum()),
                source="keywords",
                keywords=words[k : k + 6],
                medoid_rows=np.flatnonzero(clusters == k)[:8].tolist(),
            )
            for k in range(CLUSTERS)
        ],
        columns={
            "name": [" ".join(words[j] for j in row) for row in picked],
            "brand": [f"Brand {i}" for i in rng.integers(0, 80, n)],
            "colour": [("red", "blue", "green")[i] for i in rng.integers(0, 3, n)],
            "year": rng.integers(2000, 2026, n).tolist(),
            "price": np.round(rng.gamma(2, 40, n), 2).tolist(),
        },
        text_fields=["name", "brand"],
        thumbnails=[thumbnail(i) for i in range(n)] if n <= WITH_PICTURES else None,
        neighbours=rng.integers(0, n, (n, 12)).astype(np.int32),
        facts={"silhouette": "0.31", "trustworthiness": "0.97"},
    )


def measure(browser: Browser, page: Path, data: PageData, dims: int) -> dict[str, float]:
    """Seconds of one visit."""
    with opened(browser, page, f"#dims={dims}", size=(1400, 900), wait=False) as viewer:
        viewer.page.set_default_timeout(120_000)
        viewer.page.wait_for_selector("main.map[data-drawn]", state="attached")
        viewer.page.evaluate(PAINTED)
        # Both ends on the page's own clock, which starts with the loading.
        seconds = {"draw": viewer.page.evaluate("performance.now()") / 1000}
        viewer.settle()
        seconds["hover"] = hover(viewer, data, dims)
        box = viewer.page.get_by_label("Search the points")
        seconds["search"] = answered(viewer, lambda: box.fill("word12"), ".chip")
        viewer.page.keyboard.press("Escape")
        viewer.settle()
        viewer.page.locator("#tab-groups").click()
        viewer.settle()
        first = viewer.page.locator(".group-name").first
        seconds["filter"] = answered(viewer, first.click, ".chip")
        viewer.assert_clean()
    return seconds


def hover(viewer: Viewer, data: PageData, dims: int) -> float:
    """The median over places all over the map."""
    coords = data.layouts[dims].astype(float)
    low, high = coords.min(axis=0), coords.max(axis=0)
    at = np.zeros((len(coords), 3))
    at[:, :dims] = (coords - (low + high) / 2) / ((high - low).max() / 2)
    rows = np.linspace(0, len(at) - 1, 9).astype(int)
    card = viewer.page.locator(".card:visible")
    ready = ".card:not([hidden]) h2"
    if data.thumbnails is not None:
        ready = ".card:not([hidden]) canvas[data-painted]"
    taken = []
    for x, y in viewer.page.evaluate(PLACES, at[rows].tolist()):
        viewer.page.mouse.move(2, 80)
        card.wait_for(state="hidden")
        started = time.perf_counter()
        viewer.page.mouse.move(x, y)
        viewer.page.wait_for_selector(ready)
        viewer.page.evaluate(PAINTED)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def answered(viewer: Viewer, act: object, sign: str) -> float:
    """From an action to a map drawn anew and `sign` on the page."""
    assert callable(act)
    before = viewer.page.locator("main.map").get_attribute("data-drawn")
    started = time.perf_counter()
    act()
    viewer.page.wait_for_function(
        "([before, sign]) => document.querySelector(sign) &&"
        "document.querySelector('main.map').dataset.drawn !== before",
        arg=[before, sign],
    )
    viewer.page.evaluate(PAINTED)
    return time.perf_counter() - started


def row(browser: Browser, folder: Path, n: int) -> list[list[object]]:
    data = made_up(n)
    started = time.perf_counter()
    built = build_page(data, MAX_BYTES)
    seconds = time.perf_counter() - started
    page = folder / f"page-{n}.html"
    page.write_bytes(built.html)
    lines: list[list[object]] = []
    for dims in (3, 2):
        visits = [measure(browser, page, data, dims) for _ in range(RUNS)]
        medians = {key: statistics.median(visit[key] for visit in visits) for key in visits[0]}
        lines.append(
            [
                f"{n:,}",
                f"{dims}D",
                f"{len(built.html) / 1e6:.1f}",
                f"{built.thumbnails:,}",
                f"{seconds:.1f}",
                *(f"{medians[key]:.2f}" for key in ("draw", "hover", "search", "filter")),
            ]
        )
    for note in built.notes:
        print(f"{n:,}: {note}")
    return lines


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, nargs="+", default=[1500, 10_000, 100_000])
    parser.add_argument("--folder", type=Path, help="keep the pages there")
    chosen = parser.parse_args()
    heads = ["points", "map", "MB", "pictures", "build s"]
    heads += ["draw s", "hover s", "search s", "filter s"]
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        folder = chosen.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        browser = launch(driver)
        lines = [line for n in chosen.points for line in row(browser, folder, n)]
        browser.close()
    print_table(heads, lines)


if __name__ == "__main__":
    main()
