"""Names out of a list of words, from the vectors themselves: offline, no text needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from embclust.errors import SettingsError
from embclust.namers._words import fold
from embclust.names import NAME_LIMIT, clean_name
from embclust.wording import guess_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embclust.data import ClusterSample, Vectors

__all__ = ["VocabularyNamer"]

BUNDLED: Final = Path(__file__).with_name("vocabulary.txt")
_MOST_WORDS: Final = 20_000
_LEAST_SHARE: Final = 0.1
"""A word that fewer of the rows vote for is no name."""
_STANDS_OUT: Final = 3.0
"""Standard deviations over all words from which the one nearest to the centre is a name."""
_MIXED_FROM: Final = 0.6
"""A second word with this share of the first one's votes belongs into the name."""
_TELLS_APART_FROM: Final = 0.15
_CANDIDATES: Final = 6


class VocabularyNamer:
    """Every row votes for the word nearest to it; a cluster is called what most of it votes for.

    Zero-shot classification (Radford et al., "Learning Transferable Visual Models From Natural
    Language Supervision", 2021), with one difference: the mean of all clusters' centres is taken
    from the vectors first. What all clusters have in common (catalogue pictures, say) speaks for
    no word then, and names tell clusters apart. Two words that are nearly as frequent make a name
    together. Measured on product pictures, votes name the majority where the centre, compared by
    itself, falls between the parts of a mixed cluster. Where the votes scatter (each animal for
    its own kind), the word nearest to the centre is the general one, and is taken.
    """

    needs: ClassVar = ("embed_texts",)

    class Options(BaseModel):
        """Options of `name.kind: vocabulary`."""

        model_config = ConfigDict(extra="forbid", validate_default=True)

        vocabulary: Path | None = Field(
            None, description="A text file of words, one a line; embclust's own when unset."
        )
        vocabulary_field: str | None = Field(
            None, min_length=1, description="Take the words from the values of this column instead."
        )
        template: str = Field(
            "{}",
            description="What is compared, with {} for the word, such as 'a photo of a {}'.",
        )

        @field_validator("template")
        @classmethod
        def _has_a_place(cls, value: str) -> str:
            if value.count("{}") != 1:
                raise ValueError("expected {} in it, once, where the word goes")
            return value

    def __init__(
        self, options: Options, *, embed_texts: Callable[[Sequence[str]], Vectors]
    ) -> None:
        self._options = options
        self._embed_texts = embed_texts
        self.reasons: dict[int, str] = {}
        if options.vocabulary is not None and options.vocabulary_field is not None:
            raise SettingsError(
                "name.vocabulary and name.vocabulary_field exclude each other, and a collection"
                " remembers what it was last named with.",
                "Unset one with --set name.vocabulary_field=null or --set name.vocabulary=null.",
            )

    def name(self, samples: Sequence[ClusterSample]) -> dict[int, list[str]]:
        """Return candidate names per cluster number, best first; the rest is in `reasons`.

        Raises SettingsError for a word list that cannot be used, and what `embed_texts` raises.
        """
        self.reasons = {}
        if not samples:
            return {}
        words = self._words(samples)
        texts = [self._options.template.replace("{}", word) for word in words]
        vectors = self._embed_texts(texts)
        names: dict[int, list[str]] = {}
        for sample, share, fit in zip(samples, *_votes(samples, vectors), strict=True):
            order = np.argsort(-share, kind="stable")[:_CANDIDATES]
            best = [(_capital(words[i]), float(share[i])) for i in order.tolist()]
            if best[0][1] >= _LEAST_SHARE:
                names[sample.cluster] = _candidates(best)
            elif fit.max() - fit.mean() >= _STANDS_OUT * fit.std():
                names[sample.cluster] = [_capital(words[int(fit.argmax())])]
            else:
                self.reasons[sample.cluster] = "no word of the list fits"
        return names

    def _words(self, samples: Sequence[ClusterSample]) -> list[str]:
        field = self._options.vocabulary_field
        if field is not None:
            words = _column(samples, field)
            origin = f"the column '{field}' (name.vocabulary_field)"
        else:
            path = self._options.vocabulary or BUNDLED
            words = _file(path)
            origin = f"{path} (name.vocabulary)"
        known: dict[str, str] = {}
        for word in words:
            name = clean_name(word, NAME_LIMIT)
            if name is not None:
                known.setdefault(name.casefold(), name)
        if not known:
            raise SettingsError(f"There is no word in {origin}.", "Write one on each line.")
        if len(known) > _MOST_WORDS:
            raise SettingsError(
                f"There are {len(known)} words in {origin}; {_MOST_WORDS} at most can be used.",
                "Use a shorter list.",
            )
        return list(known.values())


def _file(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise SettingsError(
            f"name.vocabulary: cannot read {path}: {error.strerror}.", "Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"name.vocabulary: {path} is no text in UTF-8.", "Save it as UTF-8."
        ) from error
    return [line for line in lines if not line.lstrip().startswith("#")]


def _column(samples: Sequence[ClusterSample], field: str) -> list[str]:
    """The distinct values, sorted, so that the order of the rows does not matter."""
    values = {
        str(row[field]).strip() for sample in samples for row in sample.fields if field in row
    }
    if not values:
        known = list(dict.fromkeys(name for s in samples for row in s.fields for name in row))
        raise SettingsError(
            f"name.vocabulary_field: no row has a field '{field}'.", guess_field(field, known)
        )
    return sorted(values)


def _votes(
    samples: Sequence[ClusterSample], words: Vectors
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two float64 (clusters, words).

    The share of the rows whose nearest word it is, and how well it fits the centre.
    """
    centres = np.stack([sample.centre for sample in samples])
    common = centres.mean(axis=0) if len(samples) > 1 else np.zeros_like(centres[0])
    shares = []
    for sample in samples:
        rows = sample.vectors if len(sample.vectors) else sample.centre[None]
        nearest = ((rows - common) @ words.T).argmax(axis=1)
        shares.append(np.bincount(nearest, minlength=len(words)) / len(rows))
    return np.stack(shares), ((centres - common) @ words.T).astype(np.float64)


def _candidates(best: list[tuple[str, float]]) -> list[str]:
    """The best word, or the two best of a mixture; then what may tell a twin apart."""
    (first, most), *others = best
    together = [_joined(first, word) for word, share in others if share >= _TELLS_APART_FROM]
    alone = [first]
    if others and others[0][1] >= _MIXED_FROM * most:
        alone.append(others[0][0])
        ordered = [_joined(first, others[0][0]), *together, *alone]
    else:
        ordered = [*alone, *together]
    return list(dict.fromkeys(ordered))


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:] if word.islower() else word


def _joined(first: str, second: str) -> str:
    """'Tops & Kurtas', 'Sports & Casual Shoes'; 'Shoes' for 'Shoes' and 'Running Shoes'."""
    one, two = ([fold(word) for word in text.split()] for text in (first, second))
    if set(one) <= set(two):
        return first
    if set(two) < set(one):
        return second
    joined = f"{first} & {second}"
    if one[-1] == two[-1]:
        joined = f"{' '.join(first.split()[:-1])} & {second}"
    return joined if len(joined) <= NAME_LIMIT else first
