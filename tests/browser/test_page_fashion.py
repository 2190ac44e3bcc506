"""The page that the program makes of 1,500 real photographs, feature by feature, as people use it.

The pictures are embedded with the small CLIP of `../shared`; FASHION_BY_NAME=1 embeds
the products' names without a model instead, which is quicker and draws the same pictures.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from tests.browser.viewer import Viewer, opened
from tests.cli.running import good

SHARED = Path(__file__).parents[2] / "../shared"
FASHION = (SHARED / "data/fashion").resolve()
MODEL = (SHARED / "models/fashion-clip").resolve()
BY_NAME = "FASHION_BY_NAME" in os.environ

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (FASHION.is_dir() and MODEL.is_dir()), reason="no ../shared here"),
]


@dataclass(frozen=True)
class Page:
    """A page of the program's, and what is on it."""

    path: Path
    payload: dict[str, Any]

    @property
    def ids(self) -> list[str]:
        ids: list[str] = self.payload["ids"]
        return ids

    def places(self, dims: int) -> list[list[float]]:
        """Positions on the map, as the page has them."""
        packed = base64.b64decode(self.payload["layouts"][str(dims)])
        flat = np.zeros((len(self.ids), 3))
        flat[:, :dims] = np.frombuffer(packed, "<i2").reshape(-1, dims) / 32767
        places: list[list[float]] = flat.tolist()
        return places


@pytest.fixture(scope="module")
def table() -> dict[str, dict[str, str]]:
    with (FASHION / "fashion.csv").open(encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The map in 2D and 3D, made by the commands that a user would type."""
    folder = tmp_path_factory.mktemp("fashion")
    place = ["--workspace", folder / "workspace"]
    fields: list[object] = ["--image", "imageUrl"]
    fields += ["--set", f"encoders.image.model=local-dir:{MODEL}"]
    if BY_NAME:
        fields = ["--text", "productDisplayName", "--set", "encoders.text.kind=hashing"]
    good("index", FASHION / "fashion.csv", "--id", "id", *fields, *place)
    path = folder / "map.html"
    words = ["--text-field", "productDisplayName", "--text-field", "articleType"]
    good("plot", "--k", 12, "--out", path, "--image-field", "imageUrl", *words, *place)
    data = re.search(r'id="page-data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert data
    return Page(path, json.loads(data.group(1)))


@pytest.fixture(scope="module")
def flat(browser: Browser, found: Page) -> Any:
    with opened(browser, found.path, size=(1600, 1000)) as viewer:
        yield viewer


@pytest.fixture
def viewer(flat: Viewer) -> Any:
    flat.page.set_viewport_size({"width": 1600, "height": 1000})
    flat.page.mouse.move(5, 5)
    flat.page.evaluate("location.hash = `theme=light&dims=2&now=${performance.now()}`")
    flat.settle()
    yield flat
    flat.assert_clean()


def pixels_of(picture: Locator) -> np.ndarray[Any, Any]:
    """What a picture's canvas shows, once it is painted."""
    picture.page.wait_for_function("(c) => c.dataset.painted", arg=picture.element_handle())
    width, height, *values = picture.evaluate(
        "(c) => [c.width, c.height, ...c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data]"
    )
    return np.array(values, float).reshape(height, width, 4)[:, :, :3]


def unlikeness(picture: Locator, item_id: str) -> float:
    """Mean difference between a picture on the page and the photograph of an id, 0 to 255."""
    shown = pixels_of(picture)
    with Image.open(FASHION / "images" / f"{item_id}.jpg") as opened_image:
        original = opened_image.convert("RGB").resize((shown.shape[1], shown.shape[0]))
    return float(np.abs(shown - np.asarray(original, float)).mean())


def lonely(places: list[tuple[float, float]], least: float) -> list[int]:
    spots = np.array(places)
    gaps = np.sqrt(((spots[:, None] - spots[None]) ** 2).sum(axis=2)) + np.eye(len(spots)) * 1e9
    return [int(row) for row in np.flatnonzero(gaps.min(axis=1) > least)]


@pytest.mark.parametrize("dims", [2, 3])
def test_the_card_of_a_point_has_its_own_photograph(
    browser: Browser,
    found: Page,
    table: dict[str, dict[str, str]],
    screenshots: Path,
    dims: int,
) -> None:
    with opened(browser, found.path, f"#theme=light&dims={dims}", size=(1600, 1000)) as viewer:
        page = viewer.page
        if dims == 3:  # there and back: the other map leaves nothing behind
            page.keyboard.press("2")
            viewer.settle()
            page.keyboard.press("3")
            viewer.settle()
        assert page.locator("main.map").get_attribute("data-lit") == "1500"
        places = viewer.places(found.places(dims))
        rows = [row for row in lonely(places, 10) if not viewer.covered(places[row])]
        assert len(rows) >= 10
        likeness = []
        for row in rows[:: max(1, len(rows) // 10)][:10]:
            page.mouse.move(*places[row])
            item = table[found.ids[row]]
            card = page.locator(".card")
            card.locator("h2", has_text=item["productDisplayName"]).wait_for()
            assert item["articleType"] in card.inner_text()
            likeness.append(unlikeness(card.locator("canvas"), found.ids[row]))
        assert max(likeness) < 12
        # The measure tells pictures apart: the last card's is not the first row's photograph.
        assert unlikeness(page.locator(".card canvas"), found.ids[rows[0]]) > 12
        page.screenshot(path=screenshots / f"fashion-{dims}d.png")
        viewer.assert_clean()


def test_a_pinned_product_and_its_neighbours(
    viewer: Viewer, found: Page, table: dict[str, dict[str, str]], screenshots: Path
) -> None:
    page = viewer.page
    by_name: dict[str, list[str]] = {}
    for item_id, item in table.items():
        by_name.setdefault(item["productDisplayName"], []).append(item_id)
    for row in (0, 57, 1499):
        page.evaluate(f"location.hash = 'theme=light&dims=2&tab=item&pin={found.ids[row]}'")
        viewer.settle()
        panel = page.locator("#panel-item")
        item = table[found.ids[row]]
        assert panel.locator("h2").inner_text() == item["productDisplayName"]
        assert unlikeness(panel.locator(".frame canvas"), found.ids[row]) < 12
        tiles = panel.locator(".tiles button")
        expect(tiles).to_have_count(12)
        for place in (0, 5, 11):
            tile = tiles.nth(place)
            ids = by_name[str(tile.get_attribute("title"))]
            assert min(unlikeness(tile.locator("canvas"), near) for near in ids) < 12
    page.screenshot(path=screenshots / "fashion-pinned.png")


def test_a_clusters_card_counts_right(
    viewer: Viewer, found: Page, table: dict[str, dict[str, str]], screenshots: Path
) -> None:
    page, payload = viewer.page, found.payload
    largest = max(payload["clusters"], key=lambda cluster: cluster["size"])
    head = page.locator(".group").first
    assert head.locator(".text").inner_text() == largest["name"]
    assert head.locator(".count").inner_text().startswith(f"{largest['size']} · ")
    expect(head.locator(".strip canvas")).to_have_count(5)
    head.locator(".more").click()
    viewer.settle()
    of = np.frombuffer(base64.b64decode(payload["clusterOf"]["data"]), "u1")
    index = payload["clusters"].index(largest)
    members = [table[i] for i, c in zip(payload["ids"], of, strict=True) if c == index]
    assert len(members) == largest["size"]
    lifts = head.locator(".lift")
    assert lifts.count() >= 2
    for text in lifts.all_inner_texts():
        named, factor, share = re.match(r"(.+)\s(\d+(?:\.\d)?)\u00d7 · ([\d.]+) %", text).groups()  # type: ignore[union-attr]
        column, value = named.strip().split(" = ")
        assert column != "id"
        here = sum(item[column] == value for item in members) / len(members)
        everywhere = sum(item[column] == value for item in table.values()) / len(table)
        assert float(share) == pytest.approx(here * 100, abs=0.51), text
        assert float(factor) == pytest.approx(here / everywhere, rel=0.06), text
    page.screenshot(path=screenshots / "fashion-cluster.png")
    column, value = re.match(r"(.+) = (.+?)\s\d", lifts.first.inner_text()).groups()  # type: ignore[union-attr]
    lifts.first.click()
    viewer.settle()
    expected = sum(item[column] == value.strip() for item in table.values())
    assert page.locator(".status").inner_text() == f"{expected:,} of 1,500 shown"
    page.mouse.move(5, 5)  # while the pointer is on a cluster, that one alone is lit
    viewer.settle()
    assert page.locator("main.map").get_attribute("data-lit") == str(expected)


def test_search_filter_and_csv_agree_with_the_table(
    viewer: Viewer, table: dict[str, dict[str, str]], screenshots: Path
) -> None:
    page = viewer.page
    page.get_by_label("Search the points").fill("WATCH")
    viewer.settle()
    searched = ("id", "productDisplayName", "articleType")
    hits = {
        i for i, item in table.items() if any("watch" in item[name].lower() for name in searched)
    }
    assert page.locator(".chip .text").inner_text() == f"“WATCH”: {len(hits)} hits"
    page.get_by_label("Filter by column").select_option("gender")
    women = sum(item["gender"] == "Women" for item in table.values())
    page.get_by_label("Filter by value").select_option(label=f"Women ({women})")
    viewer.settle()
    wanted = {i for i in hits if table[i]["gender"] == "Women"}
    assert page.locator("main.map").get_attribute("data-lit") == str(len(wanted))
    expect(page.locator(".point canvas")).to_have_count(min(60, len(wanted)))
    page.screenshot(path=screenshots / "fashion-search.png")
    for button, expected in (("Save as CSV", wanted), ("Save all", set(table))):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=button).click()
        text = Path(waiting.value.path()).read_text("utf-8-sig")
        rows = {row["id"]: row for row in csv.DictReader(io.StringIO(text))}
        assert set(rows) == expected
        assert all(
            row["productDisplayName"] == table[i]["productDisplayName"] for i, row in rows.items()
        )


def test_colours_have_a_legend_of_their_own(
    viewer: Viewer, table: dict[str, dict[str, str]], screenshots: Path
) -> None:
    page = viewer.page
    page.get_by_label("Colour by").select_option("baseColour")
    viewer.settle()
    black = sum(item["baseColour"] == "Black" for item in table.values())
    first = page.locator(".group").first
    assert first.inner_text().split("\n")[0] == "Black"
    assert first.locator(".count").inner_text().startswith(f"{black} · ")
    page.screenshot(path=screenshots / "fashion-colour.png")
    page.get_by_label("Colour by").select_option("year")
    viewer.settle()
    years = sorted({item["year"] for item in table.values()} - {""})
    assert page.locator(".group-name .text").all_inner_texts()[: len(years)] == years
    page.screenshot(path=screenshots / "fashion-year.png")


def test_points_grow_on_demand(viewer: Viewer) -> None:
    page = viewer.page
    box = page.locator("main.map").bounding_box()
    assert box is not None

    def painted() -> int:
        with Image.open(io.BytesIO(page.locator("main.map").screenshot())) as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        return int((np.ptp(pixels, axis=2) > 40).sum())

    before = painted()
    page.get_by_label("Point size").fill("3")
    viewer.settle()
    assert painted() > 3 * before
    page.wait_for_function("location.hash.includes('size=3')")


VIEWS = {
    "dark": ((1600, 1000), 1, "theme=dark&dims=2"),
    "small": ((1024, 700), 1, "theme=light&dims=2&query=shirt&tab=points"),
    "phone": ((390, 844), 1, "theme=light&dims=2"),
    "zoom-200": ((800, 500), 2, "theme=light&dims=2&colour=gender"),
    "zoom-200-dark": ((640, 400), 2, "theme=dark&dims=2"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_it_reads_well_at_any_size(
    browser: Browser, found: Page, screenshots: Path, name: str
) -> None:
    """Two pixels for one at half the window is what a browser's zoom of 200 % is."""
    size, scale, address = VIEWS[name]
    with opened(browser, found.path, f"#{address}", size=size, device_scale_factor=scale) as viewer:
        page = viewer.page
        page.wait_for_timeout(300)
        page.screenshot(path=screenshots / f"fashion-{name}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        boxes = page.locator("header button, header select, header input, .tools > *").evaluate_all(
            "(all) => all.map((e) => e.getBoundingClientRect()).filter((b) => b.width)"
            ".map((b) => [b.left, b.top, b.right, b.bottom])"
        )
        for i, a in enumerate(boxes):
            assert a[0] >= 0
            assert a[2] <= size[0] + 0.5
            for b in boxes[:i]:
                apart = a[2] <= b[0] + 0.5 or b[2] <= a[0] + 0.5
                assert apart or a[3] <= b[1] + 0.5 or b[3] <= a[1] + 0.5, (a, b)
        spilt = page.locator("header *, .tabs *, .bar *").evaluate_all(
            "(all) => all.filter((e) => e.children.length === 0 && e.clientWidth > 0 &&"
            "e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflow === 'visible')"
            ".map((e) => e.outerHTML.slice(0, 80))"
        )
        assert spilt == []
        viewer.assert_clean()
