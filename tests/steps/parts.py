"""Small real parts for the tests of the steps: blobs of vectors, plug-ins, a silent progress."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, SecretStr

from embclust.config import Settings
from embclust.data import Clustering, ClusterSample, Embeddings, Scalar
from embclust.errors import UsageError
from embclust.protocols import Bar
from embclust.vectors import unit_rows

HERE = "tests.steps.parts"


class SilentBar:
    def advance(self, n: int = 1) -> None: ...
    def total(self, n: int | None) -> None: ...


class Silent:
    @contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator[Bar]:
        yield SilentBar()

    def note(self, message: str) -> None: ...


def make_settings(**sections: Mapping[str, Any] | int) -> Settings:
    plain: dict[str, Any] = {
        "cluster": {"kind": f"{HERE}:Lloyd", "k": 3},
        "project": {"kind": f"{HERE}:FirstAxes"},
        "name": {"kind": f"{HERE}:Common"},
    }
    return Settings.model_validate(plain | sections)


def blobs(
    sizes: Sequence[int], seed: int = 0, dim: int = 8, words: Sequence[str] = ()
) -> Embeddings:
    """Return tight groups around random directions; ids sort in an order unlike the groups'."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(len(sizes), dim))
    group = np.repeat(np.arange(len(sizes)), sizes)
    vectors = unit_rows(directions[group] + 0.05 * rng.normal(size=(len(group), dim)))
    places = rng.permutation(len(group))
    rows: list[tuple[str, int, dict[str, Scalar]]] = []
    for index, place in enumerate(places.tolist()):
        text = words[group[index]] if words else f"group{group[index]}"
        rows.append((f"id{place:05d}", index, {"title": text, "group": int(group[index])}))
    rows.sort()
    return Embeddings(
        ids=[row[0] for row in rows],
        vectors=np.ascontiguousarray(vectors[[row[1] for row in rows]]),
        fields=[row[2] for row in rows],
    )


def subset(embeddings: Embeddings, rows: Sequence[int]) -> Embeddings:
    return Embeddings(
        [embeddings.ids[row] for row in rows],
        np.ascontiguousarray(embeddings.vectors[list(rows)]),
        [embeddings.fields[row] for row in rows],
    )


def joined(first: Embeddings, second: Embeddings) -> Embeddings:
    ids = [*first.ids, *second.ids]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    vectors = np.concatenate([first.vectors, second.vectors])
    fields = [*first.fields, *second.fields]
    return Embeddings([ids[row] for row in order], vectors[order], [fields[row] for row in order])


def group_of(embeddings: Embeddings) -> list[Any]:
    return [row["group"] for row in embeddings.fields]


def same_partition(left: Sequence[Any], right: Sequence[Any]) -> bool:
    pairs = set(zip(left, right, strict=True))
    return len(pairs) == len(set(left)) == len(set(right))


class Lloyd:
    """k-means in a few lines: farthest-first start, or the centres it is given."""

    class Options(BaseModel):
        model_config = ConfigDict(extra="forbid")
        k: int = 3
        seed: int = 0

    def __init__(self, options: Options) -> None:
        self.options = options

    def cluster(
        self, vectors: NDArray[np.float32], start: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        k = self.options.k
        if k > len(vectors):
            raise UsageError(f"k = {k} clusters of {len(vectors)} rows.", "Use a smaller --k.")
        if start is not None and len(start) == k:
            centres = np.array(start)
        else:
            chosen = [self.options.seed % len(vectors)]
            while len(chosen) < k:
                chosen.append(int((vectors @ vectors[chosen].T).max(axis=1).argmin()))
            centres = vectors[chosen]
        labels = np.zeros(len(vectors), dtype=np.int32)
        for _ in range(20):
            labels = (vectors @ centres.T).argmax(axis=1).astype(np.int32)
            centres = np.stack(
                [
                    vectors[labels == label].mean(axis=0) if (labels == label).any() else old
                    for label, old in enumerate(centres)
                ]
            )
        return labels, centres.astype(np.float32)


class AllNoise:
    class Options(BaseModel):
        pass

    def __init__(self, options: Options) -> None: ...

    def cluster(
        self, vectors: NDArray[np.float32], start: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        return np.full(len(vectors), -1, np.int32), np.zeros((0, vectors.shape[1]), np.float32)


class SomeNoise(AllNoise):
    """Two clusters by the sign of the first axis, one label without rows, rare ones as noise."""

    def cluster(
        self, vectors: NDArray[np.float32], start: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        labels = np.where(vectors[:, 0] > 0, 0, 2).astype(np.int32)
        labels[::10] = -1
        centres = [vectors[labels == label].mean(axis=0) for label in (0, 2)]
        return labels, np.stack([centres[0], vectors[0] * 0, centres[1]])


class Broken(AllNoise):
    def cluster(
        self, vectors: NDArray[np.float32], start: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        return np.zeros(len(vectors), np.int32) + 5, vectors[:2]


class FirstAxes:
    """The first axes as the map."""

    class Options(BaseModel):
        scale: float = 1.0

    def __init__(self, options: Options) -> None:
        self.options = options

    def project(
        self, vectors: NDArray[np.float32], dims: int, progress: Bar
    ) -> NDArray[np.float32]:
        if self.options.scale == 0:
            return np.full((len(vectors), dims), np.nan, dtype=np.float32)
        return vectors[:, :dims] * np.float32(self.options.scale)


class Common:
    """Names a cluster by the most common text, in `case`; nothing for texts that are empty."""

    class Options(BaseModel):
        case: str = "title"

    def __init__(self, options: Options) -> None:
        self.options = options

    def name(self, samples: Sequence[ClusterSample]) -> dict[int, list[str]]:
        found = {}
        for sample in samples:
            texts = sorted(set(sample.texts), key=lambda text: (-sample.texts.count(text), text))
            found[sample.cluster] = [getattr(text, self.options.case)() for text in texts if text]
        return found


class Failing(Common):
    def name(self, samples: Sequence[ClusterSample]) -> dict[int, list[str]]:
        raise RuntimeError("the server said no\nhttps://u:secret@host/x")


class Secretive(Common):
    class Options(Common.Options):
        api_key: SecretStr | None = None
        base_url: str = ""


class FirstWord(Common):
    def name(self, samples: Sequence[ClusterSample]) -> dict[int, list[str]]:
        return {sample.cluster: [sample.texts[0].split()[0].title()] for sample in samples}


class OnlyFirst(Common):
    def name(self, samples: Sequence[ClusterSample]) -> dict[int, list[str]]:
        return {samples[0].cluster: ["First"]}


def clustering_of(ids: Sequence[str], clusters: Sequence[int], vectors: Any = None) -> Clustering:
    """Return a clustering with the given numbers."""
    labels = np.array(clusters, dtype=np.int32)
    numbers = sorted(set(labels.tolist()) - {-1})
    if vectors is None:
        vectors = np.eye(max(len(numbers), 1), dtype=np.float32)[
            [numbers.index(n) if n >= 0 else 0 for n in labels.tolist()]
        ]
    centres = (
        unit_rows(np.stack([vectors[labels == n].mean(axis=0) for n in numbers]))
        if numbers
        else np.zeros((0, vectors.shape[1]), np.float32)
    )
    return Clustering(
        ids=list(ids),
        clusters=labels,
        numbers=numbers,
        centres=centres,
        distances=np.zeros(len(labels), np.float32),
        medoids={n: int(np.flatnonzero(labels == n)[0]) for n in numbers},
    )
