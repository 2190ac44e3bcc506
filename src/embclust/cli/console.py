"""What people see: progress and chatter on stderr, results on stdout, never any markup."""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichBars
    from rich.progress import TaskID

    from embclust.protocols import Bar

__all__ = ["Console", "clean", "print_json", "reader_gone", "say", "table"]

_CONTROL = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)))


def clean(text: str) -> str:
    """Text as a terminal may show it: no control characters, no lone surrogates, one line."""
    flat = text.replace("\n", " ").translate(_CONTROL)
    return flat.encode("utf-8", "replace").decode("utf-8")


def say(text: str) -> None:
    """Print a line on stderr. Where nobody reads it any more (`2>&1 | head`), work goes on."""
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def reader_gone() -> bool:
    """Whether stdout is a pipe that nobody reads any more."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), select.POLLOUT)
    except OSError:  # no file at all
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def print_json(value: dict[str, Any]) -> None:
    """Print the one JSON object of a `--json` run."""
    sys.stdout.write(json.dumps({"schema": 1, **value}, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def report_json(report: Any) -> dict[str, Any]:
    """A report's fields as plain data."""
    return asdict(report)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], file: TextIO) -> None:
    """Print aligned columns; numbers to the right."""
    text = [[clean(str(cell)) for cell in row] for row in rows]
    widths = [
        max(len(head), *(len(row[i]) for row in text)) if text else len(head)
        for i, head in enumerate(heads)
    ]
    right = [
        bool(rows) and all(isinstance(row[i], int | float) for row in rows)
        for i in range(len(heads))
    ]

    def line(cells: Sequence[str]) -> str:
        parts = [
            cell.rjust(width) if flag else cell.ljust(width)
            for cell, width, flag in zip(cells, widths, right, strict=True)
        ]
        return "  ".join(parts).rstrip()

    print(line(list(heads)), file=file)
    for row in text:
        print(line(row), file=file)


class _PlainBar:
    """Progress as lines, for logs: the start, every 30 seconds, and the end."""

    def __init__(self, title: str, total: int | None) -> None:
        self.title = title
        self.known = total
        self.done = 0
        self.started = self.said = time.monotonic()

    def advance(self, n: int = 1) -> None:
        self.done += n
        now = time.monotonic()
        if now - self.said >= 30:
            self.said = now
            of = f" of {self.known}" if self.known else ""
            say(f"{self.title}: {self.done}{of}")

    def total(self, n: int | None) -> None:
        self.known = n

    def end(self) -> None:
        seconds = time.monotonic() - self.started
        say(f"{self.title}: {self.done} in {seconds:.1f} s")


class _RichBar:
    def __init__(self, bars: RichBars, task: TaskID) -> None:
        self.bars = bars
        self.task = task

    def advance(self, n: int = 1) -> None:
        self.bars.advance(self.task, n)

    def total(self, n: int | None) -> None:
        self.bars.update(self.task, total=n)


class Console:
    """Progress bars on a terminal, plain lines elsewhere, nothing when quiet."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.live = sys.stderr.isatty() and not quiet

    @contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator[Bar]:
        """Show a stage while the block runs."""
        if self.live:
            with self._bars() as bars:
                yield _RichBar(bars, bars.add_task(clean(title), total=total))
            return
        bar = _PlainBar(clean(title), total)
        try:
            yield bar
        finally:
            if not self.quiet and bar.done:
                bar.end()

    def note(self, message: str) -> None:
        """Print one line of chatter."""
        if not self.quiet:
            say(clean(message))

    def warn(self, message: str) -> None:
        """Print one line that a person should see even when quiet."""
        say(f"Note: {clean(message)}")

    def warn_all(self, messages: Iterable[str]) -> None:
        """Print each as a line of its own."""
        for message in messages:
            self.warn(message)

    def _bars(self) -> RichBars:
        from rich.console import Console as RichConsole
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=RichConsole(stderr=True, markup=False),
        )
