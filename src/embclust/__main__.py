"""`python -m embclust` is `embclust`."""

from __future__ import annotations

import os
import signal
import sys
import threading

__all__ = ["main"]

_AGAIN_AFTER = 0.05


def main() -> int:
    """Run the command line; returns the exit code."""
    sys.unraisablehook = _send_again
    try:
        from embclust.cli import main as run
    except KeyboardInterrupt:
        # Ctrl-C before the program's own handlers are there: nothing was begun.
        return 130
    return run()


def _send_again(ignored: sys.UnraisableHookArgs) -> None:
    """Send a signal once more whose exception came up where Python has to ignore it.

    A handler runs between any two instructions of the main thread, also within a weakref's
    callback (imports have some) or a `__del__`, which no exception leaves.
    """
    error = ignored.exc_value
    signum = signal.SIGINT if isinstance(error, KeyboardInterrupt) else getattr(error, "signum", 0)
    if not signum:
        sys.__unraisablehook__(ignored)
        return
    again = threading.Timer(_AGAIN_AFTER, os.kill, (os.getpid(), signum))
    again.daemon = True
    again.start()


if __name__ == "__main__":
    sys.exit(main())
