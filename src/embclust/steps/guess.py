"""Looks at a table and guesses which column is what.

The guesses come from the values, the names only break ties: an id column is unique, an image
column holds links or paths that end like pictures, a text column holds distinct running text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from embclust.data import Item
from embclust.errors import InputTableError
from embclust.rows import Rejected, sample_table
from embclust.rows.clean import scalar_text

__all__ = ["Column", "Guess", "guess"]

_SAMPLE: Final = 2_000
_UNIQUE_WITHIN: Final = 100_000
"""Rows in which an id column must be unique; more are not looked at."""

_ID_NAMES: Final = (
    "id", "uid", "uuid", "guid", "sku", "asin", "ean", "gtin", "upc", "isbn", "key", "code",
    "identifier", "number", "no",
)  # fmt: skip
_IMAGE_WORDS: Final = re.compile(r"image|img|photo|pic|thumb|cover|poster|scan", re.IGNORECASE)
_SMALL: Final = re.compile(r"thumb|small|icon", re.IGNORECASE)
_TITLE_WORDS: Final = re.compile(r"name|title|text|desc|caption|label|headline", re.IGNORECASE)
_FOLDERS: Final = ("images", "image", "img", "imgs", "pictures", "photos", "pics", "thumbs")
_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


@dataclass(frozen=True, slots=True)
class Column:
    """What the first rows tell about one column. Shares are of its filled cells, 0 to 1."""

    name: str
    filled: int
    distinct: int
    words: float
    length: float
    letters: float
    image_links: float
    links: float
    example: str

    @property
    def is_text(self) -> bool:
        """Running text: several words, hardly ever the same, no links."""
        varied = self.distinct > 0.5 * self.filled or self.distinct > 200
        return self.words >= 1.5 and self.letters >= 0.5 and varied and self.links < 0.1

    @property
    def is_category(self) -> bool:
        """Few values that come again and again."""
        few = 2 <= self.distinct <= min(100, 0.3 * self.filled)
        return few and self.length <= 40


@dataclass(frozen=True, slots=True)
class Guess:
    """What a config for a table could say. `images` maps a column to its template or None."""

    path: Path
    kind: str
    id_field: str | None
    images: dict[str, str | None]
    texts: list[str]
    display: list[str]
    columns: list[Column]
    other_texts: list[str] = field(default_factory=list)
    pictures_found: bool = True
    encoding: str = "auto"


def guess(path: Path, encoding: str = "auto") -> Guess:
    """Read the table's beginning and guess its columns' parts.

    Raises InputTableError when it cannot be read, or when nothing in it could be embedded.
    """
    table = sample_table(path, _UNIQUE_WITHIN, encoding)
    id_candidates = _id_candidates(table.columns)
    unique = {name: set[int]() for name in id_candidates}
    sample: list[Item] = []
    for row in table.rows():
        if isinstance(row, Rejected):
            continue
        if len(sample) < _SAMPLE:
            sample.append(row.item)
        _keep_unique(unique, row.item)
        if not unique and len(sample) == _SAMPLE:
            break
    columns = [_describe(name, sample) for name in table.columns]
    columns = [each for each in columns if each.filled]
    if table.kind == "images":
        shown = [each.name for each in columns if each.name != "path"]
        return Guess(path, table.kind, None, {"path": None}, [], shown, columns)
    id_field = next(iter(unique), None)
    images = _image_columns(columns)
    if not images and id_field is not None:
        images = _image_template(table.folder, id_field, sample, table.columns)
    texts = _text_columns([each for each in columns if each.name not in (id_field, *images)])
    if not images and not texts:
        raise InputTableError(
            f"{path}: no column looks like pictures or text.",
            "Name them: embclust index TABLE --image COLUMN or --text COLUMN.",
        )
    return Guess(
        path=path,
        kind=table.kind,
        id_field=id_field,
        images=images,
        texts=texts[:1],
        display=_display(columns, texts[:1], id_field),
        columns=columns,
        other_texts=texts[1:],
        pictures_found=_pictures_found(table.folder, images, sample),
        encoding=encoding,
    )


def _id_candidates(names: Iterable[str]) -> list[str]:
    """Columns called like an id, the likeliest first: id, sku, …, product_id, itemId."""
    ranked = []
    for name in names:
        parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).casefold()
        words = [word for word in re.split(r"[^a-z0-9]+", parts) if word]
        if words and words[-1] in _ID_NAMES:
            ranked.append((len(words) > 1, _ID_NAMES.index(words[-1]), name))
    return [name for _, _, name in sorted(ranked, key=lambda each: each[:2])][:5]


def _keep_unique(unique: dict[str, set[int]], item: Item) -> None:
    """Drop the candidates that this row leaves empty or repeats."""
    for name in list(unique):
        value = item.fields.get(name)
        digest = hash(scalar_text(value).strip()) if value is not None else None
        if digest is None or digest in unique[name]:
            del unique[name]
        else:
            unique[name].add(digest)


def _describe(name: str, sample: list[Item]) -> Column:
    cells = [scalar_text(item.fields[name]).strip() for item in sample if name in item.fields]
    count = max(1, len(cells))
    letters = sum(map(_letter_share, cells)) / count
    return Column(
        name=name,
        filled=len(cells),
        distinct=len(set(cells)),
        words=sum(len(cell.split()) for cell in cells) / count,
        length=sum(map(len, cells)) / count,
        letters=letters,
        image_links=sum(map(_is_picture, cells)) / count,
        links=sum(_is_link(cell) or _is_picture(cell) for cell in cells) / count,
        example=cells[0] if cells else "",
    )


def _letter_share(cell: str) -> float:
    head = "".join(cell[:200].split())
    return sum(map(str.isalpha, head)) / max(1, len(head))


def _is_link(cell: str) -> bool:
    return cell[:8].lower().startswith(("http://", "https://"))


def _is_picture(cell: str) -> bool:
    """A path or link, not a sentence, that ends like a picture file."""
    if "\n" in cell or len(cell) > 2_000:
        return False
    try:
        path = urlsplit(cell).path if _is_link(cell) else cell
    except ValueError:
        return False
    return path.lower().endswith(_SUFFIXES)


def _image_columns(columns: list[Column]) -> dict[str, str | None]:
    found = [
        each.name
        for each in columns
        if each.image_links >= 0.5 or (each.links >= 0.5 and _IMAGE_WORDS.search(each.name))
    ]
    # One of several is chosen: a thumbnail column beside the picture shows the same thing.
    best = min(found, key=lambda name: bool(_SMALL.search(name)), default=None)
    return {} if best is None else {best: None}


def _image_template(
    folder: Path, id_field: str, sample: list[Item], names: list[str]
) -> dict[str, str | None]:
    """Look for images/ID.jpg beside the table: at least half of the first ids must be there."""
    if "{" in id_field or "}" in id_field:
        return {}
    ids = [scalar_text(item.fields[id_field]).strip() for item in sample[:20]]
    column = next(each for each in ("image", "picture", "image_file") if each not in names)
    for subfolder in _FOLDERS:
        if not (folder / subfolder).is_dir():
            continue
        for suffix in _SUFFIXES:
            there = sum(_exists(folder / subfolder / f"{each}{suffix}") for each in ids)
            if there >= max(1, len(ids) / 2):
                return {column: f"{subfolder}/{{{id_field}}}{suffix}"}
    return {}


def _text_columns(columns: list[Column]) -> list[str]:
    """Columns with running text, titles and names first, then the longest."""
    texts = [each for each in columns if each.is_text]
    if not texts:  # single words are better than nothing, codes are not
        texts = [
            each
            for each in columns
            if each.letters >= 0.7 and each.links < 0.1 and each.distinct > 0.3 * each.filled
        ]
    ranked = sorted(texts, key=lambda each: (not _TITLE_WORDS.search(each.name), -each.length))
    return [each.name for each in ranked]


def _display(columns: list[Column], texts: list[str], id_field: str | None) -> list[str]:
    categories = [each.name for each in columns if each.is_category and each.name != id_field]
    return texts + [name for name in categories if name not in texts][:4]


def _pictures_found(folder: Path, images: dict[str, str | None], sample: list[Item]) -> bool:
    """Whether local picture paths, where there are some, lead to files."""
    for column, template in images.items():
        cells = [scalar_text(item.fields[column]) for item in sample if column in item.fields]
        paths = [cell.strip() for cell in islice(cells, 50) if not _is_link(cell.strip())]
        if template is None and paths and not any(_exists(folder / each) for each in paths):
            return False
    return True


def _exists(path: Path) -> bool:
    try:
        return os.path.isfile(path)  # noqa: PTH113 - unlike Path.is_file it never raises on names
    except ValueError:
        return False
