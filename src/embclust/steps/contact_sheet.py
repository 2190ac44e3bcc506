"""The pictures of a cluster's most typical rows in one, for a model that sees."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Final

from embclust.data import ContactSheet
from embclust.ledger import open_ledger
from embclust.steps.pictures import choose_image_field
from embclust.thumbs import Thumbs

if TYPE_CHECKING:
    from PIL import Image

    from embclust.data import ClusterSample
    from embclust.steps.read import Source
    from embclust.workspace import Workspace

__all__ = ["ContactSheets"]

_CELL: Final = 128
_GAP: Final = 4
_MOST: Final = 16
"""Pictures on a sheet: four times four keep it near 512 pixels, one tile of what models read."""


class ContactSheets:
    """Makes contact sheets out of the thumbnails that the workspace keeps; fetches nothing."""

    def __init__(self, source: Source, workspace: Workspace, image_field: str | None) -> None:
        self._source = source
        self._workspace = workspace
        self._image_field = image_field
        self._keys: dict[str, bytes] | None = None

    def make(self, sample: ClusterSample, count: int) -> ContactSheet | None:
        """Return the sheet, most typical rows first; None when no picture of them is kept.

        Equal pictures are shown once. The same rows give the same bytes.
        """
        chosen: dict[bytes, str] = {}
        for row in sample.representatives:
            key = self._content_keys().get(sample.ids[row])
            if key is not None:
                chosen.setdefault(key, sample.ids[row])
            if len(chosen) == min(count, _MOST):
                break
        if not chosen:
            return None
        thumbs = Thumbs(self._workspace.thumbs_path)
        try:
            found = thumbs.get(list(chosen))
        finally:
            thumbs.close()
        kept = [(item, found[key]) for key, item in chosen.items() if key in found]
        return _sheet(kept) if kept else None

    def _content_keys(self) -> dict[str, bytes]:
        if self._keys is None:
            self._keys = self._read_keys()
        return self._keys

    def _read_keys(self) -> dict[str, bytes]:
        field = choose_image_field(self._source, self._image_field)
        ledger = open_ledger(self._workspace.ledger_path)
        if ledger is None or field is None or not self._workspace.thumbs_path.is_file():
            return {}
        try:
            known = ledger.collection(self._source.info.collection)
            return ledger.content_keys(known, field) if known else {}
        finally:
            ledger.close()


def _sheet(pictures: list[tuple[str, bytes]]) -> ContactSheet:
    from PIL import Image

    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    width, height = (n * (_CELL + _GAP) + _GAP for n in (columns, rows))
    sheet = Image.new("RGB", (width, height), "white")
    for place, (_, content) in enumerate(pictures):
        with Image.open(io.BytesIO(content)) as opened:
            picture = _fitted(opened.convert("RGB"))
        left = _GAP + place % columns * (_CELL + _GAP) + (_CELL - picture.width) // 2
        top = _GAP + place // columns * (_CELL + _GAP) + (_CELL - picture.height) // 2
        sheet.paste(picture, (left, top))
    target = io.BytesIO()
    sheet.save(target, "JPEG", quality=85)
    return ContactSheet(target.getvalue(), width, height, [item for item, _ in pictures])


def _fitted(picture: Image.Image) -> Image.Image:
    picture.thumbnail((_CELL, _CELL))
    return picture
