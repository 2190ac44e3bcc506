"""What people do with the page, in a real Chromium."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.viewer import Viewer, opened
from tests.page.pages import NAMES, colour_of, page_data

pytestmark = pytest.mark.browser

DATA = page_data()


def on_map(dims: int) -> list[list[float]]:
    """Positions as the page has them: centred, and scaled alike to -1..1."""
    coords = DATA.layouts[dims].astype(float)
    low, high = coords.min(axis=0), coords.max(axis=0)
    scaled = (coords - (low + high) / 2) / ((high - low).max() / 2)
    flat = np.zeros((len(coords), 3))
    flat[:, :dims] = scaled
    positions: list[list[float]] = flat.tolist()
    return positions


def lonely(places: list[tuple[float, float]], least: float = 16) -> list[int]:
    """Rows with no other point near them on the screen."""
    spots = np.array(places)
    gaps = np.sqrt(((spots[:, None] - spots[None]) ** 2).sum(axis=2)) + np.eye(len(spots)) * 1e9
    return [int(row) for row in np.flatnonzero(gaps.min(axis=1) > least)]


def painted(picture: Locator) -> list[int]:
    """The colour in the middle of a picture, once it is there."""
    picture.page.wait_for_function("(c) => c.dataset.painted", arg=picture.element_handle())
    middle: list[int] = picture.evaluate(
        "(c) => [...c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data]"
    )
    return middle[:3]


def swatch_of(viewer: Viewer, name: str) -> list[int]:
    """The colour of a group in the legend."""
    swatch = viewer.page.locator(".group", has_text=name).first.locator(".swatch")
    text: str = swatch.evaluate("(s) => getComputedStyle(s).backgroundColor")
    return [int(part) for part in text[4:-1].split(",")]


def chips(viewer: Viewer) -> list[str]:
    return viewer.page.locator(".chip .text").all_inner_texts()


def shown(viewer: Viewer) -> str:
    return viewer.page.locator(".status").inner_text()


@pytest.fixture(scope="module")
def both(browser: Browser, things: Path) -> Any:
    """One page that the tests share; each starts it anew from its address."""
    with opened(browser, things) as viewer:
        yield viewer


@pytest.fixture
def viewer(both: Viewer) -> Any:
    both.page.set_viewport_size({"width": 1400, "height": 900})
    # The time makes the address a new one, whatever the test before left; the page ignores it.
    both.page.evaluate("location.hash = `theme=light&now=${performance.now()}`")
    both.settle()
    yield both
    both.assert_clean()


def test_it_draws_every_cluster_in_its_colour_with_its_name(viewer: Viewer) -> None:
    page = viewer.page
    assert page.title() == "Sixty things"
    assert page.locator("h1").inner_text() == "Sixty things"
    assert "60 points · 3 clusters" in page.locator(".headline p").first.inner_text()
    assert page.locator(".fact").all_inner_texts() == ["Silhouette 0.42", "Made 2026-01-01"]
    names = page.locator(".group-name .text").all_inner_texts()
    assert sorted(names) == sorted([*NAMES, "Unclustered"])
    assert names[-1] == "Unclustered"
    assert page.locator("main.map").get_attribute("data-lit") == "60"
    swatches = page.locator(".group .swatch").evaluate_all(
        "(all) => all.map((s) => getComputedStyle(s).backgroundColor)"
    )
    assert len(set(swatches)) == 4
    for dims in (2, 3):
        page.keyboard.press(str(dims))
        viewer.settle()
        places = viewer.places(on_map(dims))
        spots = viewer.colours(places)
        alone = [row for row in lonely(places) if not viewer.covered(places[row])]
        assert len(alone) >= 6
        for row in alone:
            name = NAMES[row % 3] if row < 58 else "Unclustered"
            assert spots[row] == pytest.approx(swatch_of(viewer, name), abs=3), row


def test_nothing_of_plotlys_own_is_offered(viewer: Viewer) -> None:
    expect(viewer.page.locator(".modebar-btn")).to_have_count(0)
    expect(viewer.page.get_by_text("Share")).to_have_count(0)
    expect(viewer.page.locator("script[src], iframe, link[rel=stylesheet]")).to_have_count(0)


@pytest.mark.parametrize("dims", [2, 3])
def test_hover_shows_the_point_under_the_pointer(viewer: Viewer, dims: int) -> None:
    page = viewer.page
    page.keyboard.press(str(dims))
    viewer.settle()
    places = viewer.places(on_map(dims))
    card = page.locator(".card")
    rows = lonely(places)[:6]
    assert len(rows) >= 4
    for row in rows:
        page.mouse.move(*places[row])
        card.locator("h2", has_text=str(DATA.columns["title"][row])).wait_for()
        assert card.locator(".in-cluster").inner_text() in [*NAMES, "Unclustered"]
        assert str(DATA.columns["gender"][row]) in card.locator("dl").inner_text()
        if row != 5:
            assert painted(card.locator("canvas.picture")) == pytest.approx(colour_of(row), abs=9)
        box = card.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= 1400
        assert box["y"] + box["height"] <= 900
    page.mouse.move(700, 20)
    card.wait_for(state="hidden")


def test_a_point_without_a_picture_has_a_placeholder_and_no_link(viewer: Viewer) -> None:
    page = viewer.page
    page.evaluate("location.hash = 'pin=id-5&tab=item'")
    viewer.settle()
    panel = page.locator("#panel-item")
    assert panel.locator("h2").inner_text() == "Bag number 5"
    expect(panel.locator(".frame .picture.none")).to_have_count(1)
    expect(panel.locator("a")).to_have_count(0)


def test_a_click_pins_with_neighbours_that_can_be_clicked(viewer: Viewer) -> None:
    page = viewer.page
    page.keyboard.press("2")
    viewer.settle()
    places = viewer.places(on_map(2))
    row = lonely(places)[0]
    page.mouse.click(*places[row])
    viewer.settle()
    panel = page.locator("#panel-item")
    assert panel.locator("h2").inner_text() == DATA.columns["title"][row]
    assert f"id {DATA.ids[row]}" in panel.inner_text()
    assert DATA.neighbours is not None
    near = [str(DATA.columns["title"][n]) for n in DATA.neighbours[row]]
    tiles = panel.locator(".tiles button")
    assert tiles.evaluate_all("(all) => all.map((b) => b.title)") == near
    link = panel.locator("a")
    assert link.get_attribute("href") == f"https://example.com/{row}.jpg"
    assert link.get_attribute("rel") == "noopener noreferrer nofollow"
    assert link.get_attribute("target") == "_blank"
    tiles.nth(2).click()
    viewer.settle()
    assert panel.locator("h2").inner_text() == near[2]
    page.keyboard.press("Escape")
    viewer.settle()
    assert page.locator("#panel-groups").is_visible()


def test_a_drag_that_starts_on_a_point_pins_nothing(viewer: Viewer) -> None:
    page = viewer.page
    places = viewer.places(on_map(3))
    page.mouse.move(*places[lonely(places)[0]])
    page.mouse.down()
    page.mouse.move(700, 500, steps=4)
    page.mouse.up()
    viewer.settle()
    assert page.locator("#panel-groups").is_visible()
    turned = viewer.places(on_map(3))
    assert max(abs(a[0] - b[0]) for a, b in zip(places, turned, strict=True)) > 10


def test_a_drag_that_ends_outside_the_map_is_over(viewer: Viewer) -> None:
    page = viewer.page
    page.mouse.move(500, 500)
    page.mouse.down()
    page.mouse.move(1300, 500, steps=4)
    page.mouse.up()
    viewer.settle()
    places = viewer.places(on_map(3))
    inside = [row for row in lonely(places) if 20 < places[row][0] < 1000]
    page.mouse.move(*places[inside[0]])
    page.locator(".card h2", has_text=str(DATA.columns["title"][inside[0]])).wait_for()


def test_a_cluster_is_isolated_added_to_and_let_go(viewer: Viewer) -> None:
    page = viewer.page
    page.get_by_role("button", name="Hats 19").click()
    viewer.settle()
    assert chips(viewer) == ["Cluster: Hats"]
    assert shown(viewer) == "19 of 60 shown"
    page.get_by_role("button", name="Shoes 20").click(modifiers=["Control"])
    viewer.settle()
    assert shown(viewer) == "39 of 60 shown"
    page.locator(".chip").first.click()
    viewer.settle()
    assert len(chips(viewer)) == 1
    page.keyboard.press("Escape")
    viewer.settle()
    expect(page.locator(".chip")).to_have_count(0)


def test_pointing_at_a_cluster_lights_it_alone(viewer: Viewer) -> None:
    page = viewer.page
    page.get_by_role("button", name="Bags").first.hover()
    viewer.settle()
    assert page.locator("main.map").get_attribute("data-lit") == "19"
    places = viewer.places(on_map(3))
    spots = viewer.colours(places)
    bags = swatch_of(viewer, "Bags")
    for row in lonely(places):
        assert (spots[row] == pytest.approx(bags, abs=3)) == (row % 3 == 2 and row < 58)
    page.mouse.move(600, 500)
    viewer.settle()
    assert page.locator("main.map").get_attribute("data-lit") == "60"


def test_a_clusters_card_says_what_sets_it_apart(viewer: Viewer) -> None:
    page = viewer.page
    page.get_by_role("button", name="About Shoes").click()
    details = page.locator(".details")
    assert "one, two" in details.inner_text()
    assert "gender = Women" in details.locator(".lifts").inner_text()
    expect(details.locator(".tiles button")).to_have_count(2)
    details.locator(".tiles button").first.click()
    viewer.settle()
    assert page.locator("#panel-item h2").inner_text() == "Shoe number 0"


def test_groups_sort_by_size_or_name(viewer: Viewer) -> None:
    page = viewer.page
    page.get_by_label("Sort groups").select_option("name")
    viewer.settle()
    names = page.locator(".group-name .text").all_inner_texts()
    assert names == ["Bags", "Hats", "Shoes", "Unclustered"]


def test_search_finds_counts_and_lists(viewer: Viewer) -> None:
    page = viewer.page
    page.keyboard.press("/")
    page.keyboard.type("hat NUMBER 1")
    viewer.settle()
    hits = [t for t in DATA.columns["title"] if t and str(t).startswith("Hat number 1")]
    more = [t for t in DATA.columns["title"] if t and str(t).startswith("Hat") and "1" in str(t)]
    assert chips(viewer) == [f"“hat NUMBER 1”: {len(more)} hits"]
    assert set(hits) <= set(page.locator(".point .text").all_inner_texts()) == set(more)
    page.locator(".point").first.click()
    viewer.settle()
    assert page.locator("#panel-item h2").inner_text() == more[0]
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    viewer.settle()
    expect(page.locator(".chip")).to_have_count(0)
    assert page.get_by_label("Search the points").input_value() == ""


def test_nothing_found_is_said(viewer: Viewer) -> None:
    viewer.page.get_by_label("Search the points").fill("zzz")
    viewer.settle()
    assert shown(viewer) == "0 of 60 shown"
    assert "Nothing matches" in viewer.page.locator("#panel-points").inner_text()


def test_colour_by_category_and_by_number(viewer: Viewer) -> None:
    page = viewer.page
    colour = page.get_by_label("Colour by")
    assert "Colour: title" not in colour.inner_text()
    colour.select_option("gender")
    viewer.settle()
    assert page.locator(".group-name .text").all_inner_texts() == ["Men", "Women"]
    page.get_by_role("button", name="Women").first.click()
    colour.select_option("year")
    viewer.settle()
    assert page.locator(".group-name .text").all_inner_texts() == ["2010", "2011", "2012", "2013"]
    page.get_by_role("button", name="2011 15").click()
    viewer.settle()
    assert chips(viewer) == ["gender: Women", "year: 2011"]
    expected = [r for r in range(60) if r % 3 == 0 and r % 4 == 1]
    assert shown(viewer) == f"{len(expected)} of 60 shown"


@pytest.mark.parametrize("tool", ["Box", "Lasso"])
def test_selection_on_the_flat_map_and_its_csv(viewer: Viewer, tool: str) -> None:
    page = viewer.page
    page.keyboard.press("2")
    viewer.settle()
    places = viewer.places(on_map(2))
    wanted = [row for row in range(60) if row % 3 == 1]
    xs, ys = zip(*(places[row] for row in wanted), strict=True)
    left, right, top, bottom = min(xs) - 9, max(xs) + 9, min(ys) - 9, max(ys) + 9
    inside = [r for r, (x, y) in enumerate(places) if left < x < right and top < y < bottom]
    page.get_by_role("button", name=tool).click()
    page.mouse.move(left, top)
    page.mouse.down()
    corners = (
        [(right, top), (right, bottom), (left, bottom)] if tool == "Lasso" else [(right, bottom)]
    )
    for corner in corners:
        page.mouse.move(*corner, steps=5)
    page.mouse.up()
    viewer.settle()
    assert set(wanted) <= set(inside)
    assert chips(viewer) == [f"Selection: {len(inside)} points"]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save as CSV").click()
    assert waiting.value.suggested_filename == "things_photo.csv"
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text("utf-8-sig"))))
    assert [row["id"] for row in rows] == [DATA.ids[row] for row in inside]
    assert rows[0]["cluster_name"] in [*NAMES, "Unclustered"]
    assert rows[0]["title"] == DATA.columns["title"][inside[0]]


def test_the_flat_map_pans_zooms_and_comes_back(viewer: Viewer) -> None:
    page = viewer.page
    page.keyboard.press("2")
    viewer.settle()
    at = on_map(2)
    before = viewer.places(at)
    page.mouse.move(300, 700)
    page.mouse.down()
    page.mouse.move(340, 670, steps=4)
    page.mouse.up()
    viewer.settle()
    after = viewer.places(at)
    assert after[7] == pytest.approx((before[7][0] + 40, before[7][1] - 30), abs=0.5)
    page.mouse.move(*after[7])
    page.mouse.wheel(0, -300)
    viewer.settle()
    zoomed = viewer.places(at)
    # The pointer's place is a whole pixel, and what lies half a pixel beside it moves.
    assert zoomed[7] == pytest.approx(after[7], abs=1.5)
    assert abs(zoomed[8][0] - zoomed[7][0]) > 1.5 * abs(after[8][0] - after[7][0])
    page.keyboard.press("r")
    viewer.settle()
    assert viewer.places(at)[7] == pytest.approx(before[7], abs=0.5)


def test_names_lie_on_the_flat_map_without_overlap(viewer: Viewer) -> None:
    page = viewer.page
    expect(page.locator(".label:visible")).to_have_count(0)
    page.keyboard.press("2")
    viewer.settle()
    labels = page.locator(".label:visible")
    assert sorted(labels.all_inner_texts()) == sorted(NAMES)
    boxes = labels.evaluate_all(
        "(all) => all.map((e) => e.getBoundingClientRect())"
        ".map((r) => [r.left, r.top, r.right, r.bottom])"
    )
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    places = viewer.places(on_map(2))
    for box, name in zip(boxes, labels.all_inner_texts(), strict=True):
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        assert middle == pytest.approx(places[NAMES.index(name)], abs=1.5)


def test_the_address_shows_the_same_view_to_others(
    viewer: Viewer, browser: Browser, things: Path
) -> None:
    page = viewer.page
    page.keyboard.press("2")
    page.get_by_role("button", name="Shoes 20").click()
    page.get_by_label("Colour by").select_option("gender")
    page.get_by_label("Search the points").fill("number")
    viewer.settle()
    page.locator(".point").nth(3).click()
    page.locator("main.map").focus()
    page.keyboard.press("+")
    viewer.settle()
    page.wait_for_function("location.hash.includes('camera=')")
    places = viewer.places(on_map(2))
    title = page.locator("#panel-item h2").inner_text()
    with opened(browser, things, page.evaluate("location.hash")) as other:
        assert other.page.locator("#panel-item h2").inner_text() == title
        assert chips(other) == chips(viewer)
        assert shown(other) == "20 of 60 shown"
        assert other.page.get_by_label("Colour by").input_value() == "gender"
        assert other.places(on_map(2))[0] == pytest.approx(places[0], abs=1)
        other.assert_clean()


def test_keys_reach_everything(viewer: Viewer) -> None:
    page = viewer.page
    reached = set()
    for _ in range(24):
        page.keyboard.press("Tab")
        tag, name, outline = page.evaluate(
            "(() => { const e = document.activeElement; return [e.tagName,"
            "e.getAttribute('aria-label') || e.innerText, getComputedStyle(e).outlineStyle]; })()"
        )
        if tag == "BODY":  # once around
            continue
        assert outline == "solid", name
        reached.add(name.split("\n")[0])
    for name in ("Search the points", "2D", "Colour by", "About", "Whole map", "Clusters", "Hats"):
        assert name in reached
    page.locator("main.map").focus()
    before = viewer.places(on_map(3))[0]
    page.keyboard.press("ArrowRight")
    viewer.settle()
    assert viewer.places(on_map(3))[0] != pytest.approx(before, abs=2)
    page.locator("#tab-groups").focus()
    page.keyboard.press("ArrowRight")
    viewer.settle()
    assert page.locator("#panel-points").is_visible()


def test_about_tells_what_was_made_from_what(viewer: Viewer) -> None:
    page = viewer.page
    page.get_by_role("button", name="About", exact=True).click()
    text = page.locator("dialog").inner_text()
    for part in ("things_photo", "hashing (64)", "Silhouette", "0.42", "2026-01-01", "Pictures by"):
        assert part in text
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_light_and_dark(viewer: Viewer) -> None:
    page = viewer.page

    def brightness() -> float:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour[4:-1].split(","))) / 3

    assert brightness() > 200
    page.get_by_role("button", name="Colours: light. Change").click()
    viewer.settle()
    assert brightness() < 60


def test_fifty_switches_keep_one_map(viewer: Viewer) -> None:
    page = viewer.page
    page.set_viewport_size({"width": 800, "height": 300})
    for turn in range(50):
        dims = "23"[turn % 2]
        before = page.locator("main.map").get_attribute("data-drawn")
        page.keyboard.press(dims)
        page.wait_for_function(
            "(before) => document.querySelector('main.map').dataset.drawn !== before", arg=before
        )
    viewer.settle()
    expect(page.locator(".label:visible")).to_have_count(0)
    live = page.evaluate("contexts.filter((c) => !c.isContextLost()).length")
    assert 1 <= live <= 4


@pytest.mark.parametrize("size", [(1024, 700), (390, 844), (700, 450)])
def test_it_fits_the_window(viewer: Viewer, size: tuple[int, int], screenshots: Path) -> None:
    page = viewer.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.keyboard.press("2")
    viewer.settle()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    places = viewer.places(on_map(2))
    box = page.locator("main.map").bounding_box()
    assert box is not None
    assert all(box["x"] < x < box["x"] + box["width"] for x, _ in places)
    assert all(box["y"] < y < box["y"] + box["height"] for _, y in places)
    page.screenshot(path=screenshots / f"things-{size[0]}.png", full_page=True)
