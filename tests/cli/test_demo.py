"""The demo through `main`, offline: EMBCLUST_TEST_DEMO=full runs all 1,021 emoji."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import socket
import webbrowser
from pathlib import Path
from typing import Any

import pytest

from embclust.cli import main

FULL = os.environ.get("EMBCLUST_TEST_DEMO") == "full"
COUNT = 1021 if FULL else 120
LIMIT = [] if FULL else ["--limit", str(COUNT)]


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """An empty folder, no model cache, hub allowed; records every attempt to connect."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    tried: list[Any] = []

    def refuse(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise OSError("no network in this test")

    def no_lookup(host: Any, *rest: Any, **more: Any) -> list[Any]:
        tried.append(host)
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", no_lookup)
    return tried


@pytest.mark.slow
def test_the_demo_ends_on_a_page_and_can_be_repeated(
    nowhere: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["demo", *LIMIT]) == 0
    shown = capsys.readouterr()
    assert nowhere == [], "nothing is asked of any network"
    last = shown.out.splitlines()[-1]
    page = Path("embclust-demo/names.html").absolute()
    assert last.endswith(str(page))
    html = page.read_text(encoding="utf-8")
    assert "OpenMoji" in html
    assert "CC BY-SA 4.0" in html

    told = [line.removeprefix("$ ") for line in shown.out.splitlines() if line.startswith("$ ")]
    assert [line.split()[:2] for line in told] == [
        ["embclust", "index"],
        ["embclust", "plot"],
        ["embclust", "plot"],
    ]
    for line in told:  # as a user would repeat them: nothing is left to do
        assert main([*shlex.split(line)[1:], "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        for one in report.get("collections", []):
            assert (one["rows"], one["unchanged"]) == (COUNT, COUNT)
        assert report.get("points", COUNT) == report.get("thumbnails", COUNT) == COUNT

    opened: list[str] = []

    def open_page(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", open_page)
    pictures = {p: p.stat().st_mtime_ns for p in Path("embclust-demo/pictures").iterdir()}
    assert len(pictures) == COUNT
    assert main(["demo", *LIMIT, "--json", "--open"]) == 0
    out = capsys.readouterr()
    report = json.loads(out.out)
    assert {p: p.stat().st_mtime_ns for p in pictures} == pictures
    assert opened == [page.as_uri()]
    assert report["page"] == str(page)
    assert report["rows"] == COUNT
    assert [one["collection"] for one in report["plots"]] == ["emoji_picture", "emoji_name"]
    assert [one["points"] for one in report["plots"]] == [COUNT, COUNT]
    assert all(one["unchanged"] == COUNT for one in report["index"]["collections"])
    assert [f"$ {command}" in out.err for command in report["commands"]] == [True] * 3

    place = ["--workspace", "embclust-demo/.embclust"]
    for collection in ("emoji_picture", "emoji_name"):
        assert main(["name", "--collection", collection, "--json", *place]) == 0
        names = [one["name"] for one in json.loads(capsys.readouterr().out)["names"]]
        assert len(names) == len(set(names)) == 15
        assert not [name for name in names if re.match(r"cluster \d+$", name, re.IGNORECASE)]


def test_a_missing_extra_is_exit_4(
    nowhere: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "resvg_py" else real(name, *rest),
    )
    assert main(["demo", "--json"]) == 4
    said = json.loads(capsys.readouterr().out)
    assert said["error"]["type"] == "MissingExtraError"
    assert "resvg_py" in said["error"]["message"]
    assert 'pip install "embclust[demo]"' in said["error"]["hint"]
    assert not Path("embclust-demo").exists()


def test_what_fails_inside_ends_the_demo_with_its_code(
    nowhere: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMBCLUST_ENCODERS__IMAGE__MODEL", "no_such_model")
    assert main(["demo", "--limit", "50", "--out", "a b", "--json"]) == 2
    shown = capsys.readouterr()
    said = json.loads(shown.out)
    assert said["exit_code"] == 2
    assert "no_such_model" in said["error"]["message"]
    assert "$ embclust index 'a b/emoji.yaml' --workspace 'a b/.embclust'\n" in shown.err
    assert "embclust plot" not in shown.err, "it stops at the first command that fails"
    assert main(["demo", "--limit", "50", "--out", "a b"]) == 2
    assert "no_such_model" in capsys.readouterr().err
