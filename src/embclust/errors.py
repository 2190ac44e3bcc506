"""Every way a run can end early, each with its exit code.

EmbclustError                    1  the run failed, or a check found a difference
├── UsageError                   2  usage, settings or an unusable input, found before any work
│   ├── SettingsError            2  a setting: unknown, missing or of the wrong type
│   ├── InputTableError          2  the table cannot be read, or its rows contradict each other
│   ├── UnknownModelError        2  no such model, tag or backbone
│   └── CollectionNotFoundError  2  no such collection; says which exist
├── TooManyFailuresError         3  more rows failed than allowed; what could be indexed is indexed
├── MissingError                 4  something outside is missing
│   ├── ModelNotCachedError      4  the model is not on this machine and the hub is out of reach
│   ├── MissingExtraError        4  an optional package is not installed
│   └── ServerError              4  a server does not answer
├── RefusedError                 5  refused so that nothing is mixed or overwritten
│   ├── EncoderMismatchError     5  the collection was made by another encoder
│   └── FrozenError              5  --frozen, and something is missing or stale
├── DiskFullError                1  no space left; what was committed is kept
├── StoreDamagedError            1  the vector store cannot be read and nothing to rebuild it from
├── WorkspaceLockedError        75  another process works here
└── InterruptedRun       129/130/143  stopped by a signal; what was done is committed

BadInputError is not in the tree: it is one row's problem and becomes a `Skipped`.

A message says what, which and what to do next, on one line.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BadInputError",
    "CollectionNotFoundError",
    "DiskFullError",
    "EmbclustError",
    "EncoderMismatchError",
    "FrozenError",
    "InputTableError",
    "InterruptedRun",
    "MissingError",
    "MissingExtraError",
    "ModelNotCachedError",
    "RefusedError",
    "ServerError",
    "SettingsError",
    "StoreDamagedError",
    "TooManyFailuresError",
    "UnknownModelError",
    "UsageError",
    "WorkspaceLockedError",
]


class EmbclustError(Exception):
    """A run that ends early. `message` says what and which, `hint` what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(EmbclustError):
    """Usage, settings or an unusable input, found before any work."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting that is unknown, missing or of the wrong type."""


class InputTableError(UsageError):
    """A table that cannot be read, or whose rows contradict each other."""


class UnknownModelError(UsageError):
    """No such model, pretrained tag or backbone."""


class CollectionNotFoundError(UsageError):
    """No such collection."""

    def __init__(self, collection: str, existing: list[str]) -> None:
        shown = ", ".join(existing[:20]) or "none"
        super().__init__(f"No collection named '{collection}'.", f"Existing collections: {shown}.")
        self.collection = collection


class TooManyFailuresError(EmbclustError):
    """More rows failed than `--max-failures` allows; the rest is indexed."""

    exit_code = 3


class MissingError(EmbclustError):
    """Something outside the program is missing."""

    exit_code = 4


class ModelNotCachedError(MissingError):
    """The model is not on this machine and the hub is out of reach."""


class MissingExtraError(MissingError):
    """An optional package is not installed."""


class ServerError(MissingError):
    """A server that is needed does not answer."""


class RefusedError(EmbclustError):
    """Refused, so that nothing is mixed or overwritten."""

    exit_code = 5


class EncoderMismatchError(RefusedError):
    """The collection was made by another encoder, or with another dimension."""


class FrozenError(RefusedError):
    """`--frozen` was given and something is missing or stale."""


class DiskFullError(EmbclustError):
    """No space left on the device; what was committed before is kept."""


class StoreDamagedError(EmbclustError):
    """The vector store cannot be read."""


class WorkspaceLockedError(EmbclustError):
    """Another process holds the workspace."""

    exit_code = 75


class InterruptedRun(EmbclustError):  # noqa: N818 - a signal is not an error
    """Stopped by a signal. What was done is committed; the same command goes on from there."""

    def __init__(self, signum: int) -> None:
        super().__init__(
            f"Stopped by signal {signum}.", "Run the same command again to go on from here."
        )
        self.signum = signum

    @property
    def code(self) -> int:
        """The shell's convention: 128 + the signal's number."""
        return 128 + self.signum


class BadInputError(Exception):
    """One input that cannot be embedded. Becomes a `Skipped`, never ends a run."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
