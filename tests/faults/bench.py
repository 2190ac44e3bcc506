"""A table, a workspace and the command, as the fault tests use them: real processes only."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BATCH = 32
WORDS = ["red", "blue", "green", "shoe", "shirt", "watch", "bag", "cotton", "sport", "summer"]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def counts(self) -> dict[str, Any]:
        """The first collection's part of an index report."""
        found: dict[str, Any] = self.json["collections"][0]
        return found


@dataclass
class Bench:
    """A folder with a table of texts and its workspace."""

    folder: Path
    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    generation: int = 1
    delay: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def table(self) -> Path:
        return self.folder / "table.csv"

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def log(self) -> Path:
        return self.folder / "encoded.log"

    # --- the table ---------------------------------------------------------------------------

    def add(self, n: int, words: int = 6) -> None:
        """Add n rows with texts of their own."""
        for number in range(len(self.rows), len(self.rows) + n):
            rng = random.Random(number)
            text = " ".join(rng.choices(WORDS, k=words))
            self.rows[f"r{number:05}"] = {"title": f"{text} {number}", "brand": f"b{number % 7}"}

    def write(self) -> None:
        """Write the table."""
        names = list(dict.fromkeys(name for row in self.rows.values() for name in row))
        with self.table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["id", *names], restval="")
            writer.writeheader()
            writer.writerows({"id": item_id, **row} for item_id, row in self.rows.items())

    # --- the command -------------------------------------------------------------------------

    def index_arguments(self, *more: str) -> list[str]:
        """`index` of the table's titles with the counting encoder."""
        options = {"log": self.log, "batch_size": BATCH, "delay": self.delay}
        if self.generation != 1:
            options["generation"] = self.generation
        given = ["index", str(self.table), "--id", "id", "--text", "title"]
        given += ["--set", "encoders.text.kind=tests.faults.counting:CountingEncoder"]
        for name, value in options.items():
            given += ["--set", f"encoders.text.{name}={value}"]
        return [*given, *more]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command of this workspace with `--json`."""
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env(),
            cwd=self.folder,
        )

    def command(self, *arguments: str) -> list[str]:
        """The command line, with workspace and `--json`."""
        given = [*arguments, "--workspace", str(self.workspace), "--json"]
        return [sys.executable, "-m", "embclust", *given]

    def env(self) -> dict[str, str]:
        """What commands run with: tests are importable, one thread."""
        return {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
            "OMP_NUM_THREADS": "1",
            **self.environment,
        }

    def run(self, *arguments: str, expect: int | None = 0, timeout: float = 300) -> Done:
        """Run a command to its end; a traceback is never right."""
        return finish(self.start(*arguments), expect, timeout)

    def index(self, *more: str, expect: int | None = 0) -> Done:
        """Run `index`."""
        return self.run(*self.index_arguments(*more), expect=expect)

    def encoded(self) -> Counter[str]:
        """How often each content was encoded."""
        return Counter(self.log.read_text().split()) if self.log.exists() else Counter()


def finish(process: subprocess.Popen[str], expect: int | None = 0, timeout: float = 300) -> Done:
    """Wait for a command; it must not show a traceback, and end with `expect` if that is given."""
    began = time.monotonic()
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"still running after {timeout} s: {err[-2000:]}") from None
    assert "Traceback" not in err, err[-4000:]
    if expect is not None:
        assert process.returncode == expect, f"exit {process.returncode}: {err[-3000:]} {out}"
    return Done(process.returncode, out, err, time.monotonic() - began)


def kill(process: subprocess.Popen[str]) -> Done:
    """Kill -9; says what the command had printed by then."""
    process.send_signal(signal.SIGKILL)
    out, err = process.communicate()
    assert "Traceback" not in err, err[-4000:]
    return Done(process.returncode, out, err, 0)


def until(
    condition: Callable[[], bool],
    process: subprocess.Popen[str] | None = None,
    seconds: float = 60,
    poll: float = 0.002,
) -> bool:
    """Wait until a condition holds; False when the process ended before it did."""
    end = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            return False
        if time.monotonic() > end:
            if process is not None:
                kill(process)
            raise AssertionError(f"what was waited for did not happen in {seconds:g} s")
        time.sleep(poll)
    return True


def locked(workspace: Path) -> Callable[[], bool]:
    """Whether somebody has written himself down as the workspace's holder."""
    path = workspace / ".lock"
    return lambda: path.exists() and path.stat().st_size > 0


def grown(path: Path) -> Callable[[], bool]:
    """Whether a file has grown or come into being since now."""
    before = path.stat().st_size if path.exists() else 0
    return lambda: path.exists() and path.stat().st_size > before


def touched(folder: Path, pattern: str = "**/*") -> Callable[[], bool]:
    """Whether a file below a folder was written since now."""
    before = _times(folder, pattern)
    return lambda: _times(folder, pattern) != before


def _times(folder: Path, pattern: str) -> dict[Path, int]:
    found = {}
    # A folder may be put aside, and a file removed, while they are looked at.
    with contextlib.suppress(FileNotFoundError):
        for path in folder.glob(pattern):
            found[path] = path.stat().st_mtime_ns
    return found
