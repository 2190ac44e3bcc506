from __future__ import annotations

import logging
from pathlib import Path

import pytest

from embclust.encoders._torch import (
    load_errors,
    memory_errors,
    quiet,
    resolve_device,
    resolve_precision,
)
from embclust.errors import SettingsError


def test_running_out_of_memory_is_a_memory_error() -> None:
    with quiet():
        import torch

    with pytest.raises(MemoryError), memory_errors():
        torch.empty(2**60, dtype=torch.uint8)  # what the CPU allocator really says
    with pytest.raises(MemoryError), memory_errors():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    with pytest.raises(RuntimeError, match="shapes"), memory_errors():
        raise RuntimeError("shapes cannot be multiplied")


def test_a_bad_weight_file_is_one_line() -> None:
    with pytest.raises(SettingsError) as caught, load_errors("x.pth"):
        raise RuntimeError("Error(s) in loading:\n\tsize mismatch for a\n\tsize mismatch for b")
    assert len(str(caught.value).splitlines()) == 1
    assert "size mismatch for a" in str(caught.value)


def test_a_device_that_is_not_there_is_a_settings_error() -> None:
    with quiet():
        import torch

    assert resolve_device("auto") in {"cpu", "cuda", "mps"}
    assert resolve_device("cpu") == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(SettingsError, match="cuda"):
            resolve_device("cuda")


def test_precision_follows_the_machine_unless_it_is_named() -> None:
    assert resolve_precision("float32", "cuda") == "float32"
    assert resolve_precision("auto", "cuda:1") == "float16"
    assert resolve_precision("auto", "mps") == "float32"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        flags = ""
    native = "avx512_bf16" in flags or "amx_bf16" in flags
    assert resolve_precision("auto", "cpu") == ("bfloat16" if native else "float32")


def test_quiet_leaves_logging_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:]
    with quiet():
        logging.warning("noise")  # noqa: LOG015 - what open_clip does
    assert logging.getLogger().handlers == before
    assert "noise" not in capfd.readouterr().err
