"""Downloads: an event loop in a thread of its own, bounded, retried and guarded."""

from __future__ import annotations

import asyncio
import queue
import random
import threading
import time
import weakref
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from embclust.errors import SettingsError
from embclust.fetch_errors import FailedError, explain, too_large
from embclust.fetch_job import Fetched, FetchFailure, FetchJob, Outcome
from embclust.redact import redact

if TYPE_CHECKING:
    import httpx

    from embclust.config import ImagesSettings

    Results = queue.SimpleQueue[tuple[FetchJob | None, Outcome | BaseException]]

__all__ = ["Downloads", "parse_url", "retry_after_seconds"]

MAX_REDIRECTS: Final = 10
OUTPUT_QUEUE: Final = 8
"""Finished bodies that may wait for the consumer, beside one per worker."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_RETRIED_4XX: Final = frozenset({408, 425, 429})
_SMALL: Final = 16_384
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


def parse_url(text: str) -> httpx.URL:
    """Raises FailedError when it is no absolute http(s) URL."""
    import httpx

    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise FailedError(f"not a valid URL ({error})", "bad url") from error
    if url.scheme not in ("http", "https"):
        raise FailedError(f"unsupported scheme '{url.scheme}'", "unsupported scheme")
    if not url.host:
        raise FailedError("not an absolute http(s) URL", "bad url")
    return url


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date; None when absent or not readable.

    `now`: seconds since the epoch.
    """
    if not value:
        return None
    try:
        return max(0.0, float(value) if value.strip().isdigit() else _date(value) - now)
    except (ValueError, OverflowError):
        return None


def _date(value: str) -> float:
    return parsedate_to_datetime(value).timestamp()


class _Host:
    """How many downloads one host gets at once, and until when it wants to be left alone."""

    def __init__(self, slots: int) -> None:
        self.slots = asyncio.Semaphore(slots)
        self.quiet_until = 0.0


class Downloads:
    """Downloads what it is given and puts every outcome into `results`.

    A job waits for its host, then for a worker; while it pauses between two attempts it holds
    neither. A worker keeps its finished body until there is room for it, so that at most
    `workers + OUTPUT_QUEUE` bodies exist, however slow the consumer is. `client`, when given, is
    used as it is (its transport decides which addresses it reaches) and closed at the end.
    """

    def __init__(
        self, settings: ImagesSettings, results: Results, client: httpx.AsyncClient | None = None
    ) -> None:
        from embclust.fetch_guard import make_client
        from embclust.redact import quiet_loggers

        quiet_loggers()
        try:
            self._client = client or make_client(settings)
        except Exception as error:
            raise SettingsError(
                f"images.proxy: {redact(str(error))}", "Example: http://127.0.0.1:3128."
            ) from error
        self._settings = settings
        self._results = results
        self._tasks: set[asyncio.Task[None]] = set()
        self._hosts: weakref.WeakValueDictionary[str, _Host] = weakref.WeakValueDictionary()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="embclust-fetch", daemon=True)
        self._thread.start()
        self._ready.wait()

    def submit(self, job: FetchJob) -> None:
        """Take a job. The caller bounds how many are under way."""
        self._loop.call_soon_threadsafe(self._start, job)

    def taken(self) -> None:
        """Tell that the consumer took one result: there is room for another body."""
        self._loop.call_soon_threadsafe(self._room.release)

    def close(self) -> None:
        """Cancel what is under way, close every socket and join the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for results
            self._ready.set()
            self._results.put((None, error))

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        self._workers = asyncio.Semaphore(self._settings.workers)
        self._room = asyncio.Semaphore(OUTPUT_QUEUE)
        self._ready.set()
        try:
            await self._closing.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._client.aclose()

    def _start(self, job: FetchJob) -> None:
        if not self._closing.is_set():
            task = self._loop.create_task(self._one(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _one(self, job: FetchJob) -> None:
        """Attempts and pauses of one job, until its outcome is in the results."""
        try:
            url = parse_url(job.ref.strip())
        except FailedError as failed:
            await self._hand_over(job, _failure(failed, 0))
            return
        host = self._hosts.get(url.netloc.decode())
        if host is None:
            host = self._hosts[url.netloc.decode()] = _Host(self._settings.per_host)
        attempt, last = 0, 1 + self._settings.retries
        while True:
            attempt += 1
            async with host.slots:
                await asyncio.sleep(max(0.0, host.quiet_until - self._loop.time()))
                async with self._workers:
                    outcome = await self._attempt(url, job)
                    if isinstance(outcome, Fetched):
                        await self._hand_over(job, replace(outcome, attempts=attempt))
                        return
                if not outcome.retryable or attempt >= last:
                    break
                pause = self._pause(outcome, attempt)
                if outcome.wait is not None and outcome.wait > self._settings.retry_after_cap:
                    last = attempt + 1  # it asks for more patience than we have: one last try
                elif outcome.kind == "http 429":
                    host.quiet_until = self._loop.time() + pause
            await asyncio.sleep(pause)
        await self._hand_over(job, _failure(outcome, attempt))

    async def _hand_over(self, job: FetchJob, outcome: Outcome) -> None:
        await self._room.acquire()
        self._results.put((job, outcome))

    def _pause(self, failed: FailedError, attempt: int) -> float:
        """Seconds until the next attempt: what the server asks for, else with full jitter.

        Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        """
        if failed.wait is not None:
            return min(failed.wait, self._settings.retry_after_cap)
        ceiling = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1))
        return random.uniform(0, ceiling)  # noqa: S311 - spreads load, hides nothing

    async def _attempt(self, url: httpx.URL, job: FetchJob) -> Fetched | FailedError:
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._get(url, job)
        except FailedError as failed:
            return failed
        except TimeoutError:
            seconds = self._settings.timeout
            return FailedError(f"deadline of {seconds:g} s passed", "deadline", retryable=True)

    async def _get(self, url: httpx.URL, job: FetchJob) -> Fetched:
        """One attempt: redirects are followed by hand, each hop checked like the first."""
        headers = {}
        if job.etag:
            headers["If-None-Match"] = job.etag
        if job.last_modified:
            headers["If-Modified-Since"] = job.last_modified
        for _ in range(MAX_REDIRECTS + 1):
            try:
                answer = await self._hop(url, headers)
            except Exception as error:
                raise explain(error, url.host, self._settings.timeout) from error
            if isinstance(answer, Fetched):
                return answer
            url = answer
        raise FailedError(f"more than {MAX_REDIRECTS} redirects", "redirects")

    async def _hop(self, url: httpx.URL, headers: dict[str, str]) -> Fetched | httpx.URL:
        """One request; returns what it brought, or where it redirects to."""
        from embclust.fetch_guard import check_host

        if not self._settings.allow_private_hosts:
            check_host(url.host)
        request = self._client.build_request("GET", url, headers=headers)
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            location = response.headers.get("Location")
            if response.status_code in _REDIRECTS and location:
                await _drain(response)
                return _target(url, location)
            return await self._read(response, conditional=bool(headers))
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response, conditional: bool) -> Fetched:
        status = response.status_code
        etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
        if status == 304 and conditional:
            return Fetched(b"", etag=etag, last_modified=modified, not_modified=True)
        if status in (204, 205):
            raise FailedError(f"empty (http {status})", "empty")
        if status not in (200, 203):
            await _drain(response)
            wait = retry_after_seconds(response.headers.get("Retry-After"), time.time())
            raise _bad_status(status, wait)
        body = await self._body(response)
        if not body:
            raise FailedError("empty (0 bytes)", "empty")
        return Fetched(body, etag=etag, last_modified=modified)

    async def _body(self, response: httpx.Response) -> bytes:
        """Read the body, counting what comes over the wire."""
        from embclust.fetch_errors import inflate

        cap = self._settings.max_bytes
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and int(length) > cap:
            raise too_large(cap)
        parts, size = [], 0
        async for part in response.aiter_raw():
            size += len(part)
            if size > cap:
                raise too_large(cap)
            parts.append(part)
        body = b"".join(parts)
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if body and encoding not in ("", "identity"):
            return await asyncio.to_thread(inflate, body, encoding, cap)
        return body


def _failure(failed: FailedError, attempts: int) -> FetchFailure:
    return FetchFailure(redact(failed.reason), failed.retryable, attempts, failed.kind)


def _bad_status(status: int, wait: float | None) -> FailedError:
    retryable = status >= 500 or status in _RETRIED_4XX
    asks = f", the server asks to wait {wait:.0f} s" if wait and retryable else ""
    return FailedError(f"http {status}{asks}", f"http {status}", retryable, wait)


def _target(url: httpx.URL, location: str) -> httpx.URL:
    try:
        return parse_url(str(url.join(location)))
    except FailedError as failed:
        raise FailedError(f"redirect to {failed.reason}", "redirects") from failed
    except Exception as error:
        raise FailedError("redirect to what is not a valid URL", "redirects") from error


async def _drain(response: Any) -> None:
    """Read a short body that nobody wants, so that the connection can be used again."""
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) <= _SMALL:
        async for _ in response.aiter_raw():
            pass
