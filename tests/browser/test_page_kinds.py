"""Other pages and other browsers: no pictures, pictures beside the page, no WebGL, hostile data."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from embclust.page import PageCluster, PageData, build_page
from tests.browser.hostile import HOSTILE
from tests.browser.viewer import opened
from tests.page.pages import page_data, picture_of

pytestmark = pytest.mark.browser

MAX = 25_000_000


def test_without_pictures_text_stands_alone(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "map.html"
    path.write_bytes(build_page(page_data(thumbnails=None, links=None), MAX).html)
    with opened(browser, path, "#pin=id-7&tab=item") as viewer:
        panel = viewer.page.locator("#panel-item")
        assert panel.locator("h2").inner_text() == "Hat number 7"
        expect(viewer.page.locator(".picture, .frame")).to_have_count(0)
        assert "number" in panel.locator(".tiles button").first.inner_text()
        viewer.page.locator("#tab-points").click()
        expect(viewer.page.locator(".point")).to_have_count(60)
        expect(viewer.page.locator(".picture")).to_have_count(0)
        viewer.assert_clean()


def test_one_dimension_has_no_switch(browser: Browser, tmp_path: Path) -> None:
    data = page_data()
    path = tmp_path / "map.html"
    path.write_bytes(build_page(page_data(layouts={2: data.layouts[2]}), MAX).html)
    with opened(browser, path) as viewer:
        expect(viewer.page.locator("[data-dims]")).to_have_count(0)
        expect(viewer.page.locator(".label:visible")).to_have_count(3)
        viewer.page.keyboard.press("3")
        viewer.settle()
        expect(viewer.page.locator(".label:visible")).to_have_count(3)
        viewer.assert_clean()


def test_pictures_beside_the_page(browser: Browser, tmp_path: Path) -> None:
    bare = len(build_page(page_data(thumbnails=[None] * 60), MAX).html)
    built = build_page(page_data(), bare + 3_500, sidecar_dir="map files")
    assert built.sidecar
    for name, content in built.sidecar.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    path = tmp_path / "map.html"
    path.write_bytes(built.html)
    with opened(browser, path, "#pin=id-7&tab=item") as viewer:
        assert "lie beside the page" in viewer.page.locator(".notes").inner_text()
        viewer.page.wait_for_selector("#panel-item .frame canvas[data-painted]")
        viewer.assert_clean()


def test_without_webgl_the_rest_works(browser: Browser, things: Path) -> None:
    script = """
      const before = HTMLCanvasElement.prototype.getContext;
      HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
        return /webgl/.test(kind) ? null : before.call(this, kind, ...rest);
      };"""
    with opened(browser, things, script=script, wait=False) as viewer:
        page = viewer.page
        page.get_by_role("alert").wait_for()
        assert "WebGL" in page.get_by_role("alert").inner_text()
        page.get_by_label("Search the points").fill("hat")
        page.locator(".chip").wait_for()
        page.locator(".point").first.click()
        page.locator("#panel-item h2").wait_for()
        viewer.assert_clean()


def test_a_lost_context_is_said_and_can_be_mended(browser: Browser, things: Path) -> None:
    with opened(browser, things, "#dims=2&pin=id-7") as viewer:
        page = viewer.page
        page.evaluate("contexts.at(-1).getExtension('WEBGL_lose_context').loseContext()")
        page.get_by_role("alert").wait_for()
        page.get_by_role("button", name="Load again").click()
        page.get_by_role("alert").wait_for(state="detached")
        viewer.settle()
        assert page.locator("main.map").get_attribute("data-lit") == "60"
        expect(page.locator(".label:visible")).to_have_count(3)


def test_everything_unclustered_and_a_single_point(browser: Browser, tmp_path: Path) -> None:
    one = PageData(
        title="One",
        collection="one",
        encoder="e",
        ids=["only"],
        layouts={3: np.zeros((1, 3), np.float32)},
        clusters=np.array([-1], np.int32),
        named=[],
        columns={},
    )
    path = tmp_path / "map.html"
    path.write_bytes(build_page(one, MAX).html)
    with opened(browser, path) as viewer:
        page = viewer.page
        assert page.locator(".group-name .text").all_inner_texts() == ["Unclustered"]
        box = page.locator("main.map").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.locator(".card h2", has_text="only").wait_for()
        viewer.assert_clean()


def hostile_data(turn: int) -> PageData:
    """Every hostile string in every place where a table, a model or a setting can put one.

    A page has at most 40 columns: `turn` says with which string their names begin.
    """
    n = len(HOSTILE)
    coords = np.random.default_rng(1).normal(size=(n, 3)).astype(np.float32)
    names = [HOSTILE[(turn + k) % n] for k in range(38)]
    data = page_data(
        n=n,
        title=HOSTILE[turn],
        collection=HOSTILE[turn + 1],
        encoder=HOSTILE[turn + 2],
        ids=list(HOSTILE),
        layouts={2: coords[:, :2].copy(), 3: coords},
        clusters=np.arange(n, dtype=np.int32),
        named=[
            PageCluster(k, HOSTILE[-1 - k], 1, HOSTILE[k], [HOSTILE[k - 1], HOSTILE[k - 2]], [k])
            for k in range(n)
        ],
        columns={
            "text": list(HOSTILE),
            **{
                name: [HOSTILE[(row // 9 + k) % n] for row in range(n)]
                for k, name in enumerate(names)
            },
            "long": ["<b>" * 40_000, *HOSTILE[1:]],
        },
        text_fields=["text", names[0], "long"],
        links=[
            text if row % 2 else f"https://example.com/{text}" for row, text in enumerate(HOSTILE)
        ],
        thumbnails=[picture_of(row) for row in range(n)],
        facts={text: HOSTILE[-1 - k] for k, text in enumerate(HOSTILE)},
        warnings=list(HOSTILE),
        credit=HOSTILE[turn + 3],
    )
    return replace(data, neighbours=None)


def test_these_strings_do_run_where_nothing_stops_them(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "naive.html"
    path.write_text("".join(f"<p>{text}" for text in HOSTILE[6:10]), "utf-8")
    with opened(browser, path, wait=False) as viewer:
        viewer.page.wait_for_function("window.ran === 1")
        assert any("evil.example" in url for url in viewer.requests)


@pytest.mark.parametrize("turn", [0, 38])
def test_hostile_text_stays_text(
    browser: Browser, tmp_path: Path, screenshots: Path, turn: int
) -> None:
    assert len(set(HOSTILE)) >= 60
    path = tmp_path / "map.html"
    path.write_bytes(build_page(hostile_data(turn), MAX).html)
    with opened(browser, path, "#q=<script>ran=1</script>&f.=<img src=x onerror=ran=1>") as viewer:
        page = viewer.page
        expect(page.locator(".group")).to_have_count(len(HOSTILE))
        # All at once: one click after the other takes a minute.
        page.locator(".more").evaluate_all("(all) => all.forEach((button) => button.click())")
        expect(page.locator(".details")).to_have_count(len(HOSTILE))
        assert "<svg onload=ran=1>" in page.locator("#panel-groups").inner_text()
        page.keyboard.press("2")
        viewer.settle()
        for x in range(60, 900, 60):
            page.mouse.move(x, 500)
            page.wait_for_timeout(40)
        page.screenshot(path=screenshots / "hostile.png")
        for colour in page.locator("header select option").all()[:3]:
            page.get_by_label("Colour by").select_option(colour.get_attribute("value"))
            viewer.settle()
        page.locator(".group-name").first.click()
        page.get_by_label("Search the points").fill("<script>ran = 1</script>")
        viewer.settle()
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        viewer.settle()
        page.locator("#tab-points").click()
        expect(page.locator(".point")).to_have_count(60)
        for by in page.get_by_label("Filter by column").locator("option").all()[1:4]:
            page.get_by_label("Filter by column").select_option(by.get_attribute("value"))
        links = 0
        for point in page.locator(".point").all()[::6]:
            page.locator("#tab-points").click()
            point.click()
            viewer.settle()
            for link in page.locator("#panel-item a").all():
                assert str(link.get_attribute("href")).startswith("https://example.com/")
                links += 1
        assert links > 0
        page.get_by_role("button", name="About", exact=True).click()
        page.wait_for_timeout(300)
        with page.expect_download() as waiting:
            page.evaluate("document.querySelector('dialog').close()")
            page.locator("#tab-points").click()
            page.get_by_role("button", name="Save as CSV").click()
        saved = Path(waiting.value.path()).read_text("utf-8-sig")
        cells = [cell for row in csv.reader(io.StringIO(saved)) for cell in row]
        assert any(cell.startswith("'=cmd|") for cell in cells)
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-c", "@"))]
        assert page.evaluate("window.ran") is None
        foreign = (
            "img, iframe, object, embed, form, base, audio, video, details, math, style ~ style"
        )
        expect(page.locator(f"#app :is({foreign})")).to_have_count(0)
        expect(page.locator("script")).to_have_count(4)
        viewer.assert_clean()
