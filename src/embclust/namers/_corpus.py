"""Counts which words occur in which clusters' texts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embclust.namers._words import fold, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embclust.data import ClusterSample

    Mask = NDArray[np.bool_]

__all__ = ["Corpus", "c_tf_idf", "read_corpus", "words_per_row"]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The texts of all clusters as folded words.

    `rows`: per row its words in order; `owner`: int (n,), the position of the row's cluster
    among the samples; `sizes`: rows per cluster; `postings`: word -> rows that have it;
    `surfaces`: per cluster, word -> how it was written, counted; `last`: per cluster, word ->
    rows in which it ends the text or a part of it.
    """

    rows: list[list[str]]
    owner: NDArray[np.intp]
    sizes: NDArray[np.intp]
    postings: dict[str, NDArray[np.intp]]
    surfaces: list[dict[str, Counter[str]]]
    last: list[Counter[str]]

    def members(self, cluster: int) -> slice:
        """Return where the cluster's rows are."""
        end = int(self.sizes[: cluster + 1].sum())
        return slice(end - int(self.sizes[cluster]), end)

    def mask(self, word: str) -> Mask:
        """Return which rows have the word, bool (n,)."""
        found = np.zeros(len(self.rows), dtype=np.bool_)
        found[self.postings[word]] = True
        return found

    def shares(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> NDArray[np.float64]:
        """Return, per cluster, the share of its rows that are among these."""
        counted = np.bincount(self.owner[rows], minlength=len(self.sizes))
        shares: NDArray[np.float64] = counted / np.maximum(self.sizes, 1)
        return shares

    def word_shares(self) -> dict[str, NDArray[np.float64]]:
        """Return the shares of every word."""
        return {word: self.shares(rows) for word, rows in self.postings.items()}

    def end_share(self, cluster: int, word: str) -> float:
        """How often the word, where it occurs in the cluster, ends the text or a part of it."""
        return min(self.last[cluster][word] / max(self.surfaces[cluster][word].total(), 1), 1.0)

    def display(self, cluster: int, word: str) -> str:
        """The word as this cluster's rows mostly write it; small letters get a capital."""
        spellings: Counter[str] = Counter()
        for surface, count in self.surfaces[cluster][word].items():
            spellings[surface.casefold()] += count
        common = max(spellings, key=lambda spelling: (spellings[spelling], spelling))
        written = self.surfaces[cluster][word]
        surface = max(
            (surface for surface in written if surface.casefold() == common),
            key=lambda surface: (written[surface], surface),
        )
        return surface[:1].upper() + surface[1:] if surface.islower() else surface


def read_corpus(samples: Sequence[ClusterSample], stop: frozenset[str]) -> Corpus:
    """Split, fold and count the texts; words in `stop` (case folded) are left out."""
    owner = np.repeat(np.arange(len(samples)), [len(sample.texts) for sample in samples])
    rows: list[list[str]] = []
    postings: dict[str, list[int]] = defaultdict(list)
    surfaces: list[dict[str, Counter[str]]] = [defaultdict(Counter) for _ in samples]
    last: list[Counter[str]] = [Counter() for _ in samples]
    keys: dict[str, str] = {}
    for cluster, sample in enumerate(samples):
        for text in sample.texts:
            words: list[str] = []
            for run in tokens(text):
                for word in run:
                    if word not in keys:
                        keys[word] = "" if word.casefold() in stop else fold(word)
                kept = [(keys[word], word) for word in run if keys[word]]
                for key, word in kept:
                    surfaces[cluster][key][word] += 1
                if kept and run[-1] == kept[-1][1]:
                    last[cluster][kept[-1][0]] += 1
                words.extend(key for key, _ in kept)
            for key in set(words):
                postings[key].append(len(rows))
            rows.append(words)
    sizes = np.array([len(sample.texts) for sample in samples], dtype=np.intp)
    arrays = {key: np.array(found, dtype=np.intp) for key, found in postings.items()}
    return Corpus(rows, owner, sizes, arrays, surfaces, last)


def words_per_row(corpus: Corpus) -> float:
    """The average number of distinct words of a row, every cluster counting the same."""
    distinct = np.array([len(set(words)) for words in corpus.rows], dtype=np.float64)
    sums = np.bincount(corpus.owner, weights=distinct, minlength=len(corpus.sizes))
    return float(np.mean(sums / np.maximum(corpus.sizes, 1)))


def c_tf_idf(shares: NDArray[np.float64], cluster: int, average: float) -> float:
    """Class-based TF-IDF: tf * log(1 + A / f).

    Grootendorst, "BERTopic: Neural topic modeling with a class-based TF-IDF procedure", 2022,
    with one difference: a word counts once per row and clusters count alike whatever their size.
    So tf is the share of the cluster's rows that have the term, f the sum of these shares over
    all clusters, and A (`average`) the number of words of an average row.
    """
    return float(shares[cluster] * math.log1p(average / max(float(shares.sum()), 1e-12)))
