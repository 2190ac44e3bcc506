"""`python -m embclust` is `embclust`."""

from __future__ import annotations

import sys

from embclust.cli import main

if __name__ == "__main__":
    sys.exit(main())
