"""Asks a namer for candidate names, and the keywords where it has none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from embclust import plugins
from embclust.data import ClusterSample
from embclust.errors import EmbclustError, InterruptedRun, SettingsError, UsageError
from embclust.names import clean_name
from embclust.redact import redact
from embclust.steps.distinct import LIMIT, key
from embclust.wording import counted

if TYPE_CHECKING:
    from embclust.config import Settings
    from embclust.protocols import Bar, Memory

__all__ = ["Proposals", "build_namer", "by_size", "propose"]

_FALLBACK: Final = "keywords"


def by_size(samples: Iterable[ClusterSample]) -> list[ClusterSample]:
    """Return the samples, largest first."""
    return sorted(samples, key=lambda sample: (-sample.size, sample.cluster))


@dataclass(frozen=True, slots=True)
class Proposals:
    """Candidate names per cluster, with the source each came from.

    `failures`: why the namer gave no names, in lines; `notes`: what else a person should see.
    """

    candidates: dict[int, list[str]]
    sources: dict[int, str]
    words: dict[int, list[str]]
    failures: list[str]
    notes: list[str]


def propose(
    kind: str,
    settings: Settings,
    samples: list[ClusterSample],
    aids: Mapping[str, Callable[..., Any] | Memory],
    bar: Bar,
) -> Proposals:
    """Ask the namer, and the keywords where it has nothing; nobody when no name is needed.

    `aids`: what the namer may want beside its options, by the names in `protocols.Namer`.
    """
    asked = [sample for sample in samples if sample.needed]
    if not asked:
        return Proposals({}, {}, {}, [], [])
    namer = build_namer(kind, settings, {**aids, "advance": bar.advance})
    # All the clusters are shown: what is distinctive of one is so against the others.
    proposed, failure = _ask(namer, samples)
    if "advance" not in getattr(namer, "needs", ()):
        bar.advance(len(asked))
    reasons = {
        s.cluster: getattr(namer, "reasons", {}).get(s.cluster) or failure or "it found none"
        for s in asked
        if not _usable(proposed.get(s.cluster, ()))
    }
    words = proposed
    if kind != _FALLBACK and (reasons or _has_twins(proposed)):
        words, _ = _ask(plugins.build("namer", _FALLBACK, {}), samples)
    candidates: dict[int, list[str]] = {}
    for s in by_size(asked):
        own = words if s.cluster in reasons else proposed
        candidates[s.cluster] = _usable(own.get(s.cluster, ())) or [f"Cluster {s.cluster}"]
    sources = {
        s.cluster: f"fallback: {reasons[s.cluster]}" if s.cluster in reasons else kind
        for s in asked
    }
    # Clusters without any text are no failure of the keywords.
    unnamed = {} if kind == _FALLBACK and not failure else reasons
    failures = _reason_lines(kind, unnamed, len(asked))
    notes = [_one_line(str(note)) for note in getattr(namer, "notes", [])]
    return Proposals(candidates, sources, words, failures, notes)


def build_namer(
    kind: str, settings: Settings, aids: Mapping[str, Callable[..., Any] | Memory]
) -> Any:
    """Build the namer with those of the aids that its class names in `needs`.

    Raises SettingsError when it needs what there is not.
    """
    needs = tuple(getattr(plugins.load_class("namer", kind), "needs", ()))
    unknown = [name for name in needs if name not in aids]
    if unknown:
        raise SettingsError(
            f"The namer '{kind}' needs '{unknown[0]}', which embclust does not have.",
            f"There are: {', '.join(sorted(aids))}.",
        )
    wanted = {name: aids[name] for name in needs}
    return plugins.build("namer", kind, settings.name.options(), **wanted)


def _ask(namer: Any, samples: list[ClusterSample]) -> tuple[dict[int, list[str]], str]:
    """Return the namer's candidates, and in a few words why there are none if it failed."""
    try:
        found = namer.name(samples).items()
        return {int(n): [said] if isinstance(said, str) else list(said) for n, said in found}, ""
    except (UsageError, InterruptedRun):
        raise
    except EmbclustError as error:
        return {}, _one_line(error.message)
    except Exception as error:  # noqa: BLE001 - a namer from outside may raise anything
        return {}, _one_line(f"{type(error).__name__}: {error}")


def _has_twins(proposed: Mapping[int, list[str]]) -> bool:
    best = [key(said[0]) for said in proposed.values() if said]
    return len(set(best)) < len(best)


def _one_line(text: str) -> str:
    return clean_name(redact(text), 160) or "unknown error"


def _usable(texts: Iterable[str]) -> list[str]:
    return [name for name in (clean_name(text, LIMIT) for text in texts) if name]


def _reason_lines(kind: str, reasons: Mapping[int, str], asked: int) -> list[str]:
    counts: dict[str, int] = {}
    for reason in reasons.values():
        counts[reason] = counts.get(reason, 0) + 1
    return [
        f"The namer '{kind}' gave no name for {count} of {counted(asked, 'cluster')} ({reason}); "
        "they have fallback names."
        for reason, count in counts.items()
    ]
