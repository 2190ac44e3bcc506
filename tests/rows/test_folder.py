"""A folder of images as a table."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embclust.errors import InputTableError
from tests.rows.helpers import items, open_at, read


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_one_row_per_picture_in_sorted_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.PNG", "a b.jpg", "z/y/1.webp", "z/2.avif", "notes.txt", "c/3.tiff")
    touch(tmp_path, ".hidden.jpg", ".git/4.jpg", "__MACOSX/5.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    table = open_at(tmp_path, images=["path"])
    good, bad = read(table)
    assert bad == []
    assert [row.item.id for row in good] == [
        "a b.jpg",
        "b.PNG",
        "c/3.tiff",
        "z/2.avif",
        "z/y/1.webp",
    ]
    assert good[0].item.fields == {"path": "a b.jpg", "name": "a b"}
    assert good[4].item.fields == {"path": "z/y/1.webp", "name": "1", "folder": "z/y"}
    assert [row.line for row in good] == [1, 2, 3, 4, 5]
    assert table.columns == ["path", "name", "folder"]
    assert table.folder == tmp_path
    assert table.warnings == []


def test_ids_do_not_change_when_pictures_are_added(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg")
    before = items(tmp_path)
    touch(tmp_path, "a.jpg")
    assert before[0] in items(tmp_path)


def test_names_that_no_path_can_be_made_of_are_rejected(tmp_path: Path) -> None:
    touch(tmp_path, "good.jpg", "new\x01.jpg")
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    good, bad = read(open_at(tmp_path))
    assert [row.item.id for row in good] == ["good.jpg"]
    assert len(bad) == 2
    assert all("file name" in each.reason for each in bad)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputTableError, match="is a directory without pictures"):
        open_at(tmp_path)
    touch(tmp_path, "styles.csv")
    with pytest.raises(InputTableError, match=r"styles\.csv"):
        open_at(tmp_path)


def test_a_folder_is_no_csv_and_a_file_no_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    with pytest.raises(InputTableError, match="is a directory, not a csv table"):
        open_at(tmp_path, format="csv")
    with pytest.raises(InputTableError, match="not a folder of images"):
        open_at(tmp_path / "a.jpg", format="images")


def test_columns_are_checked_here_too(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    with pytest.raises(InputTableError, match=r"no column 'image' .*Columns: path, name, folder"):
        open_at(tmp_path, images=["image"])
