"""Names from the distinctive words of a cluster's texts: offline, no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from embclust.namers._columns import column_names
from embclust.namers._corpus import read_corpus
from embclust.namers._phrases import phrases
from embclust.namers._words import STOP_WORDS, fold
from embclust.names import NAME_LIMIT, clean_name

if TYPE_CHECKING:
    from embclust.data import ClusterSample

__all__ = ["KeywordsNamer"]

_TEXT_SHARE = 0.2
"""When no word is in more of the rows than this, a column says more than the text does."""
_CANDIDATES = 8


class KeywordsNamer:
    """Class-based TF-IDF over words and combinations of words, against the other clusters.

    Case, plural and possessive forms count as one word and are shown as the cluster mostly
    writes them. Where the texts have no word in common, values come first that are
    over-represented in the cluster's columns.
    """

    class Options(BaseModel):
        """Options of `name.kind: keywords`."""

        model_config = ConfigDict(extra="forbid")

        max_length: int = Field(
            NAME_LIMIT, ge=8, le=NAME_LIMIT, description="Characters a name may have."
        )
        words: int = Field(3, ge=1, le=3, description="Most words put together into one name.")
        language: Literal["english", "none"] = Field(
            "english", description="Whose stop words to leave out."
        )
        stop_words: list[str] = Field(
            default_factory=list, description="Further words that shall not be in a name."
        )

    def __init__(self, options: Options) -> None:
        self._options = options

    def name(self, samples: Sequence[ClusterSample]) -> dict[int, list[str]]:
        """Return candidate names per cluster number, best first, distinct and clean.

        A cluster whose texts and columns say nothing is left out.
        """
        samples = list(samples)
        if not samples:
            return {}
        ranked = phrases(read_corpus(samples, self._stop_words()), self._options.words)
        columns = column_names(samples)
        names: dict[int, list[str]] = {}
        for position, sample in enumerate(samples):
            found = ranked[position]
            texts = [phrase.text for phrase in found]
            covers = max((float(phrase.shares[position]) for phrase in found), default=0.0)
            first, second = texts, columns[position]
            if covers < _TEXT_SHARE:
                first, second = second, first
            candidates = self._clean([*first[:_CANDIDATES], *second[:_CANDIDATES]])
            if candidates:
                names[sample.cluster] = candidates
        return names

    def _stop_words(self) -> frozenset[str]:
        own = frozenset(word.casefold() for word in self._options.stop_words)
        return own | STOP_WORDS if self._options.language == "english" else own

    def _clean(self, texts: list[str]) -> list[str]:
        kept: dict[str, str] = {}
        for text in texts:
            name = clean_name(text, self._options.max_length)
            if name is not None:
                kept.setdefault(" ".join(fold(word) for word in name.split()), name)
        return list(kept.values())
