"""The `timm` encoder: any of timm's image backbones, with the features before its classifier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from embclust.data import Prepared
from embclust.encoders import _hub, _torch
from embclust.encoders import _timm_spec as spec
from embclust.encoders._lazy import Lazy
from embclust.encoders._options import BATCH_SIZE, PRECISION, Precision, need_modality
from embclust.encoders._pixels import Preprocess, to_pixels
from embclust.encoders._weights import content_hash
from embclust.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from embclust.data import Modality, Vectors

__all__ = ["TimmEncoder"]

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class _Model:
    module: Any
    device: str
    precision: str
    dtype: torch.dtype
    fingerprint: str


class TimmEncoder:
    """Pooled features of a timm backbone.

    Weights are either a pretrained tag's, from the hub, or a file's. A file's tensors must have
    timm's names, or be timm's tensors one to one and in order (`_in_order` says what is checked);
    anything else is refused.
    """

    class Options(BaseModel):
        """Options of `kind: timm`."""

        model_config = ConfigDict(extra="forbid", validate_default=True)

        model: str = Field(
            "tf_efficientnet_lite0",
            min_length=1,
            description="A timm model, with or without a pretrained tag: resnet50.a1_in1k.",
        )
        weights: str | None = Field(
            None,
            description=(
                "A weight file, or package:NAME for the one inside an installed package; the "
                "pretrained tag's weights from the hub when unset."
            ),
        )
        image_size: int | None = Field(
            None, ge=16, le=4096, description="Side of the picture; the model's own when unset."
        )
        crop_pct: float | None = Field(
            None, gt=0, le=1, description="Share of the picture kept; the model's own when unset."
        )
        interpolation: Literal["bicubic", "bilinear", "lanczos", "nearest"] | None = Field(
            None, description="How pictures are resized; the model's own when unset."
        )
        mean: Triple | None = Field(
            None, description="Mean of the channels, 0 to 1; the model's own when unset."
        )
        std: Triple | None = Field(
            None, description="Deviation of the channels; the model's own when unset."
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
        self._how = Lazy(self._preprocess)

    @cached_property
    def _name(self) -> str:
        """'arch' with own weights, 'arch.tag' without."""
        o = self._options
        return o.model.partition(".")[0] if o.weights else spec.default_tag(o.model)

    @cached_property
    def _weights(self) -> Path | _hub.HubFile:
        given = self._options.weights
        return spec.find_weights(given, self._base) if given else spec.hub_file(self._name)

    @property
    def input_size(self) -> int:
        """The longest side of what the model reads, in pixels."""
        return max(self._how.get().size)

    @cached_property
    def encoder_id(self) -> str:
        """Model and tag, or model and content of the weight file; and changed preprocessing."""
        o = self._options
        changed = o.model_dump(
            include={"image_size", "crop_pct", "interpolation", "mean", "std"}, exclude_none=True
        )
        parts = [f"timm/{self.modality} {self._name}"]
        if isinstance(self._weights, Path):
            parts.append(f"sha256:{content_hash([self._weights])}")
        parts += [f"{key}={value}".replace(" ", "") for key, value in changed.items()]
        return " ".join(parts)

    @cached_property
    def dim(self) -> int:
        """Length of a vector: from the weight file's classifier, else from timm (imports it)."""
        file = self._weights
        path = file if isinstance(file, Path) else _hub.find(file)
        found = spec.features(path) if path else None
        if found is not None:
            return found
        with _torch.quiet():
            import timm
            import torch

            with torch.device("meta"):  # shapes only: no memory, no weights
                empty: Any = timm.create_model(self._name, pretrained=False, num_classes=0)
                return int(empty(torch.zeros(1, *empty.pretrained_cfg["input_size"])).shape[-1])

    @property
    def precision(self) -> str:
        """What `encode` computes in; the option's value before the model is loaded."""
        loaded = self._model.peek()
        return loaded.precision if loaded else self._options.precision

    def check(self) -> None:
        """See the protocol. Imports timm only for the few models whose tags are not plain."""
        need_modality("timm", self.modality, "image")
        spec.check_name(self._options.model)
        if self._options.std and min(self._options.std) <= 0:
            raise SettingsError("encoders.image.std: must be above zero.")
        file = self._weights
        if isinstance(file, Path):
            spec.features(file)  # reads the header: SettingsError when it is no state dict
        else:
            _hub.require(file)

    def fingerprint(self) -> str | None:
        """Commit (of the hub) and hash of the weight file, once they are loaded."""
        loaded = self._model.peek()
        return loaded.fingerprint if loaded else None

    def prepare(self, raw: Any) -> Prepared:
        """Return uint8 (3, h, w). Raises BadInputError."""
        return Prepared(to_pixels(raw, self._how.get()))

    def encode(self, batch: Sequence[Prepared]) -> Vectors:
        """Return float32 (n, dim). Raises MemoryError when the device has not enough."""
        import numpy as np
        import torch

        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        model = self._model.get()
        with torch.inference_mode(), _torch.memory_errors():
            pixels = _torch.pixels_to_tensor(batch, self._how.get(), model.device, model.dtype)
            return _torch.to_vectors(model.module(pixels))

    def _load(self) -> _Model:
        self.check()
        device = _torch.resolve_device(self._device)
        precision = _torch.resolve_precision(self._options.precision, device)
        file = self._weights
        path = file if isinstance(file, Path) else _hub.fetch(file)
        size = {"img_size": self._options.image_size} if self._options.image_size else {}
        with _torch.load_errors(f"timm {self._name} with {path.name}"), _torch.quiet():
            if isinstance(file, Path):
                module = _with_file(self._name, path)
            else:
                module = _with_tag(self._name, path)
            if size and hasattr(module, "set_input_size"):
                module.set_input_size(**size)
        dtype = _torch.dtype_of(precision)
        module.eval().to(device=device, dtype=dtype)
        commit = "" if isinstance(file, Path) else f"{_hub.commit_of(path)} "
        return _Model(module, device, precision, dtype, f"{commit}sha256:{content_hash([path])}")

    def _preprocess(self) -> Preprocess:
        """Return timm's own settings of the model, with the options put over them."""
        with _torch.quiet():
            import timm
            from timm.data.config import resolve_data_config

            settings: Any = timm.get_pretrained_cfg(self._name)
            resolve: Any = resolve_data_config
            own = resolve(pretrained_cfg=settings.to_dict())
        o = self._options
        height, width = (o.image_size,) * 2 if o.image_size else own["input_size"][-2:]
        crop = o.crop_pct or own["crop_pct"]
        mean = o.mean or own["mean"]
        red, green, blue = (round(255 * v) for v in mean)
        modes: dict[str, Literal["squash", "longest"]] = {"squash": "squash", "border": "longest"}
        return Preprocess(
            size=(height, width),
            scale=(math.floor(height / crop), math.floor(width / crop)),
            resize=modes.get(own["crop_mode"], "shortest"),
            interpolation=o.interpolation or own["interpolation"],
            mean=mean,
            std=o.std or own["std"],
            fill=(red, green, blue),
        )


def _with_tag(name: str, path: Path) -> Any:
    """Build with a pretrained tag's file.

    The classifier is dropped after loading, not before: timm loads strictly only with it.
    """
    import timm

    overlay = {"file": str(path), "custom_load": False}
    module: Any = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
    module.reset_classifier(0)
    return module


def _with_file(name: str, path: Path) -> Any:
    """Build without a classifier and load a state dict into it, every tensor of it or none."""
    import timm
    from timm.models import load_state_dict

    module: Any = timm.create_model(name, pretrained=False, num_classes=0)
    given = load_state_dict(str(path), device="cpu", weights_only=True)
    wanted = module.state_dict()
    classifier = module.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{c}." for c in ([classifier] if isinstance(classifier, str) else classifier))
    if set(wanted) <= set(given):
        extra = [k for k in given if k not in wanted and not k.startswith(heads or "\0")]
        if extra:
            raise SettingsError(f"{path.name} has tensors that '{name}' has not: {extra[:3]}.")
        named = {key: given[key] for key in wanted}
    else:
        named = _in_order(name, path, given)
        named = {key: named[key] for key in wanted}
    module.load_state_dict(named, strict=True)
    return module


def _in_order(name: str, path: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Give a foreign state dict timm's names, by position.

    Ports of one architecture often list the same tensors in the same order under other names.
    Taken only when the count is equal and at every position the shape and the last part of the
    name (weight, bias, running_mean, …) are: two tensors of one block cannot change places
    unnoticed then. Raises SettingsError otherwise.
    """
    import timm

    full = timm.create_model(name, pretrained=False).state_dict()
    if len(full) != len(given):
        raise SettingsError(
            f"{path.name} is not for '{name}': {len(given)} tensors, the model has {len(full)}.",
            "Choose the model that the file was made for.",
        )
    for (theirs, tensor), (ours, own) in zip(given.items(), full.items(), strict=True):
        same_kind = theirs.rpartition(".")[2] == ours.rpartition(".")[2]
        if tensor.shape != own.shape or not same_kind:
            raise SettingsError(
                f"{path.name} is not for '{name}': its {theirs} {tuple(tensor.shape)} stands where "
                f"the model has {ours} {tuple(own.shape)}.",
                "Choose the model that the file was made for.",
            )
    return dict(zip(full, given.values(), strict=True))
