"""What the encoders that run on PyTorch share: device, precision, tensors, quiet loading."""

from __future__ import annotations

import contextlib
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from embclust.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from embclust.data import Prepared, Vectors
    from embclust.encoders._options import Precision
    from embclust.encoders._pixels import Preprocess

__all__ = [
    "dtype_of",
    "load_errors",
    "memory_errors",
    "pixels_to_tensor",
    "quiet",
    "resolve_device",
    "resolve_precision",
    "to_vectors",
]


def resolve_device(device: str) -> str:
    """'auto' -> cuda, mps or cpu. Raises SettingsError when a named device is not there."""
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available()}
    there["mps"] = torch.backends.mps.is_available()
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there.get(device.partition(":")[0], False):
        raise SettingsError(
            f"device: '{device}' is not available here.", "Use device: auto, or cpu."
        )
    return device


def resolve_precision(wanted: Precision, device: str) -> str:
    """'auto' -> what the device computes fast without a visible loss.

    On CPUs with bfloat16 in hardware every family measured (ViT, EfficientNet, ResNet, ConvNeXt,
    MobileNet, MiniLM) ran 1.9 to 2.6 times as fast in it. Without that hardware it is emulated
    and slower than float32, hence the look at the CPU's own flags.
    """
    if wanted != "auto":
        return wanted
    if device.startswith("cuda"):
        return "float16"
    if device == "cpu" and _cpu_has_bfloat16():
        return "bfloat16"
    return "float32"


def _cpu_has_bfloat16() -> bool:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def dtype_of(precision: str) -> torch.dtype:
    """Return torch's dtype of that name."""
    import torch

    return {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
    }[precision]


def pixels_to_tensor(
    batch: Sequence[Prepared], how: Preprocess, device: str, dtype: torch.dtype
) -> torch.Tensor:
    """Stack uint8 (3, h, w) pictures and normalise them: dtype (n, 3, h, w), channels last.

    Channels last because convolutions run up to 1.7 times as fast on it (measured on a CPU).
    """
    import numpy as np
    import torch

    stack = torch.from_numpy(np.stack([np.asarray(p.value) for p in batch])).to(device)
    mean = torch.tensor(how.mean, device=device).view(1, 3, 1, 1)
    std = torch.tensor(how.std, device=device).view(1, 3, 1, 1)
    normal = stack.float().div_(255).sub_(mean).div_(std)
    return normal.to(dtype=dtype).contiguous(memory_format=torch.channels_last)


def to_vectors(output: torch.Tensor) -> Vectors:
    """Return a model's output (n, dim) as a float32 numpy array of its own."""
    import numpy as np

    return np.ascontiguousarray(output.detach().float().cpu().numpy(), dtype=np.float32)


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Turn PyTorch's ways of saying "out of memory" into MemoryError."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MemoryError(_first_line(error)) from error
    except RuntimeError as error:
        text = str(error)
        if "DefaultCPUAllocator" in text or "out of memory" in text:
            raise MemoryError(_first_line(error)) from error
        raise


@contextlib.contextmanager
def load_errors(what: str) -> Iterator[None]:
    """Turn what goes wrong in reading a weight file into one SettingsError.

    `what`: the file and the model it is for. torch, pickle, zipfile and safetensors each raise
    classes of their own, some of them straight below Exception, for the same two causes.
    """
    try:
        with memory_errors():
            yield
    except (SettingsError, MemoryError):
        raise
    except Exception as error:
        raise SettingsError(
            f"{what}: the weights cannot be loaded ({_first_line(error)}).",
            "The file is damaged, or it belongs to another model.",
        ) from error


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:2]) or type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what model libraries say while loading off stderr.

    They log through the root logger's shortcut functions, which install a handler on it when
    there is none: the null handler prevents that, and is taken away again. The filter drops only
    what is logged on the root logger itself, such as open_clip's "initialized randomly" about a
    model that gets its weights in the next line.
    """
    root = logging.getLogger()
    handler = logging.NullHandler()
    root.addHandler(handler)
    root.addFilter(_drop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeFilter(_drop)
        root.removeHandler(handler)


def _drop(_record: logging.LogRecord) -> bool:
    return False
