"""How to work on embclust: `nox -l` lists the sessions.

Every session runs in the environment nox itself was installed into (README, the second command),
so that the large packages are there once. `nox` without arguments runs what CI runs.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["tests", "lint", "types", "docs", "browser"]

ROOT = Path(__file__).parent
PYTHON = [sys.executable, "-m"]


def _run(session: nox.Session, *command: str, **environment: str) -> None:
    session.run(*PYTHON, *command, external=True, env={**os.environ, **environment})


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, but for the browser's and the long fault loops."""
    chosen = session.posargs or [
        "-m",
        "not browser and not faults",
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
def browser(session: nox.Session) -> None:
    """Drive the page in a real Chromium; write screenshots/. Also the viewer's units."""
    node = shutil.which("node")
    if node:
        files = sorted(str(path) for path in (ROOT / "tests" / "viewer").glob("*.test.js"))
        session.run(node, "--test", *files, external=True)
    else:
        session.warn("node is not installed: the viewer's unit tests are left out")
    _run(session, "pytest", *(session.posargs or ["-m", "browser"]))


@nox.session
def faults(session: nox.Session) -> None:
    """Run the kill loops and the corruption matrix with their full counts (many minutes)."""
    _run(session, "pytest", *(session.posargs or ["-m", "faults"]))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure: prints tables of ratios, each taken within one run."""
    chosen = session.posargs or ["indexing", "precision", "scale", "cluster", "clusterers"]
    for name in chosen:
        _run(session, f"benchmarks.{name}")


@nox.session
def demo(session: nox.Session) -> None:
    """Run the demo as a newcomer would."""
    _run(session, "embclust", "demo", *session.posargs)
