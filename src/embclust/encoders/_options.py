"""What the options of several encoders share, and checks on names and texts."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from embclust.errors import BadInputError, SettingsError, UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from embclust.data import Modality

__all__ = [
    "BATCH_SIZE",
    "PRECISION",
    "Precision",
    "clean_text",
    "need_modality",
    "unknown",
]

Precision = Literal["auto", "float32", "bfloat16", "float16"]

BATCH_SIZE: Final[Any] = Field(
    64, ge=1, le=4096, description="How many inputs go through the model at once."
)
PRECISION: Final[Any] = Field(
    "auto",
    description=(
        "What the model computes in. auto: float16 on CUDA, bfloat16 on a CPU that has it in "
        "hardware, float32 elsewhere."
    ),
)


def need_modality(kind: str, modality: Modality, can: Modality) -> None:
    """Raise SettingsError when this kind of encoder cannot read `modality`."""
    if modality != can:
        other = "open_clip or sentence_transformers" if modality == "text" else "open_clip or timm"
        reads = "pictures" if can == "image" else "texts"
        raise SettingsError(
            f"encoders.{modality}.kind: '{kind}' reads {reads} only.", f"Use {other}."
        )


def unknown(what: str, name: str, known: Iterable[str], hint: str = "") -> UnknownModelError:
    """Return the error for a name that does not exist, with the three nearest that do."""
    by_lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.4)
    nearest = ", ".join(by_lower[n] for n in near)
    parts = [f"Nearest: {nearest}." if nearest else "", hint]
    return UnknownModelError(f"There is no {what} '{name}'.", " ".join(p for p in parts if p))


def clean_text(raw: Any) -> str:
    """Return the text without lone surrogates, which tokenizers in Rust refuse.

    Raises BadInputError when there is nothing to embed.
    """
    if not isinstance(raw, str):
        raise BadInputError(f"expected text, got {type(raw).__name__}")
    text = raw.encode("utf-8", "replace").decode("utf-8")
    if not text.strip():
        raise BadInputError("the text is empty")
    return text
