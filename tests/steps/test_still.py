from __future__ import annotations

import stat
from pathlib import Path

import pytest
from PIL import Image

from embclust.errors import EmbclustError, MissingError, UsageError
from embclust.steps import _devtools, still
from embclust.steps.still import draw_still, find_chromium, parse_size


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(("text", "size"), [("800x600", (800, 600)), (" 1600X900 ", (1600, 900))])
def test_a_size(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "800", "800x", "0x600", "100x600", "800x9000", "axb", "-8x9"])
def test_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="1600x1000"):
        parse_size(text)


def test_where_there_is_no_browser_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CHROME_PATH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(still, "_NAMES", [name for name in still._NAMES if "/" not in name])
    with pytest.raises(MissingError) as caught:
        find_chromium()
    assert caught.value.exit_code == 4
    assert "apt install chromium" in caught.value.hint
    for name in ("chrome", "google-chrome", "chromium-browser", "chromium"):
        program(tmp_path / name, "exit 0")
        assert find_chromium() == str(tmp_path / name), "the more usual name comes first"
    monkeypatch.setenv("CHROME_PATH", str(tmp_path / "chrome"))
    assert find_chromium() == str(tmp_path / "chrome")
    monkeypatch.setenv("CHROME_PATH", str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match="CHROME_PATH"):
        find_chromium()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", "ended by itself"),
        ("printf 'no json' >&4", "ended by itself"),
        ('printf \'{"id":1,"error":{"message":"no such thing"}}\\0\' >&4; cat <&3', "no such"),
        ("exec cat <&3 >/dev/null", "too long"),
    ],
)
def test_a_browser_that_fails_leaves_the_old_file(
    script: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHROME_PATH", str(program(tmp_path / "chrome", script)))
    monkeypatch.setattr(still, "_SECONDS", 1)
    png = tmp_path / "still.png"
    png.write_bytes(b"before")
    with pytest.raises(EmbclustError, match=said):
        draw_still(tmp_path / "map.html", png)
    assert png.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chrome", "cwd", "still.png"]


@pytest.mark.browser
def test_it_waits_until_the_map_is_drawn(tmp_path: Path) -> None:
    """A page that draws late, and once more: the picture shows the last of it."""
    page = tmp_path / "a page.html"
    page.write_text(
        """<body style="margin:0;background:#f00"><main class="map"></main><script>
        const draw = (colour, drawn) => { document.body.style.background = colour;
          document.querySelector("main").dataset.drawn = drawn; };
        setTimeout(() => draw("#00f", 1), 900);
        setTimeout(() => draw("#0f0", 2), 1100);
        </script>"""
    )
    png = tmp_path / "new" / "still.png"
    draw_still(page, png, (640, 480))
    with Image.open(png) as image:
        assert image.size == (640, 480)
        assert set(image.convert("RGB").get_flattened_data()) == {(0, 255, 0)}


@pytest.mark.browser
def test_a_page_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EmbclustError, match="ERR_FILE_NOT_FOUND"):
        draw_still(tmp_path / "nothing.html", tmp_path / "still.png")
    assert not (tmp_path / "still.png").exists()


def test_descriptors_are_not_leaked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    for script in ("exit 0", "cat <&3 >/dev/null"):
        chrome = program(tmp_path / "chrome", script)
        with pytest.raises(_devtools.BrowserGoneError):  # noqa: SIM117 - entering works
            with _devtools.Browser(str(chrome), tmp_path, (300, 300), 1) as browser:
                browser.ask("Page.enable", {})
    with pytest.raises(_devtools.BrowserGoneError, match="does not start"):
        _devtools.Browser(str(tmp_path), tmp_path, (300, 300), 1).__enter__()
    assert len(list(Path("/dev/fd").iterdir())) == before
