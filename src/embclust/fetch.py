"""Gets pictures: http(s) URLs and local files -> bytes, or why not.

Every cell ends as `Fetched` or `FetchFailure`; nothing that stands in a table can end a run. The
work is done by `fetch_files` (local files, a few threads) and `fetch_http` (one event loop in a
thread of its own); here is what feeds both and hands their results on.
"""

from __future__ import annotations

import hashlib
import queue
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from embclust.fetch_files import LocalFiles, file_key
from embclust.fetch_job import Fetched, FetchFailure, FetchJob, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import httpx

    from embclust.config import ImagesSettings
    from embclust.fetch_http import Downloads

__all__ = ["FetchFailure", "FetchJob", "Fetched", "Outcome", "fetch_all", "source_key"]

_URL: Final = re.compile(r"https?://", re.IGNORECASE)
_HALF_URL: Final = re.compile(r"//|https?:", re.IGNORECASE)
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+):(//)?", re.IGNORECASE)
_SCHEMES: Final = frozenset({"about", "blob", "data", "file", "gs", "ipfs", "mailto", "s3"})
"""Also refused without a `//` behind them; any other `name:` may begin a file's name."""
_FILES_AT_ONCE: Final = 8
_FILE_THREADS: Final = 4
_POLL_SECONDS: Final = 0.1


def fetch_all(
    jobs: Iterable[FetchJob],
    settings: ImagesSettings,
    folder: Path,
    stop: Callable[[], bool],
    client: httpx.AsyncClient | None = None,
) -> Iterator[tuple[FetchJob, Outcome]]:
    """Yield every job with its outcome, in the order in which they are done.

    `folder` is the table's: where relative paths start. Jobs are pulled in the caller's thread,
    as they are needed; the caller sees to it that no URL comes twice. Bodies in memory: at most
    one per worker and a few more, also when the caller is slow. When `stop()` turns true or the
    generator is closed, downloads are cancelled, sockets closed and threads joined; jobs under
    way are then not yielded. `client` is for tests and special transports; see `Downloads`.
    Raises SettingsError for a proxy that cannot be used.
    """
    run = _Run(settings, folder, client)
    try:
        yield from run.outcomes(iter(jobs), stop)
    finally:
        run.close()


def source_key(ref: str, folder: Path, settings: ImagesSettings) -> str:
    """Tell without fetching whether a picture may have changed.

    A URL gives `url:` and a hash of all of it (it may hold secrets, so it is not in the key); a
    path gives `file:PATH:SIZE:MTIME_NS`, or `file:PATH:absent`.
    """
    ref = ref.strip()
    if _URL.match(ref):
        digest = hashlib.sha256(ref.encode("utf-8", "surrogatepass"))
        return f"url:{digest.hexdigest()[:32]}"
    if (refused := refuse(ref)) is not None:
        return f"bad:{refused.kind}:{hashlib.sha256(ref.encode('utf-8', 'replace')).hexdigest()}"
    return file_key(ref, folder, settings)


def refuse(ref: str) -> FetchFailure | None:
    """Why a cell is neither a URL nor a path, judged by its looks; None when it may be one."""
    if not ref:
        return FetchFailure("no URL and no path", False, 0, "no reference")
    if _URL.match(ref):
        return None
    if _HALF_URL.match(ref):
        return FetchFailure("not an absolute http(s) URL", False, 0, "bad url")
    scheme = _SCHEME.match(ref)
    if scheme and (scheme[2] or scheme[1].lower() in _SCHEMES):
        name = scheme[1].lower()[:20]
        return FetchFailure(f"unsupported scheme '{name}'", False, 0, "unsupported scheme")
    return None


class _Run:
    """What one fetch_all holds: two ways to get bytes, and one queue of results."""

    def __init__(
        self, settings: ImagesSettings, folder: Path, client: httpx.AsyncClient | None
    ) -> None:
        self._settings = settings
        self._client = client
        self._files = LocalFiles(settings, folder)
        self._results: queue.SimpleQueue[tuple[FetchJob | None, Outcome | BaseException]] = (
            queue.SimpleQueue()
        )
        self._pool: ThreadPoolExecutor | None = None
        self._downloads: Downloads | None = None
        self._held: FetchJob | None = None
        self._more = True
        self._closed = False
        self._urls_out = 0
        self._files_out = 0
        # Jobs are far smaller than bodies: enough of them wait that a slow host, whose share of
        # the workers is limited, does not keep the other hosts' jobs out.
        self._most_urls = 8 * settings.workers
        self._most_files = settings.workers + _FILES_AT_ONCE

    def outcomes(
        self, jobs: Iterator[FetchJob], stop: Callable[[], bool]
    ) -> Iterator[tuple[FetchJob, Outcome]]:
        while not stop():
            self._top_up(jobs)
            if not self._urls_out and not self._files_out:
                return
            try:
                job, outcome = self._results.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if job is None or isinstance(outcome, BaseException):
                raise RuntimeError("a fetch thread broke down") from _as_error(outcome)
            if _URL.match(job.ref.lstrip()) and self._downloads is not None:
                self._urls_out -= 1
                self._downloads.taken()
            else:
                self._files_out -= 1
            yield job, outcome

    def close(self) -> None:
        self._closed = True
        if self._downloads is not None:
            self._downloads.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _top_up(self, jobs: Iterator[FetchJob]) -> None:
        """Pull jobs while there is room for them; keep back the first that has none."""
        chunk: list[FetchJob] = []
        while self._more:
            job = self._held or next(jobs, None)
            self._held = None
            if job is None:
                self._more = False
                break
            if _URL.match(job.ref.lstrip()):
                if self._urls_out >= self._most_urls:
                    self._held = job
                    break
                self._download(job)
            else:
                # Files go in chunks: a thread switch costs more than reading a small file.
                room = self._most_files - self._files_out
                if room < 1 or (not chunk and room < _FILES_AT_ONCE):
                    self._held = job
                    break
                self._files_out += 1
                chunk.append(job)
                if len(chunk) == _FILES_AT_ONCE:
                    self._read_files(chunk)
                    chunk = []
        if chunk:
            self._read_files(chunk)

    def _download(self, job: FetchJob) -> None:
        if self._downloads is None:
            from embclust.fetch_http import Downloads

            self._downloads = Downloads(self._settings, self._results, self._client)
        self._urls_out += 1
        self._downloads.submit(job)

    def _read_files(self, chunk: list[FetchJob]) -> None:
        if self._pool is None:
            threads = min(_FILE_THREADS, self._settings.workers)
            self._pool = ThreadPoolExecutor(threads, "embclust-files")
        self._pool.submit(self._read_chunk, chunk)

    def _read_chunk(self, chunk: list[FetchJob]) -> None:
        try:
            for job in chunk:
                if self._closed:
                    return
                ref = job.ref.strip()
                self._results.put((job, refuse(ref) or self._files.read(ref)))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for results
            self._results.put((None, error))


def _as_error(outcome: object) -> BaseException | None:
    return outcome if isinstance(outcome, BaseException) else None
