"""The damages that a kill, a full disk or a second process leave: all of them are found."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embclust.errors import StoreDamagedError
from embclust.stores._folder import segment_folders
from embclust.stores._index_files import quick_check
from embclust.stores._probe import probe
from embclust.stores.chroma import ChromaStore
from tests.stores.chroma_server import batch, info

N = 3000


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("healthy") / "chroma"
    store = ChromaStore(ChromaStore.Options(), collection="shoes", folder=folder)
    store.create(info("shoes"))
    store.upsert(batch([str(i) for i in range(N)], title="x"))
    store.upsert(batch([str(i) for i in range(50)], seed=3, title="y"))
    store.delete([str(i) for i in range(100, 120)])
    store.close()
    return folder


@pytest.fixture
def folder(healthy: Path, tmp_path: Path) -> Path:
    shutil.copytree(healthy, tmp_path / "chroma")
    return tmp_path / "chroma"


def segment(folder: Path) -> Path:
    (found,) = segment_folders(folder)
    return found


def cut(name: str, keep: float) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / name if (folder / name).exists() else segment(folder) / name
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])

    return damage


def zero(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = segment(folder) / name
        path.write_bytes(bytes(path.stat().st_size))

    return damage


def remove(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        if name == "segment":
            shutil.rmtree(segment(folder))
        elif (folder / name).exists():
            (folder / name).unlink()
        else:
            (segment(folder) / name).unlink()

    return damage


def grow(folder: Path) -> None:
    """The 647 GB file: sparse."""
    with (segment(folder) / "link_lists.bin").open("r+b") as file:
        file.truncate(647 * 10**9)


def tear(folder: Path) -> None:
    """The size stays, the second half is of another write."""
    path = segment(folder) / "link_lists.bin"
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] + np.random.default_rng(0).bytes(len(data) - half))


def misdirect(folder: Path) -> None:
    path = segment(folder) / "data_level0.bin"
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 4, 10**6)
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "pickle empty": cut("index_metadata.pickle", 0),
    "pickle half": cut("index_metadata.pickle", 0.5),
    "pickle gone": remove("index_metadata.pickle"),
    "level0 cut": cut("data_level0.bin", 0.6),
    "level0 zero": zero("data_level0.bin"),
    "level0 link to nowhere": misdirect,
    "header zero": zero("header.bin"),
    "header cut": cut("header.bin", 0.5),
    "length cut": cut("length.bin", 0.3),
    "links cut": cut("link_lists.bin", 0.5),
    "links empty": cut("link_lists.bin", 0),
    "links zero": zero("link_lists.bin"),
    "links torn": tear,
    "links grown": grow,
    "segment gone": remove("segment"),
    "sqlite gone": remove("chroma.sqlite3"),
    "sqlite cut": cut("chroma.sqlite3", 0.5),
    "sqlite empty": cut("chroma.sqlite3", 0),
}


def test_a_healthy_store_passes(folder: Path) -> None:
    assert quick_check(folder) is None
    assert probe(folder) is None
    assert quick_check(folder) is None


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_is_found(folder: Path, name: str) -> None:
    DAMAGES[name](folder)
    store = ChromaStore(ChromaStore.Options(), collection="shoes", folder=folder)
    reason = store.damage(deep=False) or store.damage(deep=True)
    assert reason
    assert "\n" not in reason
    aside = store.set_aside()
    assert aside
    assert Path(aside).name.startswith("chroma.damaged-")
    store.create(info("shoes"))
    store.upsert(batch(["a"]))
    assert store.info().count == 1
    store.close()


@pytest.mark.parametrize("name", ["pickle empty", "pickle half", "level0 cut", "header zero"])
def test_the_probe_finds_it_as_well_and_lives(folder: Path, name: str) -> None:
    DAMAGES[name](folder)
    assert probe(folder)


def test_changed_vectors_are_found_by_the_probe_alone(folder: Path) -> None:
    path = segment(folder) / "data_level0.bin"
    data = bytearray(path.read_bytes())
    # Element 200's vector: 132 bytes of links come first, 8 of label last; 8 floats between.
    start = 200 * (132 + 32 + 8) + 132
    struct.pack_into("<f", data, start, 5.0)
    path.write_bytes(data)
    assert quick_check(folder) is None
    assert "changed vectors in collection 'shoes'" in (probe(folder, "shoes") or "")


def test_flipped_bytes_never_hurt_the_checker(folder: Path) -> None:
    random = np.random.default_rng(1)
    files = sorted(segment(folder).iterdir())
    originals = {path: path.read_bytes() for path in files}
    for _ in range(60):
        path = files[int(random.integers(len(files)))]
        data = bytearray(originals[path])
        for position in random.integers(len(data), size=8):
            data[position] ^= int(random.integers(1, 256))
        path.write_bytes(data)
        reason = quick_check(folder)
        assert reason is None or "index" in reason
        path.write_bytes(originals[path])
    assert quick_check(folder) is None


def test_a_probe_that_hangs_ends(folder: Path) -> None:
    assert probe(folder, timeout=0.01) == "cannot be read within 0.01 s"


def test_reading_a_damaged_store_says_so(folder: Path) -> None:
    DAMAGES["pickle empty"](folder)
    store = ChromaStore(ChromaStore.Options(), collection="shoes", folder=folder)
    with pytest.raises(StoreDamagedError, match="rebuild-store"):
        list(store.scan())
    store.close()


def test_set_aside_twice_in_a_second_keeps_both(tmp_path: Path) -> None:
    names = set()
    for _ in range(3):
        folder = tmp_path / "chroma"
        store = ChromaStore(ChromaStore.Options(), collection="shoes", folder=folder)
        store.create(info("shoes"))
        names.add(store.set_aside())
        store.close()
    assert len(names) == 3
    assert store.set_aside() is None
    assert store.fingerprint() == "absent"
    assert "gone" in (store.damage(deep=False) or "")
