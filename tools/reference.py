"""Write the reference pages in docs/ from the code; with --check only compare."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from embclust.settings_docs import settings_markdown

DOCS = Path(__file__).parent.parent / "docs"


def help_text(*command: str) -> str:
    """What `embclust COMMAND --help` prints, 100 columns wide."""
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "embclust", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return run.stdout.rstrip()


def commands(text: str) -> list[str]:
    """The command names listed in a help text."""
    _, _, listed = text.partition("\nCommands:\n")
    return re.findall(r"^  (\S+)", listed, re.MULTILINE)


def cli_markdown() -> str:
    """The whole command line, every command with its options."""
    parts = ["# Command line", "", "Made from the code by `nox -s docs -- --write`.", ""]

    def add(*command: str) -> None:
        text = help_text(*command)
        title = " ".join(("embclust", *command))
        parts.extend([f"## `{title}`", "", "```", text, "```", ""])
        for name in commands(text):
            add(*command, name)

    add()
    return "\n".join(parts)


def main() -> int:
    """Write or compare the pages; 1 when one differs."""
    pages = {"settings.md": settings_markdown(), "cli.md": cli_markdown()}
    different = []
    for name, text in pages.items():
        path = DOCS / name
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            different.append(name)
    if different:
        sys.stderr.write(f"{', '.join(different)} differ: run `nox -s docs -- --write`\n")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
