"""Bounded stages that overlap: inputs | prepare | encode | commit.

One thread pulls the inputs (downloads, or the cells of a table) and hands them to a pool that
prepares them; one thread fills batches and runs the encoder; the caller, who iterates over
`run_stages`, commits. Queues between them are bounded, so that memory does not grow with the
table, and a batch goes to the encoder only when it is full or the input ends.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from embclust.data import Prepared, Skipped, Vectors
from embclust.vectors import bad_rows, unit_rows

if TYPE_CHECKING:
    from embclust.protocols import Encoder
    from embclust.staging import Job

__all__ = ["Outcome", "Ready", "Untouched", "run_stages"]


@dataclass(frozen=True, slots=True)
class Ready:
    """A job on its way to the encoder. `prepared` is None when its vector is known already."""

    job: Job
    content_key: bytes
    prepared: Prepared | None
    thumbnail: bytes | None = None
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Untouched:
    """The server says that nothing changed since the picture was fetched."""

    job: Job


@dataclass(slots=True)
class Outcome:
    """What one batch came to; committed as one."""

    encoded: list[Ready] = field(default_factory=list)
    vectors: Vectors | None = None
    known: list[Ready] = field(default_factory=list)
    failed: list[tuple[Job, Skipped]] = field(default_factory=list)
    untouched: list[Job] = field(default_factory=list)

    def jobs(self) -> int:
        """How many jobs it settles."""
        settled = (self.encoded, self.known, self.failed, self.untouched)
        return sum(len(part) for part in settled)


Prepare = Callable[[object], "Ready | Untouched | tuple[Job, Skipped]"]
_END = None
_SETTLED = 50


def run_stages(
    inputs: Iterable[object],
    prepare: Prepare,
    encoder: Encoder,
    *,
    chunk: int = 4,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Yield outcomes in order while later inputs are fetched, prepared and encoded.

    `inputs` is pulled in a thread of its own; it ends early by ending the iterable. `prepare`
    runs in worker threads and never raises for a bad input. An error in any stage is raised
    here after the outcomes before it were yielded. `chunk` inputs make one task, so that cheap
    inputs do not pay for a hand-over each. Once `stop()` is true, no further batch is encoded:
    what waits is dropped, what was encoded is still yielded.
    """
    stopping = threading.Event()
    depth = 2 * max(1, encoder.batch_size // chunk) + 4
    futures: queue.Queue[Future[list[object]] | BaseException | None] = queue.Queue(depth)
    outcomes: queue.Queue[Outcome | BaseException | None] = queue.Queue(2)
    pool = ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="prepare")
    threads = [
        threading.Thread(target=_feed, args=(inputs, prepare, pool, chunk, futures, stopping)),
        threading.Thread(target=_encode_all, args=(futures, encoder, outcomes, stopping, stop)),
    ]
    for thread in threads:
        thread.start()
    try:
        while (outcome := outcomes.get()) is not _END:
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        stopping.set()
        _drain(outcomes)
        for thread in threads:
            while thread.is_alive():
                _drain(outcomes)
                thread.join(0.05)
        pool.shutdown(cancel_futures=True)


def _drain(waiting: queue.Queue[Any]) -> None:
    while True:
        try:
            waiting.get_nowait()
        except queue.Empty:
            return


def _feed(
    inputs: Iterable[object],
    prepare: Prepare,
    pool: ThreadPoolExecutor,
    chunk: int,
    futures: queue.Queue[object],
    stopping: threading.Event,
) -> None:
    iterator = iter(inputs)
    try:
        while not stopping.is_set():
            some = list(islice(iterator, chunk))
            if not some:
                break
            futures.put(pool.submit(lambda part: [prepare(one) for one in part], some))
    except BaseException as error:  # noqa: BLE001 - handed to the thread that can raise it
        futures.put(error)
    finally:
        if hasattr(iterator, "close"):
            iterator.close()
        futures.put(_END)


def _encode_all(
    futures: queue.Queue[Future[list[object]] | BaseException | None],
    encoder: Encoder,
    outcomes: queue.Queue[Outcome | BaseException | None],
    stopping: threading.Event,
    stop: Callable[[], bool],
) -> None:
    batches = _Batches(encoder)
    problem: BaseException | None = None
    future: Future[list[object]] | BaseException | None = None
    ended = False
    try:
        while not stopping.is_set() and not stop():
            future = futures.get()
            if future is _END or isinstance(future, BaseException):
                problem, ended = future, future is _END
                break
            for one in future.result():
                batches.add(one)
                if stopping.is_set() or stop():
                    break
                if batches.full():
                    outcomes.put(batches.encode())
                elif batches.outcome.jobs() >= _SETTLED:
                    outcomes.put(batches.settled())
        if (batches.outcome.jobs() or batches.waiting) and not stopping.is_set():
            outcomes.put(batches.settled() if stop() else batches.encode())
    except BaseException as error:  # noqa: BLE001 - handed to the thread that can raise it
        problem = error
    stopping.set()
    # The feeder may be waiting for a place in the queue: make room until it has ended.
    while not ended:
        ended = futures.get() is _END
    outcomes.put(problem)


class _Batches:
    """Gathers what is prepared into batches; each content is encoded once."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.outcome = Outcome()
        self.waiting: list[Ready] = []
        self.twins: dict[bytes, list[Ready]] = {}
        # Contents encoded but perhaps not committed yet, when a later twin was looked up.
        self.recent: OrderedDict[bytes, None] = OrderedDict()
        self.had_full = False

    def full(self) -> bool:
        """Whether as much waits as the encoder is best given at once."""
        return len(self.waiting) >= self.encoder.batch_size

    def settled(self) -> Outcome:
        """What needs no encoder, so that it is committed although no batch fills."""
        outcome, self.outcome = self.outcome, Outcome()
        return outcome

    def add(self, one: object) -> None:
        """Take one result of `prepare`."""
        if isinstance(one, Untouched):
            self.outcome.untouched.append(one.job)
        elif isinstance(one, tuple):
            self.outcome.failed.append(one)
        elif isinstance(one, Ready):
            if one.prepared is None or one.content_key in self.recent:
                self.outcome.known.append(one)
            elif one.content_key in self.twins:
                self.twins[one.content_key].append(one)
            else:
                self.twins[one.content_key] = []
                self.waiting.append(one)

    def encode(self) -> Outcome:
        """Encode what waits and return the outcome; the next batch starts empty."""
        outcome, waiting, twins = self.outcome, self.waiting, self.twins
        self.outcome, self.waiting, self.twins = Outcome(), [], {}
        if not waiting:
            return outcome
        size = self.encoder.batch_size
        self.had_full = self.had_full or len(waiting) >= size
        # A matrix product of another shape may round differently. After full batches the last one
        # is filled up too, so that a row's vector does not depend on where in the table it stands.
        spare = max(0, size - len(waiting)) if self.had_full else 0
        vectors, problems = _encode_batch(self.encoder, [*waiting, *waiting[-1:] * spare])
        good = []
        for i, one in enumerate(waiting):
            if i in problems:
                for twin in (one, *twins[one.content_key]):
                    outcome.failed.append((twin.job, _skip(twin.job, problems[i])))
                continue
            good.append(i)
            outcome.encoded.append(one)
            outcome.known.extend(twins[one.content_key])
            self.recent[one.content_key] = None
        while len(self.recent) > 16 * self.encoder.batch_size:
            self.recent.popitem(last=False)
        if good:
            outcome.vectors = unit_rows(vectors[good])
        return outcome


def _encode_batch(encoder: Encoder, batch: Sequence[Ready]) -> tuple[Vectors, dict[int, str]]:
    """Encode, halving the batch when memory runs out; problems by position."""
    prepared = [one.prepared for one in batch if one.prepared is not None]
    try:
        vectors = encoder.encode(prepared)
    except MemoryError:
        if len(batch) == 1:
            return np.zeros((1, 1), np.float32), {0: "out of memory, even alone in its batch"}
        half = len(batch) // 2
        first, problems = _encode_batch(encoder, batch[:half])
        second, others = _encode_batch(encoder, batch[half:])
        problems |= {i + half: reason for i, reason in others.items()}
        width = max(first.shape[1], second.shape[1])
        parts = [
            part if part.shape[1] == width else np.zeros((len(part), width), np.float32)
            for part in (first, second)
        ]
        return np.concatenate(parts), problems
    return vectors, bad_rows(vectors)


def _skip(job: Job, reason: str) -> Skipped:
    return Skipped(job.item_id, job.field, "encode", reason, retryable=True)
