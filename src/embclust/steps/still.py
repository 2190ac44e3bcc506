"""A still of a page, for papers and chats: drawn by a headless Chromium.

Chromium is spoken to over two pipes in its DevTools protocol
(https://chromedevtools.github.io/devtools-protocol/), so that the picture is taken when the map
is drawn and not after some seconds, and nothing needs to be installed beside the browser.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from embclust.errors import EmbclustError, MissingError, UsageError
from embclust.steps._devtools import Browser, BrowserGoneError
from embclust.workspace import make_folder, write_whole

__all__ = ["DEFAULT_SIZE", "draw_still", "find_chromium", "parse_size"]

DEFAULT_SIZE: Final = (1600, 1000)
_NAMES: Final = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_SMALLEST, _LARGEST = 200, 8000
_SECONDS: Final = 300
"""For the whole: a large map is slow where there is no graphics card."""

# Resolves once the map was drawn, nothing more was drawn for a while, and a frame was painted.
_DRAWN: Final = """
new Promise((done) => {
  let before;
  const painted = () => requestAnimationFrame(() => requestAnimationFrame(() => done(true)));
  const look = () => {
    const now = document.querySelector("main.map[data-drawn]")?.dataset.drawn;
    if (now !== undefined && now === before) return painted();
    before = now;
    setTimeout(look, 400);
  };
  look();
})
"""


def find_chromium() -> str:
    """Return the browser: CHROME_PATH when that is set, else the first of the usual names.

    Raises UsageError for a CHROME_PATH that is no program, MissingError where there is none.
    """
    wanted = os.environ.get("CHROME_PATH")
    if wanted:
        found = shutil.which(wanted)
        if found is None:
            raise UsageError(f"CHROME_PATH={wanted} is not a program.", "Correct or unset it.")
        return found
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return found
    raise MissingError(
        "--png needs Chromium or Chrome, and none was found.",
        "Install one (Debian: apt install chromium; Fedora: dnf install chromium; macOS: brew "
        "install --cask google-chrome), or set CHROME_PATH to its program.",
    )


def parse_size(text: str) -> tuple[int, int]:
    """'1600x1000' -> (1600, 1000). Raises UsageError."""
    match = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text.strip())
    if match:
        width, height = int(match[1]), int(match[2])
        if min(width, height) >= _SMALLEST and max(width, height) <= _LARGEST:
            return width, height
    raise UsageError(
        f"--png-size {text}: not the size of a picture.",
        f"Give WIDTHxHEIGHT in pixels, {_SMALLEST} to {_LARGEST} each, such as 1600x1000.",
    )


def draw_still(page: Path, png: Path, size: tuple[int, int] = DEFAULT_SIZE) -> None:
    """Write a picture of a page as it opens, once it is drawn; whole or not at all.

    `size`: width and height in pixels. Raises MissingError where there is no browser, and
    EmbclustError when it does not draw the page.
    """
    program = find_chromium()
    with tempfile.TemporaryDirectory(prefix="embclust-", ignore_cleanup_errors=True) as profile:
        try:
            with Browser(program, Path(profile), size, _SECONDS) as browser:
                content = _take(browser, page.resolve().as_uri(), size)
        except BrowserGoneError as error:
            raise EmbclustError(
                f"{program} did not draw {page}: {error}.",
                "Open the page in a browser, or name another one with CHROME_PATH.",
            ) from error
    make_folder(png.parent)
    write_whole(png, content)


def _take(browser: Browser, address: str, size: tuple[int, int]) -> bytes:
    made = browser.ask("Target.createTarget", {"url": "about:blank"})
    attached = browser.ask("Target.attachToTarget", {"targetId": made["targetId"], "flatten": True})
    session = str(attached["sessionId"])

    def ask(method: str, **parameters: Any) -> dict[str, Any]:
        return browser.ask(method, parameters, session)

    width, height = size
    ask(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=height,
        deviceScaleFactor=1,
        mobile=False,
    )
    ask("Page.enable")
    ask("Page.navigate", url=address)
    browser.wait_for("Page.loadEventFired")
    ask("Runtime.evaluate", expression=_DRAWN, awaitPromise=True)
    shot = ask("Page.captureScreenshot", format="png")
    return base64.b64decode(shot["data"])
