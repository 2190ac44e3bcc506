"""`name --kind openai` against a real language model on loopback; see `nox -s llm`.

The model has 135 million parameters: its words are poor, so what is asserted is their form.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embclust.namers._chat import Chat
from tests.cli.running import good, run, texts

pytestmark = pytest.mark.llm

PYTHON = os.environ.get("LLM_PYTHON", "")
SERVER = Path(__file__).parents[1] / "namers/llm_server.py"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if not PYTHON:
        pytest.fail("LLM_PYTHON is not set: run `nox -s llm`")
    with subprocess.Popen(
        [PYTHON, str(SERVER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip() + "/v1"
        process.stdin.close()


@pytest.fixture
def options(server: str) -> list[object]:
    given = {"base_url": server, "model": "smollm2", "timeout": 120, "deadline": 240}
    return [text for name, value in given.items() for text in ("--set", f"name.{name}={value}")]


def well_formed(report: dict[str, Any]) -> None:
    names = [one["name"] for one in report["names"]]
    assert len(names) == 3
    assert len({name.casefold() for name in names}) == 3
    for name in names:
        assert 0 < len(name) <= 40
        assert name == name.strip()
        assert name.isprintable()


def test_a_real_model_names_every_cluster(
    options: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    create = Chat._create

    def listening(self: Chat, chat: Any, dialect: Any, timeout: float) -> Any:
        reply = create(self, chat, dialect, timeout)
        sent.append((dialect, reply))
        return reply

    monkeypatch.setattr(Chat, "_create", listening)
    texts(Path("t.csv"))
    report = good("name", "--k", 3, "--kind", "openai", *options, "--json").json
    well_formed(report)
    assert [one["source"] for one in report["names"]] == ["openai"] * 3
    assert report["warnings"] == []
    # The server knows JSON schemas: the first way of asking was understood every time.
    assert all(dialect.output == "json_schema" for dialect, _ in sent)
    assert all(hasattr(reply, "choices") for _, reply in sent)

    calls = len(sent)
    names = Path(".embclust/collections/title/names.json")
    names.unlink()
    again = good("name", *options, "--json").json
    assert [one["name"] for one in again["names"]] == [one["name"] for one in report["names"]]
    assert len(sent) == calls, "every answer was kept"


def test_a_text_model_refuses_pictures_and_is_asked_in_words(
    options: list[object], tmp_path: Path
) -> None:
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(12):
        Image.new("RGB", (40, 40), ("red", "green", "blue")[n % 3]).save(folder / f"p{n}.png")
    good("index", folder, "--image", "path", "--set", "encoders.image.kind=hashing")
    # A picture's name is its only text here.
    ran = run("name", "--k", 3, "--kind", "openai", "--pictures", *options, "--json")
    assert ran.code == 0, ran.err
    well_formed(ran.json)
    assert {one["source"] for one in ran.json["names"]} == {"openai"}
    assert "takes no pictures" in " ".join(ran.json["warnings"])


def test_the_deadline_holds(options: list[object]) -> None:
    texts(Path("t.csv"))
    good("cluster", "--k", 3)
    began = time.monotonic()
    set_ = ("--set", "name.deadline=0.001")
    ran = good("name", "--kind", "openai", *options, *set_, "--json")
    assert time.monotonic() - began < 60
    well_formed(ran.json)
    assert all(one["source"].startswith("fallback: ") for one in ran.json["names"])
