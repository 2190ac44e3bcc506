"""A CLIP of real size with random weights, to measure speed where no weights can be had.

It is written to a folder as a model like any other, so nothing in embclust knows about it, and
no setting makes embclust go without weights:

    python benchmarks/random_encoder.py FOLDER [ViT-B-32]
    embclust index TABLE --set encoders.image.model=local-dir:FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embclust.data import Modality
    from embclust.encoders._options import Precision
    from embclust.encoders.open_clip import OpenClipEncoder


def write_random_model(folder: Path, name: str = "ViT-B-32", seed: int = 0) -> Path:
    """Write the model (ViT-B-32: 605 MB) unless it is there; return the folder."""
    weights = folder / "open_clip_model.safetensors"
    if weights.is_file():
        return folder
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    model = open_clip.create_model(name, load_weights=False)
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    part = weights.with_suffix(".part")
    save_file(model.state_dict(), part)
    part.rename(weights)
    return folder


def random_encoder(
    folder: Path,
    modality: Modality = "image",
    precision: Precision = "auto",
    batch_size: int = 64,
    name: str = "ViT-B-32",
) -> OpenClipEncoder:
    """Return the encoder of such a model, written first if need be."""
    from embclust.encoders.open_clip import OpenClipEncoder

    options = OpenClipEncoder.Options(
        model=f"local-dir:{write_random_model(folder, name).resolve()}",
        precision=precision,
        batch_size=batch_size,
    )
    return OpenClipEncoder(options, modality=modality, device="cpu", base=Path.cwd())


if __name__ == "__main__":
    print(write_random_model(Path(sys.argv[1]), (sys.argv[2:] or ["ViT-B-32"])[0]))
