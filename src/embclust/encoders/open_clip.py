"""The `open_clip` encoder: CLIP and its relatives, the picture tower or the text tower."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from embclust.data import Prepared
from embclust.encoders import _hub, _torch
from embclust.encoders import _open_clip_spec as spec
from embclust.encoders._lazy import Lazy
from embclust.encoders._options import BATCH_SIZE, PRECISION, Precision, clean_text
from embclust.encoders._pixels import Preprocess, to_pixels
from embclust.encoders._weights import content_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from embclust.data import Modality, Vectors

__all__ = ["OpenClipEncoder"]

_TOKENIZER_FILES = ["tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model"]


@dataclass(frozen=True, slots=True)
class _Model:
    """A loaded tower: `run` takes pixels or tokens and returns (n, dim)."""

    run: Any
    device: str
    precision: str
    dtype: torch.dtype
    fingerprint: str


class OpenClipEncoder:
    """One tower of an open_clip model.

    Pictures go through the model's own transform: resized and cropped by `prepare` with Pillow,
    normalised by `encode`. Texts longer than the context are cut, which `prepare` marks.
    """

    joint: ClassVar[bool] = True

    class Options(BaseModel):
        """Options of `kind: open_clip`."""

        model_config = ConfigDict(extra="forbid", validate_default=True)

        model: str = Field(
            "openai/clip-vit-base-patch32",
            min_length=1,
            description=(
                "An open_clip name such as ViT-B-32 (with `pretrained`), hf-hub:OWNER/NAME, "
                "local-dir:PATH, or OpenAI's names such as openai/clip-vit-base-patch32."
            ),
        )
        pretrained: str | None = Field(
            None, description="Pretrained tag of the model, or a path to a weight file."
        )
        revision: str | None = Field(
            None, description="Commit, branch or tag of the weights' repository on the hub."
        )
        batch_size: int = BATCH_SIZE
        precision: Precision = PRECISION

    def __init__(self, options: Options, *, modality: Modality, device: str, base: Path) -> None:
        self._options = options
        self._device = device
        self._base = base
        self.modality: Modality = modality
        self.batch_size = options.batch_size
        self._model = Lazy(self._load)
        self._tokenizer = Lazy(self._load_tokenizer)
        self._tokenizer_lock = threading.Lock()

    @cached_property
    def _source(self) -> spec.Source:
        o = self._options
        return spec.find_source(o.model, o.pretrained, o.revision, self._base)

    @cached_property
    def _config(self) -> dict[str, Any]:
        return spec.read_config(self._source.config)

    @cached_property
    def _preprocess(self) -> Preprocess:
        return spec.preprocess_of(self._config, self._source.tag)

    @property
    def input_size(self) -> int:
        """The longest side of what the image tower reads, in pixels."""
        return max(self._preprocess.size)

    @cached_property
    def encoder_id(self) -> str:
        """Tower, model and tag; local weights by their content (weights and configuration)."""
        source = self._source
        if isinstance(source.weights, _hub.HubFile):
            return f"open_clip/{self.modality} {source.name}"
        files = [source.weights, *([source.config] if isinstance(source.config, Path) else [])]
        named = source.config if isinstance(source.config, str) else "local"
        return f"open_clip/{self.modality} {named} sha256:{content_hash(files)}"

    @property
    def dim(self) -> int:
        """Length of a vector, from the model's configuration."""
        return int(self._config["embed_dim"])

    @property
    def precision(self) -> str:
        """What `encode` computes in; the option's value before the model is loaded."""
        loaded = self._model.peek()
        return loaded.precision if loaded else self._options.precision

    def check(self) -> None:
        """See the protocol. Reads names and files; asks the hub only for what is not cached."""
        source = self._source
        for file in (source.config, source.weights):
            if isinstance(file, _hub.HubFile):
                _hub.require(file)
        for file in self._text_files():
            _hub.require(file)

    def fingerprint(self) -> str | None:
        """Commit (of the hub) and hash of the weight file, once they are loaded."""
        loaded = self._model.peek()
        return loaded.fingerprint if loaded else None

    def prepare(self, raw: Any) -> Prepared:
        """Return uint8 (3, h, w), or the text. Raises BadInputError."""
        if self.modality == "image":
            return Prepared(to_pixels(raw, self._preprocess))
        text = " ".join(clean_text(raw).split())
        context = int(self._config["text_cfg"].get("context_length", 77))
        # No token is longer than 64 characters, and one endless "word" would take minutes.
        text = text[: 64 * context]
        return Prepared(text, cut=self._count_tokens(text, context) > context)

    def encode(self, batch: Sequence[Prepared]) -> Vectors:
        """Return float32 (n, dim). Raises MemoryError when the device has not enough."""
        import numpy as np
        import torch

        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        model = self._model.get()
        with torch.inference_mode(), _torch.memory_errors():
            if self.modality == "image":
                inputs = _torch.pixels_to_tensor(batch, self._preprocess, model.device, model.dtype)
            else:
                with self._tokenizer_lock:
                    inputs = self._tokenizer.get()([str(p.value) for p in batch])
                inputs = inputs.to(model.device)
            return _torch.to_vectors(model.run(inputs))

    def _text_files(self) -> list[_hub.HubFile]:
        """Return what a text tower of the transformers library needs from the hub.

        Such a tower is built with the model even when only the picture tower is used.
        """
        text = self._config["text_cfg"]
        files = []
        if text.get("hf_model_name"):
            files.append(_hub.HubFile(text["hf_model_name"], ("config.json",)))
        if text.get("hf_tokenizer_name") and self.modality == "text":
            names = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "spiece.model")
            files.append(_hub.HubFile(text["hf_tokenizer_name"], names))
        return files

    def _load(self) -> _Model:
        self.check()
        source = self._source
        device = _torch.resolve_device(self._device)
        precision = _torch.resolve_precision(self._options.precision, device)
        local = isinstance(source.weights, Path)
        path = source.weights if isinstance(source.weights, Path) else _hub.fetch(source.weights)
        for file in self._text_files():
            _hub.fetch(file)
        dtype = _torch.dtype_of(precision)
        with _torch.load_errors(f"open_clip {source.name or path.name}"):
            run = _build(self._arch(), path, self.modality, device, dtype)
        commit = "" if local else f"{_hub.commit_of(path)} "
        return _Model(run, device, precision, dtype, f"{commit}sha256:{content_hash([path])}")

    def _arch(self) -> str:
        """Return the name under which open_clip itself finds the configuration."""
        config = self._source.config
        if isinstance(config, str):
            return config
        folder = (config if isinstance(config, Path) else _hub.fetch(config)).parent
        return f"local-dir:{folder}"

    def _load_tokenizer(self) -> Any:
        for file in self._text_files():
            if file.names != ("config.json",) and _hub.find(file) is None:
                _hub.fetch_folder(file, _TOKENIZER_FILES, [])
        with _torch.quiet(), _hub.no_network():
            import open_clip

            return open_clip.get_tokenizer(self._arch())

    def _count_tokens(self, text: str, context: int) -> int:
        """Return the number of tokens with start and end, exact up to context + 1."""
        tokenizer = self._tokenizer.get()
        if hasattr(tokenizer, "encode"):  # CLIP's own: pure Python, safe in several threads
            return len(tokenizer.encode(text)) + 2
        with self._tokenizer_lock:  # a tokenizer in Rust must not be used by two threads
            clean = tokenizer.clean_fn(text)
            ids = tokenizer.tokenizer(clean, truncation=True, max_length=context + 1).input_ids
        return len(ids)


def _build(arch: str, weights: Path, modality: Modality, device: str, dtype: torch.dtype) -> Any:
    """Build the model, load its weights (strictly, and data only), return one tower.

    The weights are loaded here and not by `create_model`: that picks a file by itself, and goes
    on with random weights when it finds none.
    """
    with _torch.quiet(), _hub.no_network():
        import open_clip
        from open_clip.factory import load_checkpoint

        model = open_clip.create_model(arch, load_weights=False, pretrained_text=False)
        load_checkpoint(model, str(weights), strict=True, weights_only=True)
    model.eval()
    if modality == "text":
        del model.visual
        return model.to(device=device, dtype=dtype).encode_text
    plain = type(model).__name__ in {"CLIP", "CustomTextCLIP"}
    run = model.visual if plain else model.encode_image  # the text tower's memory goes back
    (run if plain else model).to(device=device, dtype=dtype)
    return run
