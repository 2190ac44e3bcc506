"""The `sentence_transformers` encoder: texts by any model of that library."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from embclust.data import Prepared
from embclust.encoders import _hub, _torch
from embclust.encoders import _st_files as files
from embclust.encoders._lazy import Lazy
from embclust.encoders._options import BATCH_SIZE, PRECISION, Precision, clean_text, need_modality
from embclust.encoders._weights import content_hash, package_folder
from embclust.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embclust.data import Modality, Vectors

__all__ = ["SentenceTransformersEncoder"]

_ALLOW: Final = ["*.json", "*.txt", "*.model", "*.safetensors", "*.py"]
_IGNORE: Final = ["onnx/*", "openvino/*", "*.onnx", "data_config.json"]
_NOT_USED: Final = "pooler."
"""Weights that BERT has and that no pooling of this library reads; models leave them out."""


@dataclass(frozen=True, slots=True)
class _Model:
    module: Any
    precision: str
    fingerprint: str


class SentenceTransformersEncoder:
    """Texts by a sentence-transformers model, pooled as the model's own files say.

    Texts longer than the model reads are cut, which `prepare` marks.
    """

    class Options(BaseModel):
        """Options of `kind: sentence_transformers`."""

        model_config = ConfigDict(extra="forbid", validate_default=True)

        model: str = Field(
            "BAAI/bge-small-en-v1.5",
            min_length=1,
            description=(
                "A model on the hub, a folder, or package:NAME for the one inside an installed "
                "package. A name without an owner is one of sentence-transformers' own."
            ),
        )
        revision: str | None = Field(
            None, description="Commit, branch or tag of the model's repository on the hub."
        )
        prompt: str | None = Field(
            None, description="Put before every text; the model's own default when unset."
        )
        max_length: int | None = Field(
            None, ge=8, description="Most tokens read of a text; the model's own when unset."
        )
        trust_remote_code: bool = Field(
            False, description="Run program code that comes with the model."
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
        self._counter = Lazy(self._load_counter)
        self._tokenizer_lock = threading.Lock()

    @cached_property
    def _local(self) -> Path | None:
        """The model's folder, when it is not the hub's."""
        model = self._options.model
        schema, _, name = model.partition(":")
        if schema == "package":
            return files.model_folder(package_folder(name))
        path = self._base / Path(model.removeprefix("local-dir:")).expanduser()
        if path.is_dir():
            return files.model_folder(path)
        if schema == "local-dir" or model.startswith((".", "/", "~")):
            raise SettingsError(
                f"encoders.text.model: {path} is not a folder.",
                "A relative path is relative to the config's folder.",
            )
        return None

    @property
    def _hub_file(self) -> _hub.HubFile:
        model = self._options.model
        repo = model if "/" in model else f"sentence-transformers/{model}"
        return _hub.HubFile(repo, (files.MARK,), self._options.revision)

    @cached_property
    def encoder_id(self) -> str:
        """Model and revision, or content of a local model; and what else changes vectors."""
        o = self._options
        local = self._local
        which = f"sha256:{content_hash(files.content_files(local))}" if local else ""
        parts = [f"sentence_transformers/{self.modality} {which or self._hub_file}"]
        if o.prompt is not None:
            parts.append(f"prompt={json.dumps(o.prompt)}")
        if o.max_length is not None:
            parts.append(f"max_length={o.max_length}")
        return " ".join(parts)

    @cached_property
    def dim(self) -> int:
        """Length of a vector: from the model's files, else from the loaded model.

        Raises ModelNotCachedError when the files are not here and cannot be had.
        """
        folder = self._local or self._cached()
        found = files.dimension(folder) if folder else None
        return found or int(self._model.get().module.get_embedding_dimension())

    @property
    def precision(self) -> str:
        """What `encode` computes in; the option's value before the model is loaded."""
        loaded = self._model.peek()
        return loaded.precision if loaded else self._options.precision

    def check(self) -> None:
        """See the protocol. Reads files; asks the hub only for what is not cached."""
        need_modality("sentence_transformers", self.modality, "text")
        if self._local is None:
            if self._cached() is None:
                _hub.ask(self._hub_file)
            return
        wrong = files.problem(self._local)
        if wrong:
            raise SettingsError(
                f"The model in {self._local} is not whole: {wrong}.", "Copy the whole folder."
            )

    def fingerprint(self) -> str | None:
        """Commit (of the hub) and hash of the model's files, once they are loaded."""
        loaded = self._model.peek()
        return loaded.fingerprint if loaded else None

    def prepare(self, raw: Any) -> Prepared:
        """Return the text (without the prompt). Raises BadInputError."""
        text = clean_text(raw)
        limit = self._model.get().module.max_seq_length
        if limit is None:
            return Prepared(text)
        kept = text[: 64 * limit]  # more than it can read; keeps tokenizing short
        return Prepared(kept, cut=self._counter.get()((self._options.prompt or "") + kept) > limit)

    def encode(self, batch: Sequence[Prepared]) -> Vectors:
        """Return float32 (n, dim). Raises MemoryError when the device has not enough."""
        import numpy as np

        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        texts = [str(p.value) for p in batch]
        module = self._model.get().module
        with _torch.memory_errors(), self._tokenizer_lock:
            output = module.encode(
                texts,
                prompt=self._options.prompt,
                batch_size=len(texts),
                show_progress_bar=False,
                convert_to_tensor=True,
            )
        return _torch.to_vectors(output)

    def _cached(self) -> Path | None:
        """Return the model's folder in the hub's cache, if it is there and whole."""
        mark = _hub.find(self._hub_file)
        return mark.parent if mark and files.problem(mark.parent) is None else None

    def _folder(self) -> Path:
        """Return the model's folder, downloading it if need be."""
        folder = self._local or self._cached()
        if folder is None:
            folder = _hub.fetch_folder(self._hub_file, _ALLOW, _IGNORE)
            if files.problem(folder):  # an older model, without safetensors
                folder = _hub.fetch_folder(self._hub_file, [*_ALLOW, "*.bin"], _IGNORE)
        return folder

    def _load(self) -> _Model:
        self.check()
        device = _torch.resolve_device(self._device)
        precision = _torch.resolve_precision(self._options.precision, device)
        folder = self._folder()
        remote = self._options.trust_remote_code
        # Otherwise the tokenizer warns on stderr whenever the process forks later.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        network = contextlib.nullcontext() if remote else _hub.no_network()
        with _torch.load_errors(f"sentence_transformers {self._options.model}"), network:
            with _torch.quiet(), _complete_weights():
                from sentence_transformers import SentenceTransformer

                module = SentenceTransformer(
                    str(folder),
                    device=device,
                    trust_remote_code=remote,
                    local_files_only=not remote,
                )
            if self._options.max_length is not None:
                module.max_seq_length = self._options.max_length
            module.eval().to(_torch.dtype_of(precision))
        commit = _hub.commit_of(folder / files.MARK)
        known = f"sha256:{content_hash(files.content_files(folder))}"
        return _Model(module, precision, f"{commit} {known}" if commit else known)

    def _load_counter(self) -> Any:
        """Return a function text -> number of tokens, safe in several threads.

        A tokenizer of its own where the model has tokenizer.json: the model's is changed by
        every call (truncation on, off), and must not be used by two threads.
        """
        path = self._folder() / "tokenizer.json"
        if path.is_file():
            from tokenizers import Tokenizer

            own = Tokenizer.from_file(str(path))
            own.no_truncation()
            own.no_padding()
            return lambda text: len(own.encode(text).ids)

        def count(text: str) -> int:
            module = self._model.get().module
            with self._tokenizer_lock:
                limit = module.max_seq_length + 1
                ids = module.tokenizer(text, truncation=True, max_length=limit)["input_ids"]
                return len(ids)

        return count


class _Collector(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextlib.contextmanager
def _complete_weights() -> Iterator[None]:
    """Raise SettingsError when transformers filled in random weights for missing ones.

    It only logs that, as a table with a line `name | MISSING |` for each tensor. The log is read
    here, and kept off stderr, as is its progress bar.
    """
    from transformers.utils import logging as module

    transformers_logging: Any = module  # untyped
    collector = _Collector()
    logger = logging.getLogger("transformers")
    handlers, level = logger.handlers[:], logger.level
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    logger.handlers[:] = [collector]
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()
    lines = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(collector.said)).splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if "|" in line]
    random = [r[0] for r in rows if len(r) > 1 and r[1] in {"MISSING", "MISMATCH", "CONVERSION"}]
    random = [name for name in random if _NOT_USED not in name]
    if random:
        raise SettingsError(
            f"The model's weight file lacks {len(random)} tensors, such as {random[0]}.",
            "With random numbers in their place its vectors would mean nothing.",
        )
