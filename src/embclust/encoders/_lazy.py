"""A value that is made once, at first use, whichever thread comes first."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Lazy"]

T = TypeVar("T")


class Lazy(Generic[T]):
    """Holds what `make` returns, made at the first `get`. A failed `make` is tried again."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: tuple[T] | None = None

    def get(self) -> T:
        """Return the value; several threads may call at once, one of them makes it."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = (self._make(),)
        return self._made[0]

    def peek(self) -> T | None:
        """Return the value if it was made, without making it."""
        return self._made[0] if self._made is not None else None
