"""Which picture belongs to which row of a map: kept thumbnails, or fetched once and kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embclust.errors import BadInputError, UsageError
from embclust.fetch import Fetched, FetchJob, Outcome, fetch_all, source_key
from embclust.images import content_key, load_picture, thumbnail
from embclust.redact import redact
from embclust.wording import counted, near_fields

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.ledger import Ledger
    from embclust.protocols import Progress
    from embclust.steps.read import Source
    from embclust.thumbs import Thumbs

__all__ = ["Pictures", "choose_image_field", "find_pictures"]


@dataclass(frozen=True, slots=True)
class Pictures:
    """`keys`: row id -> content key in the thumbnails; `links`: row id -> http(s) address."""

    keys: dict[str, bytes]
    links: dict[str, str]
    notes: list[str]


def choose_image_field(source: Source, wanted: str | None) -> str | None:
    """The field whose pictures are shown: the one asked for, the own one, or one of the rows'.

    Raises UsageError, naming the nearest field, when the rows have no such field.
    """
    fields = {name for row in source.embeddings.fields for name in row}
    if wanted is not None:
        if wanted in fields or wanted in source.image_fields:
            return wanted
        raise UsageError(
            f"plot.image_field: no row of '{source.info.collection}' has a field '{wanted}'.",
            f"Fields like it: {', '.join(near_fields(wanted, fields))}.",
        )
    if source.modality == "image":
        return source.info.field
    return next((name for name in source.image_fields if name in fields), None)


def find_pictures(
    source: Source,
    field: str | None,
    settings: Settings,
    ledger: Ledger,
    thumbs: Thumbs,
    folder: Path,
    progress: Progress,
    stop: Callable[[], bool] = lambda: False,
) -> Pictures:
    """Find each row's thumbnail; what embclust has never read is fetched now, and kept.

    Fetching follows the same rules as `index` does. Relative paths refer to `folder`.
    """
    if field is None:
        return Pictures({}, {}, [])
    rows = zip(source.embeddings.ids, source.embeddings.fields, strict=True)
    refs = {
        item_id: str(fields[field]).strip()
        for item_id, fields in rows
        if str(fields.get(field, "")).strip()
    }
    links = {
        item_id: ref
        for item_id, ref in refs.items()
        if ref.lower().startswith(("http://", "https://")) and redact(ref) == ref
    }
    known = ledger.collection(source.info.collection)
    keys = ledger.content_keys(known, field) if known else {}
    if known and field in source.image_fields:
        # The index has been there: a row without a picture has none, and the report says why.
        return Pictures(keys, links, [])
    missing = {item_id: ref for item_id, ref in refs.items() if item_id not in keys}
    wanted: dict[str, list[str]] = {}
    for item_id, ref in missing.items():
        wanted.setdefault(ref, []).append(item_id)
    found, reasons = _fetch(wanted, settings, ledger, thumbs, folder, progress, stop)
    for ref, key in found.items():
        keys.update(dict.fromkeys(wanted[ref], key))
    return Pictures(keys, links, _notes(reasons))


def _notes(reasons: Counter[str]) -> list[str]:
    if not reasons:
        return []
    [(most, _)] = reasons.most_common(1)
    which = "" if len(reasons) == 1 else "most often "
    return [f"{counted(reasons.total(), 'picture')} could not be shown: {which}{redact(most)}."]


def _fetch(
    wanted: dict[str, list[str]],
    settings: Settings,
    ledger: Ledger,
    thumbs: Thumbs,
    folder: Path,
    progress: Progress,
    stop: Callable[[], bool],
) -> tuple[dict[str, bytes], Counter[str]]:
    """Address -> content key of what can be shown, and how often which reason was against it."""
    found: dict[str, bytes] = {}
    todo: dict[str, str] = {}
    for ref in wanted:
        where = source_key(ref, folder, settings.images)
        known = ledger.rows("SELECT content_key FROM resources WHERE source_key = ?", where)
        if known and thumbs.has(known[0][0]):
            found[ref] = known[0][0]
        else:
            todo[ref] = where
    reasons: Counter[str] = Counter()
    if not todo:
        return found, reasons
    jobs: Iterator[FetchJob] = (FetchJob(key=ref, ref=ref) for ref in todo)
    with progress.stage("Pictures", len(todo)) as bar:
        for job, got in fetch_all(jobs, settings.images, folder, stop):
            bar.advance()
            try:
                key = _keep(got, settings, thumbs)
            except BadInputError as error:
                reasons[error.reason] += 1
                continue
            found[job.ref] = key
            with ledger.transaction():
                ledger.db.execute(
                    "INSERT OR REPLACE INTO resources (source_key, content_key) VALUES (?, ?)",
                    (todo[job.ref], key),
                )
    return found, reasons


def _keep(got: Outcome, settings: Settings, thumbs: Thumbs) -> bytes:
    """Keep the thumbnail of what came; returns its content key. Raises BadInputError."""
    if not isinstance(got, Fetched):
        raise BadInputError(got.reason)
    picture = load_picture(got.body, settings.images)
    key = content_key(got.body)
    thumbs.put([(key, thumbnail(picture.image, settings.images.thumbnail))])
    return key
