from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from embclust import plugins
from embclust.settings_docs import schema, settings_markdown
from embclust.settings_sources import describe, load

ROOT = Path(__file__).parents[1]


def test_docs_settings_md_is_up_to_date() -> None:
    kept = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert kept == settings_markdown(), "run: python -m embclust.settings_docs docs/settings.md"


def test_the_page_can_be_written_by_its_command(tmp_path: Path) -> None:
    page = tmp_path / "settings.md"
    subprocess.run([sys.executable, "-m", "embclust.settings_docs", str(page)], check=True)
    assert page.read_text(encoding="utf-8") == settings_markdown()


def test_every_setting_has_a_line_with_a_meaning() -> None:
    page = settings_markdown()
    for key, _, _ in describe(load(None, {}, [], {})):
        row = next(line for line in page.splitlines() if line.startswith(f"| `{key}` |"))
        meaning = row.replace("\\|", "").split("|")[4].strip()
        assert meaning, f"{key} has no description"
        assert f"`EMBCLUST_{key.replace('.', '__').upper()}`" in row


def test_every_kind_has_its_options_in_the_page_and_the_schema() -> None:
    page = settings_markdown()
    variants = {v["title"]: v for v in schema()["properties"]["cluster"]["oneOf"]}
    for kind in plugins.CLUSTERERS:
        assert f"### cluster, kind `{kind}`" in page
        options = plugins.options_of("clusterer", kind).model_fields
        assert set(options) | {"kind"} == set(variants[kind]["properties"])


def test_the_schema_is_json_without_secrets() -> None:
    text = json.dumps(schema())
    assert "api_key" not in text
    assert "**" not in text
