"""Keeps what was in memory before out of the files of an embedded store."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["zeroed_memory"]

_M_PERTURB: Final = -6
_FILL_WITH_ZERO: Final = 0xFF
"""glibc fills new memory with the complement of this."""

_lock = threading.Lock()
_users = 0


@contextmanager
def zeroed_memory() -> Iterator[None]:
    """Within the block malloc hands out zeros (glibc; elsewhere nothing changes).

    hnswlib, inside chromadb 1.5.9, writes its whole element array to `data_level0.bin`, places
    that no element has taken included: whatever lay there before, such as a signed URL that was
    fetched a minute ago, would be in the file, and with it in every copy of the store.
    """
    global _users  # noqa: PLW0603 - a setting of the process, on while anybody needs it
    with _lock:
        _users += 1
        _perturb(_FILL_WITH_ZERO)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _perturb(0)


def _perturb(value: int) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_PERTURB, value)
