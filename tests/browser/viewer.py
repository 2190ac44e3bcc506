"""A page in a real Chromium, watched: what it requests, reports and runs."""

from __future__ import annotations

import io
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Playwright

ARGS: Final = (
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

# Runs before the page's own scripts: records violations and every WebGL context made.
WATCH: Final = """
window.violations = [];
window.contexts = [];
document.addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
const getContext = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  const context = getContext.call(this, kind, ...rest);
  if (/webgl/.test(kind) && context && !contexts.includes(context)) contexts.push(context);
  return context;
};
"""

# Where rows are on the screen, by the matrices that Plotly drew with.
PLACES: Final = """
(rows) => {
  const plot = document.querySelector(".plot");
  const scene = plot._fullLayout.scene._scene;
  const { model, view, projection } = scene.glplot.cameraParams;
  const apply = (m, v) => [0, 1, 2, 3].map((i) =>
    m[i] * v[0] + m[4 + i] * v[1] + m[8 + i] * v[2] + m[12 + i] * v[3]);
  const box = plot.getBoundingClientRect();
  return rows.map((row) => {
    const at = row.map((value, axis) => value * scene.dataScale[axis]);
    const p = apply(projection, apply(view, apply(model, [...at, 1])));
    const [right, up] = [p[0] / p[3], p[1] / p[3]];
    return [box.left + ((right + 1) / 2) * box.width, box.top + ((1 - up) / 2) * box.height];
  });
}
"""


def chromium() -> str | None:
    """The system's Chromium, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    return None


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=chromium(), args=list(ARGS))


class Viewer:
    """One opened page and what was seen of it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.dialogs: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type == "error" else None,
        )
        page.on("dialog", self._dialog)
        page.set_default_timeout(20_000)

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def open(self, path: Path, address: str = "") -> None:
        self.page.goto(path.as_uri() + address)
        self.settle()

    def settle(self) -> None:
        """Wait until the map shows the newest state and has been painted."""
        self.page.wait_for_selector("main.map[data-drawn]")
        before = None
        while True:
            # Longer than the waits of the viewer itself (120 ms), so that nothing is under way.
            self.page.wait_for_timeout(200)
            now = self.page.evaluate(
                "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>"
                "done(document.querySelector('main.map').dataset.drawn))))"
            )
            if now == before:
                return
            before = now

    def places(self, coords: list[list[float]]) -> list[tuple[float, float]]:
        """Screen positions of positions on the map (-1 to 1, three each)."""
        return [(x, y) for x, y in self.page.evaluate(PLACES, coords)]

    def colours(self, places: list[tuple[float, float]]) -> list[list[int]]:
        """What is painted at positions on the screen: red, green, blue."""
        with Image.open(io.BytesIO(self.page.screenshot())) as image:
            shot = image.convert("RGB")
        pixels = np.asarray(shot)
        return [pixels[round(y - 0.5), round(x - 0.5)].tolist() for x, y in places]

    def covered(self, place: tuple[float, float]) -> bool:
        """Whether a name or a button lies on the map there."""
        found: bool = self.page.evaluate(
            "([x, y]) => [...document.querySelectorAll('.label, .over, .card')].some((e) => {"
            "const b = e.getBoundingClientRect();"
            "return x > b.left - 6 && x < b.right + 6 && y > b.top - 6 && y < b.bottom + 6; })",
            list(place),
        )
        return found

    def assert_clean(self) -> None:
        """Nothing was reported, blocked, asked for outside, or popped up."""
        assert self.page.evaluate("violations") == []
        assert self.errors == []
        assert self.dialogs == []
        outside = [u for u in self.requests if not u.startswith(("file:", "data:", "blob:"))]
        assert outside == []


@contextmanager
def opened(
    browser: Browser,
    path: Path,
    address: str = "",
    *,
    size: tuple[int, int] = (1400, 900),
    script: str = "",
    wait: bool = True,
    **context: Any,
) -> Iterator[Viewer]:
    """A page in a fresh context."""
    width, height = size
    made = browser.new_context(viewport={"width": width, "height": height}, **context)
    made.add_init_script(WATCH + script)
    viewer = Viewer(made.new_page())
    try:
        if wait:
            viewer.open(path, address)
        else:
            viewer.page.goto(path.as_uri() + address)
        yield viewer
    finally:
        made.close()
