"""Run the command line as a person does, and look at what comes back."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embclust.cli import main

HASHING = ("--set", "encoders.text.kind=hashing", "--set", "encoders.image.kind=hashing")
"""No model: for everything where the meaning of the vectors does not matter."""

WORDS = ("red leather shoe", "blue summer hat", "green cotton bag")

COUNTS = ("indexed", "reused", "updated", "unchanged", "missing", "failed", "pending")


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object that `--json` prints, and nothing beside it."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1, self.out
        found: dict[str, Any] = json.loads(self.out)
        assert found["schema"] == 1
        return found

    @property
    def counts(self) -> dict[str, Any]:
        """The first collection's part of an index report, checked to add up."""
        for one in self.json["collections"]:
            assert one["rows"] == sum(one[name] for name in COUNTS), one
        found: dict[str, Any] = self.json["collections"][0]
        return found

    @property
    def error(self) -> str:
        """The error: one line, the last one, without a traceback."""
        lines = self.err.splitlines()
        assert "Traceback" not in self.err, self.err
        assert [line.startswith("Error: ") for line in lines].count(True) == 1, self.err
        assert lines[-1].startswith("Error: "), self.err
        return lines[-1].removeprefix("Error: ")

    def refused(self, code: int, *words: str) -> None:
        """It ended with this code and one line that has these words in it."""
        assert self.code == code, (self.code, self.out, self.err)
        for word in words:
            assert word in self.error, self.error


def run(*arguments: object) -> Ran:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def good(*arguments: object) -> Ran:
    """Run a command that must succeed."""
    ran = run(*arguments)
    assert ran.code == 0, (arguments, ran.out, ran.err)
    return ran


def fresh(*arguments: object, env: Mapping[str, str] | None = None, program: str = "") -> Ran:
    """Run a command in a process of its own; `program` instead of embclust itself."""
    start = ["-c", program] if program else ["-m", "embclust"]
    done = subprocess.run(
        [sys.executable, *start, *map(str, arguments)],
        capture_output=True,
        encoding=(env or {}).get("PYTHONIOENCODING", "utf-8"),
        env={**os.environ, **(env or {})},
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write rows as a CSV with the first row's columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def things(numbers: Iterable[int]) -> list[dict[str, object]]:
    """Rows of three kinds; each text is a different one."""
    return [
        {"id": f"p{n}", "title": f"{WORDS[n % 3]} number {n}", "colour": WORDS[n % 3].split()[0]}
        for n in numbers
    ]


def index_texts(table: object, *more: object) -> Ran:
    """Index the column `title` of a table with an id column, without a model."""
    return run("index", table, "--id", "id", "--text", "title", *HASHING, *more)


def texts(path: Path, *more: object) -> Path:
    """Write and index a table of thirty texts; returns the table."""
    table = write_csv(path, things(range(30)))
    ran = index_texts(table, *more)
    assert ran.code == 0, ran.err
    return table
