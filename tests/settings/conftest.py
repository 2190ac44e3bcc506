from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLUGIN = """
from pathlib import Path
from typing import Literal
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

class First:
    class Options(BaseModel):
        model_config = ConfigDict(extra="forbid")
        k: int | Literal["auto"] = 10
        seed: int | None = 0
        tags: list[str] = Field(default_factory=list)
        weights: Path | None = None
        model: str = "a/b"
        token: SecretStr | None = None
        headers: dict[str, SecretStr] = Field(default_factory=dict)

        @model_validator(mode="after")
        def _check(self):
            if self.k == 13:
                raise ValueError("13 brings bad luck")
            return self

    def __init__(self, options):
        self.options = options

class Second:
    class Options(BaseModel):
        seed: int = 5
        epsilon: float = 0.5
        model: Literal["s", "l"] = "s"

class Needy:
    class Options(BaseModel):
        model: str

class Loose:
    class Options(BaseModel):
        model_config = ConfigDict(extra="allow")

class Bare:
    pass
"""

BROKEN = "import a_library_that_is_not_installed\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder `configs` with a plug-in module beside the config; the current folder is above."""
    configs = tmp_path / "configs"
    configs.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (configs / "outside_kinds.py").write_text(PLUGIN)
    (configs / "broken_kinds.py").write_text(BROKEN)
    yield configs
    sys.modules.pop("outside_kinds", None)
