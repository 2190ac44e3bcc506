"""Puts a cluster's distinctive words together into names, best first."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from embclust.namers._corpus import Corpus, c_tf_idf, words_per_row
from embclust.namers._words import is_unspaced

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Phrase", "phrases"]

_HEADS = 8
"""How many of a cluster's best words are tried in combinations."""
_LEAST_SHARE = 0.1
"""A combination of words that fewer of the cluster's rows have is no name for it."""
_READ = 200
_MIXED_BELOW = 0.4
"""When no phrase covers more of the rows than this, the cluster is a mixture."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A possible name: its words, how it reads, how good it is, and who has it.

    `shares`: per cluster, the share of rows that have all the words; `rows`: bool (n,), which
    rows; `adjacent`: share of (some of) the cluster's rows with the words in which they stand
    together.
    """

    words: tuple[str, ...]
    text: str
    score: float
    shares: NDArray[np.float64]
    rows: NDArray[np.bool_]
    adjacent: float


def phrases(corpus: Corpus, longest: int) -> list[list[Phrase]]:
    """Return, per cluster, phrases of up to `longest` words, best first."""
    average = words_per_row(corpus)
    shares = corpus.word_shares()
    ranked = []
    for cluster in range(len(corpus.sizes)):
        singles = _singles(corpus, cluster, shares, average)
        found = list(singles)
        # Pieces of unspaced text overlap; put side by side they would repeat each other.
        parts = [single for single in singles if not is_unspaced(single.words[0])]
        masks = {single.words[0]: corpus.mask(single.words[0]) for single in parts}
        for length in range(2, longest + 1):
            for chosen in combinations(parts, length):
                phrase = _together(corpus, cluster, chosen, masks, average)
                if phrase is not None:
                    found.append(phrase)
        found.sort(key=lambda phrase: (-phrase.score, len(phrase.words), phrase.text))
        found = _absorb(found, cluster)
        ranked.append(_with_mixture(found, cluster))
    return _told_apart(ranked)


def _weight(corpus: Corpus, cluster: int, word: str) -> float:
    """What a thing is stands at the end of its title more often than its brand or colour does."""
    return 0.8 + 0.4 * corpus.end_share(cluster, word)


def _singles(
    corpus: Corpus, cluster: int, shares: dict[str, NDArray[np.float64]], average: float
) -> list[Phrase]:
    scores = {
        word: c_tf_idf(share, cluster, average) * _weight(corpus, cluster, word)
        for word, share in shares.items()
        if share[cluster] > 0
    }
    best = sorted(scores, key=lambda word: (-scores[word], -len(word), word))[:_HEADS]
    return [
        Phrase(
            (word,),
            corpus.display(cluster, word),
            scores[word],
            shares[word],
            corpus.mask(word)[corpus.members(cluster)],
            1.0,
        )
        for word in best
    ]


def _together(
    corpus: Corpus,
    cluster: int,
    chosen: tuple[Phrase, ...],
    masks: dict[str, NDArray[np.bool_]],
    average: float,
) -> Phrase | None:
    """Return the phrase of these words, in the order they mostly have; None when it is rare."""
    own = np.logical_and.reduce([single.rows for single in chosen])
    if np.count_nonzero(own) < max(_LEAST_SHARE * len(own), 1):
        return None
    shares = corpus.shares(np.logical_and.reduce([masks[single.words[0]] for single in chosen]))
    members = np.flatnonzero(own) + corpus.members(cluster).start
    # How the words stand to each other shows in some of the rows.
    members = members[:: len(members) // _READ + 1]
    places = {
        single.words[0]: float(np.mean([corpus.rows[i].index(single.words[0]) for i in members]))
        for single in chosen
    }
    words = tuple(sorted(places, key=lambda word: (places[word], word)))
    adjacent = float(np.mean([_has_run(corpus.rows[i], words) for i in members]))
    text = " ".join(corpus.display(cluster, word) for word in words)
    score = c_tf_idf(shares, cluster, average) * _weight(corpus, cluster, words[-1])
    return Phrase(words, text, score, shares, own, adjacent)


def _has_run(row: list[str], words: tuple[str, ...]) -> bool:
    size = len(words)
    return any(tuple(row[i : i + size]) == words for i in range(len(row) - size + 1))


def _absorb(found: list[Phrase], cluster: int) -> list[Phrase]:
    """Drop the parts of fixed expressions: 'Flip' and 'Flops' where 'Flip Flops' is meant.

    For pieces of unspaced text: those that only occur within a longer piece.
    """

    def is_part(small: Phrase, large: Phrase) -> bool:
        if large.shares[cluster] < 0.8 * small.shares[cluster]:
            return False
        if is_unspaced(small.words[0]) and is_unspaced(large.words[0]):
            return small.text != large.text and small.text in large.text
        return large.adjacent >= 0.8 and set(small.words) < set(large.words)

    return [small for small in found if not any(is_part(small, large) for large in found)]


def _with_mixture(found: list[Phrase], cluster: int) -> list[Phrase]:
    """Put 'Handbags & Wallets' first where no single phrase covers enough of the cluster."""
    if not found or found[0].shares[cluster] >= _MIXED_BELOW:
        return found
    parts, covered = [found[0]], found[0].rows
    for phrase in found[1:]:
        known = {word for part in parts for word in part.words}
        own = int(np.count_nonzero(phrase.rows))
        fresh = int(np.count_nonzero(phrase.rows & ~covered)) / max(own, 1)
        good = phrase.score >= 0.6 * found[0].score
        if good and fresh >= 0.7 and known.isdisjoint(phrase.words):
            parts.append(phrase)
            covered = covered | phrase.rows
        if len(parts) == 3 or (len(parts) == 2 and np.mean(covered) >= _MIXED_BELOW):
            break
    if len(parts) == 1:
        return found
    texts = [part.text for part in parts]
    mixture = Phrase(
        tuple(word for part in parts for word in part.words),
        ", ".join(texts[:-1]) + " & " + texts[-1],
        found[0].score,
        np.minimum(sum(part.shares for part in parts), 1.0),
        covered,
        0.0,
    )
    return [mixture, *found]


def _told_apart(ranked: list[list[Phrase]]) -> list[list[Phrase]]:
    """Where clusters have the same first name, put first what the others have least of."""
    told = list(ranked)
    for cluster, found in enumerate(ranked):
        if not found:
            continue
        same = set(found[0].words)
        twins = [
            other
            for other, theirs in enumerate(ranked)
            if other != cluster and theirs and set(theirs[0].words) == same
        ]
        if twins:

            def contrast(phrase: Phrase, twins: list[int] = twins, cluster: int = cluster) -> float:
                return float(phrase.shares[cluster] - phrase.shares[twins].max())

            best = max(found, key=lambda phrase: contrast(phrase) * phrase.score)
            if contrast(best) > 0:
                told[cluster] = [best, *(phrase for phrase in found if phrase is not best)]
    return told
