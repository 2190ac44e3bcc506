"""The commands in README.md and the plug-in in docs/plugins.md are run as they stand there."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest
from PIL import Image

from embclust.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PLUGINS = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    lines = [line for block in blocks(text, "bash") for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("embclust ")]


def picture(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (number * 37 % 256, number * 91 % 256, number * 13 % 256)
    Image.new("RGB", (32, 32), colour).save(path)


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


OTHER_PROGRAM = """
import chromadb
client = chromadb.PersistentClient(path="chromadb")
collection = client.create_collection("their_collection")
vectors = [[float(i % 7), float(i % 5), float(i % 3) + 1] for i in range(60)]
collection.add(ids=[str(i) for i in range(60)], embeddings=vectors,
               metadatas=[{"title": f"thing {i % 7}"} for i in range(60)])
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which every command of the README makes sense."""
    monkeypatch.chdir(tmp_path)
    for modality in ("IMAGE", "TEXT"):
        monkeypatch.setenv(f"EMBCLUST_ENCODERS__{modality}__KIND", "hashing")
    monkeypatch.setattr(webbrowser, "open", lambda _: True)
    products = []
    for i in range(60):
        picture(tmp_path / "images" / f"{i}.jpg", i)
        title = f"{('red', 'blue')[i % 2]} {('shirt', 'shoe', 'bag')[i % 3]} number {i}"
        products.append({"sku": str(i), "photo": f"images/{i}.jpg", "title": title})
        picture(tmp_path / "data" / "images" / f"{i}.jpg", i)
    write_csv(tmp_path / "products.csv", products)
    styles = [{"id": p["sku"], "productDisplayName": p["title"]} for p in products]
    write_csv(tmp_path / "data" / "styles.csv", styles)
    (tmp_path / "configs").mkdir()
    shutil.copy(ROOT / "configs" / "fashion.yaml", tmp_path / "configs")
    subprocess.run([sys.executable, "-c", OTHER_PROGRAM], check=True, cwd=tmp_path)
    return tmp_path


@pytest.mark.slow
def test_every_command_of_the_readme_works(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [command for command in commands(README) if command != ["demo"]]
    assert len(found) >= 9
    for command in found:
        assert main(command) == 0, (command, capsys.readouterr().err)
    assert (shop / "map.html").exists()
    assert (shop / "products.yaml").exists()


def test_the_readme_starts_with_the_two_commands() -> None:
    first, second = blocks(README, "bash")[:2]
    assert first.strip().endswith(".venv/bin/embclust demo")
    assert second.strip().endswith(".venv/bin/nox -s tests")
    for command in (first, second):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert "\n" not in command.strip()


def test_the_readme_names_every_setting_of_the_older_program() -> None:
    older = """
        RUNNING_MODE PROCESS_UNIT_DEVICE LOCAL_CSV_FILENAME NUMBER_OF_ASYNC_TASKS
        INDEX_BULK_SIZE INDEX_START_LINE INDEX_END_LINE CHROMADB_COLLECTION_PREFIX IMAGE_MODEL_NAME
        IMAGE_EMBEDDING_FIELDS TEXT_MODEL_NAME TEXT_EMBEDDING_FIELDS EMBEDDING_FIELDS_PREFIX
        ID_FIELD NUM_CLUSTERS CHROMADB_COLLECTION_NAME TEXT_DISPLAY_FIELDS IMAGE_FIELD
        GPT_GENERATE_CLUSTER_NAME GPT_DEFAULT_MODEL GPT_DEFAULT_TEMPERATURE"""
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+) \|$", README, re.MULTILINE))
    assert sorted(rows) == sorted(re.findall(r"\w+", older))


def test_every_setting_the_readme_names_exists(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("openai", "vocabulary"):
        assert main(["config", "show", "--set", f"name.kind={kind}"]) == 0
    known = set(re.findall(r"^(\S+)", capsys.readouterr().out, re.MULTILINE))
    named = set(
        re.findall(r"`((?:source|images|encoders|fields|store|cluster|name|plot)\.[\w.]+)`", README)
    )
    files = {name for name in named if name.endswith((".csv", ".html", ".sqlite"))}
    assert len(named - files) >= 12
    assert named - files <= known


def test_the_plug_in_of_the_docs_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for block in (*blocks(PLUGINS, "python"), *blocks(PLUGINS, "yaml")):
        name = block.partition("\n")[0].removeprefix("# ")
        Path(name).write_text(block, encoding="utf-8")
    words = ["apple", "pear", "plum", "12345", "Apple"]
    write_csv(Path("words.csv"), [{"id": str(i), "word": word} for i, word in enumerate(words)])
    assert main(["index", "letters.yaml"]) == 0
    again = re.search(r"^Next: embclust (.*)$", capsys.readouterr().err, re.MULTILINE)
    assert again is not None
    assert main([*shlex.split(again[1]), "--k", "2"]) == 0
    assert main(["cluster", "--collection", "word", "--k", "2"]) == 0
    shown = capsys.readouterr()
    assert "no letters in it" in Path(".embclust/failures/words.jsonl").read_text("utf-8")
    assert "4" in shown.out
