"""`python -m embclust` is `embclust`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        from embclust.cli import main as run
    except KeyboardInterrupt:
        # Ctrl-C before the program's own handlers are there: nothing was begun.
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
