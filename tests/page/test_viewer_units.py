from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "viewer"


def test_the_viewers_pure_parts() -> None:
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed")
    files = sorted(str(path) for path in FOLDER.glob("*.test.js"))
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
