"""What an index run is to do: which fields, into which collections, with which encoders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embclust import plugins
from embclust.collection_names import collection_name
from embclust.data import Modality
from embclust.errors import EncoderMismatchError, SettingsError

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.ledger import Ledger
    from embclust.protocols import Encoder

__all__ = ["Plan", "build_encoder", "build_encoders", "check_collections", "make_plans", "renamed"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One embedded field and the collection it goes to."""

    field: str
    modality: Modality
    collection: str


def make_plans(settings: Settings) -> list[Plan]:
    """One collection per embedded field."""
    prefix = settings.store.collection_prefix
    images = [(field, "image") for field in settings.fields.image_templates()]
    texts = [(field, "text") for field in settings.fields.texts]
    if not images and not texts:
        raise SettingsError(
            "No column to embed was named.",
            "Name one with --image or --text, or in fields.images or fields.texts; "
            "`embclust init TABLE` writes a config with its guesses.",
        )
    plans: list[Plan] = []
    for field, modality in (*images, *texts):
        name = collection_name(prefix, field)
        if any(plan.collection == name for plan in plans):
            raise SettingsError(
                f"Column '{field}' is named twice, and both would go to collection '{name}'.",
                "Embed a column as a picture or as a text.",
            )
        plans.append(Plan(field, "image" if modality == "image" else "text", name))
    return plans


def renamed(plans: list[Plan], settings: Settings) -> list[str]:
    """What to say of fields whose collection cannot be called prefix + field."""
    prefix = settings.store.collection_prefix
    return [
        f"Column '{plan.field}' goes to collection '{plan.collection}'."
        for plan in plans
        if plan.collection != prefix + plan.field
    ]


def build_encoders(settings: Settings, plans: list[Plan]) -> dict[Modality, Encoder]:
    """The encoders that the plans need; no model is loaded."""
    return {
        modality: build_encoder(settings, modality, modality)
        for modality in {plan.modality for plan in plans}
    }


def build_encoder(settings: Settings, section: Modality, modality: Modality) -> Encoder:
    """The encoder of one section of the settings; a model of pictures can have a text side."""
    chosen = settings.encoders.image if section == "image" else settings.encoders.text
    encoder: Encoder = plugins.build(
        "encoder",
        chosen.kind,
        chosen.options(),
        modality=modality,
        device=settings.device,
        base=Path(),
    )
    return encoder


def check_collections(
    ledger: Ledger, plans: list[Plan], encoders: dict[Modality, Encoder], *, reencode: bool
) -> None:
    """Fail before anything is read or written: a missing model, or another encoder's rows."""
    for plan in plans:
        encoder = encoders[plan.modality]
        known = ledger.collection(plan.collection)
        if known is None:
            encoder.check()
        elif known.encoder_id != encoder.encoder_id and not reencode:
            raise EncoderMismatchError(
                f"Collection '{known.name}' was made by {known.encoder_id}, not by"
                f" {encoder.encoder_id}.",
                "Use that encoder, another store.collection_prefix, or `embclust index --reencode`"
                " to redo every vector.",
            )
