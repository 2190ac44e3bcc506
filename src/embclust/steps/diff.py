"""The clusters as they are against those of an earlier run: what `embclust diff` reports.

Numbers are stable from run to run, so a cluster with the same number is the same cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust.errors import UsageError
from embclust.steps import artefacts, names_file, tables
from embclust.steps.cluster import CLUSTERS_FILE
from embclust.steps.matching import relate
from embclust.steps.stability import agreement

if TYPE_CHECKING:
    from embclust.data import Clustering
    from embclust.workspace import Workspace

__all__ = ["ClusterChange", "DiffReport", "Limit", "broken_limits", "parse_limits", "run_diff"]

_MOST: Final = ("moved", "new", "gone", "split", "merged", "rows_new", "rows_gone")
_LEAST: Final = ("ari",)
_SHARES: Final = ("moved", "rows_new", "rows_gone")


@dataclass(frozen=True, slots=True)
class ClusterChange:
    """What became of one cluster.

    `states`: kept, new or gone, and beside it split or merged. `before`, `after`: its rows, 0
    where it was not there. `joined`, `left`: the rows in both runs that changed to and from it.
    """

    cluster: int
    name: str
    states: list[str]
    before: int
    after: int
    joined: int
    left: int
    parts: list[int]
    """The clusters that a split one fell into, or that went into a merged one."""


@dataclass(frozen=True, slots=True)
class DiffReport:
    """What `diff --json` prints.

    `shared` rows are in both runs; `moved` of them have another cluster number now (into and out
    of noise counts), `moved_share` is their part. `ari`: adjusted Rand index of the two runs
    over the shared rows, noise as a group of its own; it does not know about numbers. `failed`:
    the limits of `--fail-on` that were passed, in words.
    """

    collection: str
    run: int
    against: int
    rows: int
    shared: int
    moved: int
    moved_share: float
    ari: float
    rows_new: int
    rows_gone: int
    kept: list[int]
    split: dict[str, list[int]]
    merged: dict[str, list[int]]
    new: list[int]
    gone: list[int]
    clusters: list[ClusterChange]
    settings_changed: str | None
    failed: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Limit:
    """One condition of `--fail-on`: at most `value`, for `ari` at least; a share when `share`."""

    what: str
    value: float
    share: bool
    text: str


def parse_limits(text: str) -> list[Limit]:
    """Read `moved=5%,ari=0.9`. Raises UsageError naming the part that cannot be read."""
    limits = []
    for part in text.split(","):
        what, equals, value = (one.strip() for one in part.partition("="))
        known = (*_MOST, *_LEAST)
        if not equals or what not in known:
            raise UsageError(
                f"--fail-on: '{part.strip()}' is no condition.",
                f"Write, e.g., --fail-on moved=5%,ari=0.9; conditions: {', '.join(known)}.",
            )
        limits.append(_limit(what, value))
    return limits


def _limit(what: str, value: str) -> Limit:
    share = value.endswith("%")
    try:
        number = float(value.removesuffix("%"))
    except ValueError:
        number = float("nan")
    wants = "a number of rows or a percentage" if what in _SHARES else "a number of clusters"
    good = number >= 0 and number.is_integer() and not share
    if what in _SHARES:
        good = good or (share and 0 <= number <= 100)
    if what in _LEAST:
        wants, good = "a number from -1 to 1", -1 <= number <= 1 and not share
    if not good:
        raise UsageError(
            f"--fail-on: '{what}={value}': expected {wants}.", "Example: --fail-on moved=5%,ari=0.9"
        )
    return Limit(what, number, share, f"{what}={value}")


def broken_limits(report: DiffReport, limits: Sequence[Limit]) -> list[str]:
    """Return the limits that the report passes, each in words."""
    broken = []
    for limit in limits:
        found: Any = getattr(report, limit.what)
        value = float(found if isinstance(found, int | float) else len(found))
        if limit.what in _LEAST:
            if value < limit.value:
                broken.append(f"{limit.text}: {limit.what} is {value:.4f}")
        elif limit.share:
            of = report.rows if limit.what == "rows_new" else _before(report, limit.what)
            share = 100 * value / of if of else 0.0
            if share > limit.value:
                broken.append(f"{limit.text}: {limit.what} is {share:.2f} % ({int(value)} of {of})")
        elif value > limit.value:
            broken.append(f"{limit.text}: {limit.what} is {int(value)}")
    return broken


def _before(report: DiffReport, what: str) -> int:
    """What a share refers to: rows in both runs for those that moved, else the earlier run's."""
    return report.shared if what == "moved" else report.shared + report.rows_gone


def run_diff(workspace: Workspace, collection: str, against: int | None = None) -> DiffReport:
    """Compare the current clusters with those of an earlier run, by default the one before.

    Raises UsageError when there are no clusters, no earlier run, or no such run (listing them).
    """
    current = artefacts.read_artefact(workspace, collection, CLUSTERS_FILE)
    if current is None:
        raise UsageError(
            f"Collection '{collection}' has no clusters to compare.",
            f"Make some: embclust cluster --collection {collection}",
        )
    new, run = tables.clustering_from(current[0]), int(current[1]["run"])
    chosen = _earlier(workspace, collection, run, against)
    found = artefacts.read_run(workspace, collection, chosen)
    if found is None:
        raise UsageError(
            f"Run {chosen} of '{collection}' is damaged.", "Compare with another: --against RUN."
        )
    old = tables.clustering_from(found[0])
    names = tables.names_from(found[0]) | tables.names_from(current[0])
    names |= {n: one.name for n, one in names_file.read(workspace, collection).items()}
    changed = artefacts.difference("cluster", found[1]["settings"], current[1]["settings"])
    return _report(collection, (chosen, old), (run, new), names, changed)


def _earlier(workspace: Workspace, collection: str, run: int, against: int | None) -> int:
    earlier = [one for one in artefacts.runs(workspace, collection) if one < run]
    kept = ", ".join(map(str, earlier))
    if against is None:
        if not earlier:
            raise UsageError(
                f"Collection '{collection}' has no earlier run to compare with: run {run} is the"
                " only one that is kept.",
                "Runs are made by `embclust cluster` and `plot` when rows or settings changed.",
            )
        return earlier[-1]
    if against not in earlier:
        raise UsageError(
            f"--against {against}: no such earlier run of '{collection}'.",
            f"Kept before the current run {run}: {kept or 'none'}.",
        )
    return against


def _report(
    collection: str,
    before: tuple[int, Clustering],
    after: tuple[int, Clustering],
    names: Mapping[int, str],
    settings_changed: str | None,
) -> DiffReport:
    (against, old), (run, new) = before, after
    matching = relate(old, new)
    was = dict(zip(old.ids, old.clusters.tolist(), strict=True))
    pairs = [
        (was[item_id], number)
        for item_id, number in zip(new.ids, new.clusters.tolist(), strict=True)
        if item_id in was
    ]
    sides = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return DiffReport(
        collection=collection,
        run=run,
        against=against,
        rows=len(new.ids),
        shared=matching.shared,
        moved=matching.moved,
        moved_share=round(matching.moved / matching.shared, 6) if matching.shared else 0.0,
        ari=round(agreement(sides[:, 0], sides[:, 1]), 7) if pairs else 0.0,
        rows_new=len(new.ids) - matching.shared,
        rows_gone=len(old.ids) - matching.shared,
        kept=matching.kept,
        split={str(number): parts for number, parts in matching.split.items()},
        merged={str(number): parts for number, parts in matching.merged.items()},
        new=matching.new,
        gone=matching.gone,
        clusters=[
            _change(number, old, new, sides, names, matching.split, matching.merged)
            for number in sorted({*old.numbers, *new.numbers})
        ],
        settings_changed=settings_changed,
    )


def _change(
    number: int,
    old: Clustering,
    new: Clustering,
    sides: Any,
    names: Mapping[int, str],
    split: Mapping[int, list[int]],
    merged: Mapping[int, list[int]],
) -> ClusterChange:
    then, now = number in old.numbers, number in new.numbers
    states = ["kept" if then and now else "new" if now else "gone"]
    states += ["split"] if number in split else []
    states += ["merged"] if number in merged else []
    changed = sides[sides[:, 0] != sides[:, 1]]
    return ClusterChange(
        cluster=number,
        name=names.get(number, ""),
        states=states,
        before=int(np.count_nonzero(old.clusters == number)),
        after=int(np.count_nonzero(new.clusters == number)),
        joined=int(np.count_nonzero(changed[:, 1] == number)),
        left=int(np.count_nonzero(changed[:, 0] == number)),
        parts=sorted({*split.get(number, []), *merged.get(number, [])} - {number}),
    )
