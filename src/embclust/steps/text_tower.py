"""Vectors of words by the very model that made a collection's vectors, and by no other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embclust.errors import EncoderMismatchError, RefusedError, UsageError
from embclust.ledger import open_ledger
from embclust.steps.plans import build_encoder
from embclust.steps.read import short_id
from embclust.vectors import unit_rows

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.data import CollectionInfo, Modality, Vectors
    from embclust.naming_cache import NamingCache
    from embclust.protocols import Encoder
    from embclust.workspace import Workspace

__all__ = ["TextTower"]


class TextTower:
    """Embeds texts into a collection's own space; loads the model only for new texts.

    The model is the one of the settings (which the collection remembers), and it must be the
    one that is recorded with the collection. Pictures need a model with a text side in the same
    space. `modality`: what the collection was made from; empty when that is not known.
    """

    def __init__(
        self,
        info: CollectionInfo,
        modality: str,
        settings: Settings,
        workspace: Workspace,
        cache: NamingCache,
    ) -> None:
        self._info = info
        self._modalities: list[Modality] = (
            ["text"] if modality == "text" else ["image"] if modality else ["image", "text"]
        )
        self._settings = settings
        self._workspace = workspace
        self._cache = cache

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n, d), unit rows.

        Raises RefusedError where the collection's model is not known, is not that of the
        settings, or has no text side; and what the encoder raises when it cannot be loaded.
        """
        key = self._key(texts)
        kept = self._cache.get("vectors", key)
        size = 4 * len(texts) * self._info.dim
        if kept is not None and len(kept) == size:
            return np.frombuffer(kept, dtype="<f4").reshape(len(texts), -1).astype(np.float32)
        vectors = self._encode(self._encoder(), texts)
        self._cache.put("vectors", key, vectors.astype("<f4").tobytes())
        return vectors

    def _key(self, texts: Sequence[str]) -> str:
        digest = hashlib.sha256(f"{self._info.encoder_id}\0{self._info.dim}".encode())
        for text in texts:
            digest.update(b"\0" + text.encode("utf-8", "replace"))
        return digest.hexdigest()

    def _encoder(self) -> Encoder:
        """Return the text side of the collection's model; nothing is loaded yet."""
        name, made_by = self._info.collection, self._info.encoder_id
        if not made_by:
            raise RefusedError(
                f"it is not known which model made the vectors of '{name}', so no words can be"
                " compared with them"
            )
        others = []
        for modality in self._modalities:
            own = self._build(modality, modality)
            if own.encoder_id == made_by:
                return self._text_side(own, modality)
            others.append(short_id(own.encoder_id))
        raise EncoderMismatchError(
            f"'{name}' was made by {short_id(made_by)}, not by the settings' {' or '.join(others)},"
            " and vectors of different models cannot be compared",
            "Give the config that it was indexed with.",
        )

    def _text_side(self, own: Encoder, modality: Modality) -> Encoder:
        if modality == "text":
            return own
        if not getattr(own, "joint", False):
            raise RefusedError(
                f"{short_id(self._info.encoder_id)} has no text side to compare words with"
                " pictures; index with encoders.image.kind open_clip for that"
            )
        return self._build("image", "text")

    def _build(self, section: Modality, modality: Modality) -> Encoder:
        try:
            encoder = build_encoder(self._settings, section, modality)
            encoder.encoder_id  # noqa: B018 - read from names and files, which may be gone
        except UsageError as error:
            # Not a mistake in this command: the namer cannot work, and others can.
            raise RefusedError(error.message.rstrip("."), error.hint) from error
        return encoder

    def _encode(self, encoder: Encoder, texts: Sequence[str]) -> Vectors:
        encoder.check()
        prepared = [encoder.prepare(text) for text in texts]
        step = encoder.batch_size
        parts = [encoder.encode(prepared[at : at + step]) for at in range(0, len(prepared), step)]
        vectors = unit_rows(np.concatenate(parts), self._info.dim)
        self._check_weights(encoder.fingerprint())
        return vectors

    def _check_weights(self, loaded: str | None) -> None:
        """Hold the weights to those that were pinned when the collection was made."""
        ledger = open_ledger(self._workspace.ledger_path)
        if ledger is None or loaded is None:
            return
        try:
            pinned = ledger.rows(
                "SELECT fingerprint FROM encoders WHERE encoder_id = ?", self._info.encoder_id
            )
        finally:
            ledger.close()
        if pinned and pinned[0][0] not in (None, loaded):
            raise EncoderMismatchError(
                f"{short_id(self._info.encoder_id)} now loads other weights"
                f" ({short_id(loaded)}) than those that made '{self._info.collection}'"
                f" ({short_id(pinned[0][0])})",
                "Pin the old revision.",
            )
