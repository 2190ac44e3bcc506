from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from embclust.page.bundle import bundle, viewer_script, viewer_style


def run(script: str) -> str:
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed")
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True)
    return done.stdout


def test_modules_keep_their_own_scope_and_run_once_in_order() -> None:
    sources = {
        "main": 'import { twice } from "./tools.js";\nimport { same } from "./other.js";\n'
        "const local = 3;\nconsole.log(twice(local), same);\n",
        "tools": 'import { same } from "./other.js";\nconst local = 2;\n'
        "export function twice(x) {\n  return local * x;\n}\nexport const unused = same;\n",
        "other": 'console.log("once");\nexport const same = "same";\n',
    }
    assert run(bundle(sources, "main")) == "once\n6 same\n"


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"main": 'import { a } from "./b.js";\n'}, "no module 'b'"),
        (
            {"main": 'import { a } from "./b.js";\n', "b": 'import { c } from "./main.js";\n'},
            "cycle: main -> b -> main",
        ),
        ({"main": 'import x from "./b.js";\n'}, "cannot bundle"),
        ({"main": "export default 1;\n"}, "cannot bundle"),
        ({"main": 'const x = "</script>";\n'}, "script element"),
    ],
)
def test_what_cannot_be_bundled_is_an_error(sources: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bundle(sources, "main")


def test_the_viewer_is_one_script_that_parses(tmp_path: Path) -> None:
    script = tmp_path / "viewer.js"
    script.write_text(viewer_script(), "utf-8")
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed")
    subprocess.run([node, "--check", str(script)], check=True)


def test_the_viewer_never_makes_markup_or_code_from_text() -> None:
    script = viewer_script()
    for name in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert name not in script


def test_the_style_loads_nothing() -> None:
    style = viewer_style()
    assert "url(" not in style
    assert "@import" not in style
    assert "</style" not in style
