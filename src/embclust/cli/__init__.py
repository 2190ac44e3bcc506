"""The command line: the only place that prints, reads flags and exits."""

from __future__ import annotations

from embclust.cli.main import app, main

__all__ = ["app", "main"]
