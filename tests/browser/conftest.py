"""One Chromium for all tests of the page, and the page most of them open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from embclust.page import build_page
from tests.browser.viewer import chromium, launch
from tests.page.pages import page_data

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium with WebGL in software."""
    if chromium() is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs Chromium or Chrome")
        pytest.skip("no Chromium on this machine")
    expect.set_options(timeout=20_000)
    with sync_playwright() as driver:
        made = launch(driver)
        yield made
        made.close()


@pytest.fixture(scope="session")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of tests.page.pages: 60 points, 2D and 3D, pictures."""
    path = tmp_path_factory.mktemp("things") / "map.html"
    path.write_bytes(build_page(page_data(), 25_000_000).html)
    return path


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where screenshots go, to be looked at."""
    folder = Path(__file__).parents[2] / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder
