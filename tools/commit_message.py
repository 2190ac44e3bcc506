"""Check a commit message: a short imperative first line, a blank line, then the why."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAST = re.compile(r"^(Added|Adds|Adding|Fixed|Fixes|Fixing|Updated|Updates|Changed|Changes)\b")


def problems(message: str) -> list[str]:
    """What is wrong with the message; empty when nothing is."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0] if lines else ""
    found = []
    if not subject.strip():
        found.append("the first line is empty")
    if len(subject) > 72:
        found.append(f"the first line has {len(subject)} characters, at most 72 please")
    if subject.endswith("."):
        found.append("the first line ends in a full stop")
    if PAST.match(subject):
        found.append("write the first line in the imperative: 'Add', not 'Added'")
    if len(lines) > 1 and lines[1].strip():
        found.append("the second line is not blank")
    return found


def main() -> int:
    """Check the file named on the command line; 1 when something is wrong."""
    found = problems(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for problem in found:
        sys.stderr.write(f"commit message: {problem}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
