"""Files on the Hugging Face hub: first the cache, then one short look, then a download.

Only huggingface_hub is used (half a second to import), so that a missing model is told before
the seconds that a model library takes to import, and before its minute of retries.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from embclust.errors import ModelNotCachedError, UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["HubFile", "ask", "commit_of", "fetch", "fetch_folder", "find", "no_network", "require"]

_TRUE: Final = frozenset({"1", "true", "yes", "on", "y", "t"})
_DEADLINE: Final = 2.5
"""Seconds for the whole look at the hub, name resolution included."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository, under the first of `names` that exists."""

    repo: str
    names: tuple[str, ...]
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo


def find(file: HubFile) -> Path | None:
    """Return the file's path in the cache, or None. Touches no network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for name in file.names:
        try:
            path = try_to_load_from_cache(file.repo, name, revision=file.revision)
        except HFValidationError as error:
            raise _no_such(file) from error
        if isinstance(path, str) and Path(path).is_file():
            return Path(path)
    return None


def require(file: HubFile) -> None:
    """Return when the file is in the cache or can be downloaded. Raises what `ask` raises."""
    if find(file) is None:
        ask(file)


def ask(file: HubFile) -> None:
    """Return when the hub answers that it has the file; takes 2.5 seconds at most.

    Raises ModelNotCachedError (offline, hub out of reach, no access) or UnknownModelError (the
    hub says there is no such repository, revision or file).
    """
    if _offline():
        raise _not_cached(file, "HF_HUB_OFFLINE is set")
    outcome: list[BaseException | None] = []

    def look() -> None:
        try:
            outcome.append(_look(file))
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread
            outcome.append(error)

    # A thread of its own, because resolving a name has no timeout; a daemon, so that one that
    # hangs does not hold up the exit.
    thread = threading.Thread(target=look, daemon=True, name="hub-look")
    thread.start()
    thread.join(_DEADLINE)
    if not outcome:
        raise _not_cached(file, f"the hub did not answer within {_DEADLINE:g} s")
    if outcome[0] is not None:
        raise _told(file, outcome[0]) from outcome[0]


def _look(file: HubFile) -> BaseException | None:
    """Ask the hub for each name in turn; return the last one's error when none exists."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    missing: BaseException | None = None
    for name in file.names:
        try:
            get_hf_file_metadata(
                hf_hub_url(file.repo, name, revision=file.revision), timeout=_DEADLINE
            )
        except EntryNotFoundError as error:
            missing = error
        else:
            return None
    return missing


def _told(file: HubFile, error: BaseException) -> ModelNotCachedError | UnknownModelError:
    """Say what the hub's answer, or its silence, means for the user."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return ModelNotCachedError(
            f"The model '{file}' is behind a licence form on the hub.",
            "Accept it there, then run: hf auth login",
        )
    if isinstance(error, errors.EntryNotFoundError):
        return UnknownModelError(
            f"The hub's '{file}' has none of: {', '.join(file.names)}.",
            "It is a model of another library.",
        )
    if isinstance(error, errors.RepositoryNotFoundError | errors.RevisionNotFoundError):
        return _no_such(file)
    return _not_cached(file, f"the hub is out of reach ({type(error).__name__})")


def _no_such(file: HubFile) -> UnknownModelError:
    return UnknownModelError(
        f"The hub has no model '{file}'.",
        "Check the spelling; for a private model run: hf auth login",
    )


def _offline() -> bool:
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").strip().lower() in _TRUE for name in names)


def _not_cached(file: HubFile, why: str) -> ModelNotCachedError:
    from huggingface_hub.constants import HF_HUB_CACHE

    return ModelNotCachedError(
        f"The model '{file}' is not in the cache {HF_HUB_CACHE}, and {why}.",
        "Run the same command once with network, copy that folder from a machine that has it "
        "and set HF_HOME, or name a model on disk (open_clip: local-dir:PATH, timm: weights, "
        "sentence_transformers: a path).",
    )


def fetch(file: HubFile) -> Path:
    """Return the file's path, downloading it when it is not in the cache.

    Raises what `require` raises.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    found = find(file)
    if found is not None:
        return found
    require(file)
    for name in file.names:
        get = functools.partial(hf_hub_download, file.repo, name, revision=file.revision)
        with contextlib.suppress(EntryNotFoundError):
            return Path(_download(file, get))
    raise _no_such(file)


def fetch_folder(file: HubFile, allow: list[str], ignore: list[str]) -> Path:
    """Download the repository's files that match, return their folder; `file` must be there."""
    from huggingface_hub import snapshot_download

    ask(file)
    get = functools.partial(
        snapshot_download,
        file.repo,
        revision=file.revision,
        allow_patterns=allow,
        ignore_patterns=ignore,
    )
    return Path(_download(file, get))


def _download(file: HubFile, get: Callable[[], str]) -> str:
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        with _no_bars():
            return get()
    except LocalEntryNotFoundError as error:
        raise _told(file, error.__cause__ or error) from error
    except EntryNotFoundError:
        raise
    except (HfHubHTTPError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk, not the network
            raise
        raise _told(file, error) from error


@contextlib.contextmanager
def _no_bars() -> Iterator[None]:
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    before = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            enable_progress_bars()


@contextlib.contextmanager
def no_network() -> Iterator[None]:
    """Let libraries find files in the cache only: what they need was fetched before.

    Otherwise they ask the hub about files they already have, with a minute of retries when it
    is out of reach.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def commit_of(path: Path) -> str | None:
    """Return the commit a cached file belongs to: the folder below `snapshots`."""
    parts = path.parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts else None
