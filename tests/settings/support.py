"""What the tests of settings share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embclust.errors import SettingsError
from embclust.settings_sources import Loaded, load


def write(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return path.relative_to(Path.cwd())


def run(
    config: Path | None = None,
    flags: dict[str, object] | None = None,
    sets: list[str] | None = None,
    env: dict[str, str] | None = None,
    remembered: dict[str, object] | None = None,
) -> Loaded:
    return load(config, flags or {}, sets or [], env or {}, remembered)


def refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        run(*args, **kwargs)
    text = str(caught.value)
    assert "\n" not in text
    return text
