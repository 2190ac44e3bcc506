"""Fetch, prepare and encode what is to be done of one modality, committing batch by batch."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from embclust.data import Modality, Skipped
from embclust.errors import BadInputError
from embclust.fetch import Fetched, FetchFailure, FetchJob, fetch_all
from embclust.images import content_key, load_picture, thumbnail
from embclust.pipeline import Outcome, Ready, Untouched, run_stages
from embclust.staging import Done, Job, Staging, text_key

if TYPE_CHECKING:
    from embclust.config import ImagesSettings, Settings
    from embclust.protocols import Encoder, Progress
    from embclust.thumbs import Thumbs

__all__ = ["EncodeResult", "encode_modality"]

_ALIKE = 50
_TEXT_CHUNK = 64
_TWINS = 20


@dataclass(slots=True)
class EncodeResult:
    """What a person should know of it. `gave_up`: the first 50 all failed alike."""

    notes: list[str] = field(default_factory=list)
    gave_up: bool = False


@dataclass(slots=True)
class _Watch:
    """Notices when nothing at all succeeds, and for the same reason."""

    kind: str | None = None
    count: int = 0
    over: bool = False

    def see(self, outcome: Outcome) -> bool:
        """True once the first 50 jobs have all failed alike."""
        if outcome.encoded or outcome.known or outcome.untouched:
            self.over = True
        for _, skipped in outcome.failed:
            kind = skipped.kind or re.sub(r"\d+", "#", skipped.reason)
            self.over = self.over or self.kind not in (None, kind)
            self.kind = kind
            self.count += 1
        return not self.over and self.count >= _ALIKE


class _Cut:
    """Counts inputs that were longer than the model reads; used from several threads."""

    def __init__(self) -> None:
        self.count = 0
        self.lock = threading.Lock()

    def add(self) -> None:
        with self.lock:
            self.count += 1


def encode_modality(
    modality: Modality,
    staging: Staging,
    encoder: Encoder,
    settings: Settings,
    folder: Path,
    thumbs: Thumbs,
    progress: Progress,
    stop: Callable[[], bool],
    *,
    reencode: bool,
) -> EncodeResult:
    """Work off the planned jobs of one modality; returns what a person should know."""
    total = staging.plan_jobs(modality)
    collection = next(
        target.collection for target in staging.targets if target.modality == modality
    )
    result = EncodeResult()
    ending = threading.Event()
    cut = _Cut()
    pinned = False

    def ended() -> bool:
        return stop() or ending.is_set()

    def known(key: bytes) -> bool:
        held = staging.ledger.known_contents(collection.encoder, [key])
        return bool(held) and not reencode

    if modality == "image":
        inputs = _fetched(staging, settings.images, folder, ended)
        prepare = _prepare_image(encoder, settings.images, thumbs, known)
    else:
        inputs = _texts(staging, ended)
        prepare = _prepare_text(encoder, known, cut)
    watch = _Watch()
    title = "Pictures" if modality == "image" else "Texts"
    with progress.stage(title, total) as bar:
        chunk = 4 if modality == "image" else _TEXT_CHUNK
        for outcome in run_stages(inputs, prepare, encoder, chunk=chunk, stop=stop):
            if outcome.vectors is not None and not pinned:
                dim = outcome.vectors.shape[1]
                staging.ledger.pin_encoder(collection.encoder, dim, encoder.fingerprint())
                pinned = True
            _commit(staging, thumbs, modality, outcome)
            bar.advance(outcome.jobs())
            if watch.see(outcome) and not ending.is_set():
                result.gave_up = True
                ending.set()
                last = outcome.failed[-1][1]
                result.notes.append(
                    f"Stopped early: the first {watch.count} all failed alike ({last.reason})."
                    f" Mend the cause and run the same command again with {_again(last, modality)}."
                )
    if pinned:
        _note_precision(staging, modality, encoder.precision)
    if cut.count:
        result.notes.append(
            f"{cut.count} texts were longer than the model reads; their ends were not used."
        )
    result.notes += _placeholders(staging, modality)
    return result


def _again(skipped: Skipped, modality: Modality) -> str:
    """The flag that takes up rows which failed like this one."""
    if skipped.retryable:
        return "--retry-failed"
    return "--refresh" if modality == "image" else "--reencode"


def _note_precision(staging: Staging, modality: Modality, precision: str) -> None:
    for target in staging.targets:
        if target.modality == modality:
            staging.ledger.set_collection(target.collection.id, precision=precision)


def _fetched(
    staging: Staging, images: ImagesSettings, folder: Path, ended: Callable[[], bool]
) -> Iterator[object]:
    jobs = (
        FetchJob(key=job, ref=job.ref, etag=job.etag, last_modified=job.last_modified)
        for job in staging.jobs()
    )
    yield from fetch_all(jobs, images, folder, ended)


def _texts(staging: Staging, ended: Callable[[], bool]) -> Iterator[object]:
    for job in staging.jobs():
        if ended():
            return
        yield job


def _prepare_image(
    encoder: Encoder, images: ImagesSettings, thumbs: Thumbs, known: Callable[[bytes], bool]
) -> Callable[[object], Ready | Untouched | tuple[Job, Skipped]]:
    # Twice what the model reads: JPEG draft mode below that would change the resampling.
    target = 2 * max(224, int(getattr(encoder, "input_size", 224)))

    def prepare(one: object) -> Ready | Untouched | tuple[Job, Skipped]:
        assert isinstance(one, tuple)
        fetch_job, got = one
        job: Job = fetch_job.key
        if isinstance(got, FetchFailure):
            return job, Skipped(
                job.item_id, job.field, "fetch", got.reason, got.retryable, got.attempts, got.kind
            )
        assert isinstance(got, Fetched)
        if got.not_modified:
            return Untouched(job)
        key = content_key(got.body)
        has_thumb = thumbs.has(key)
        if has_thumb and known(key):
            return Ready(job, key, None, None, got.etag, got.last_modified)
        try:
            picture = load_picture(got.body, images, target)
            prepared = encoder.prepare(picture.image)
            small = None if has_thumb else thumbnail(picture.image, images.thumbnail)
        except BadInputError as error:
            return job, Skipped(
                job.item_id,
                job.field,
                "prepare",
                error.reason,
                retryable=False,
                attempts=got.attempts,
            )
        return Ready(job, key, prepared, small, got.etag, got.last_modified)

    return prepare


def _prepare_text(
    encoder: Encoder, known: Callable[[bytes], bool], cut: _Cut
) -> Callable[[object], Ready | Untouched | tuple[Job, Skipped]]:
    def prepare(one: object) -> Ready | tuple[Job, Skipped]:
        assert isinstance(one, Job)
        text = one.ref.strip()
        key = text_key(text)
        if known(key):
            return Ready(one, key, None)
        try:
            prepared = encoder.prepare(text)
        except BadInputError as error:
            return one, Skipped(one.item_id, one.field, "prepare", error.reason, retryable=False)
        if prepared.cut:
            cut.add()
        return Ready(one, key, prepared)

    return prepare


def _commit(staging: Staging, thumbs: Thumbs, modality: Modality, outcome: Outcome) -> None:
    # Thumbnails first: a row that is on the map has its thumbnail, whenever the power fails.
    thumbs.put(
        [
            (one.content_key, one.thumbnail)
            for one in (*outcome.encoded, *outcome.known)
            if one.thumbnail is not None
        ]
    )
    vectors = None
    if outcome.vectors is not None:
        vectors = ([one.content_key for one in outcome.encoded], outcome.vectors)
    done = [
        Done(one.job.source_key, one.content_key, encoded, one.etag, one.last_modified)
        for encoded, part in ((True, outcome.encoded), (False, outcome.known))
        for one in part
    ]
    failed = [(job.source_key, skipped) for job, skipped in outcome.failed]
    staging.finish(modality, done, failed, vectors)
    if outcome.untouched:
        staging.not_modified(modality, [job.source_key for job in outcome.untouched])


def _placeholders(staging: Staging, modality: Modality) -> list[str]:
    """One picture behind many addresses is often a shop's 'no picture' picture."""
    if modality != "image":
        return []
    notes = []
    for target in staging.targets:
        if target.modality != modality:
            continue
        for count, item_id in staging.ledger.shared_contents(target.collection, _TWINS):
            notes.append(
                f"{count} addresses in '{target.field}' gave the very same picture (for example"
                f" row '{item_id}'): a placeholder?"
            )
    return notes
