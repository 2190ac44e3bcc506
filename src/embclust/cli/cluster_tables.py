"""What `embclust cluster` prints for people: the clusters' figures, and tables beside them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from embclust.cli.console import table
from embclust.wording import counted

if TYPE_CHECKING:
    from embclust.reports import ClusterReport

__all__ = ["print_figures"]

_LABELS_SHOWN: Final = 5
_ID_WIDTH: Final = 16


def print_figures(report: ClusterReport) -> None:
    """Print the clusters, their most and least typical rows, and what else was asked for."""
    details = report.details
    if details["auto"] is not None:
        _print_choice(details["auto"])
    figures = [(one.cluster, details["per_cluster"][str(one.cluster)]) for one in report.clusters]
    rows = [
        (number, one["size"], _shown(one["silhouette"]), _shown(one["stability"]))
        for number, one in figures
    ]
    if report.noise:
        rows.append((-1, report.noise, "", ""))
    table(("cluster", "rows", "silhouette", "stability"), rows, sys.stdout)
    print()
    typical = [(number, _ids(one["typical"]), _ids(one["untypical"])) for number, one in figures]
    table(("cluster", "most typical rows", "least typical rows"), typical, sys.stdout)
    if details["matched"] is not None:
        print()
        _print_matched(details["matched"])
    if details.get("compare") is not None:
        print()
        _print_comparison(details["compare"])


def _print_choice(choice: Mapping[str, Any]) -> None:
    lines = [
        (
            one["k"],
            f"{one['silhouette']:.3f}",
            f"{one['by_chance']:.3f}",
            f"{one['stability']:.2f}",
            "<- chosen" if one["k"] == choice["k"] else "",
        )
        for one in choice["table"]
    ]
    table(("k", "silhouette", "by chance", "stability", ""), lines, sys.stdout)
    print(f"{choice['reason']}\n")


def _print_matched(matched: Mapping[str, Any]) -> None:
    """What became of the last run's clusters."""
    kinds = ("kept", "split", "merged", "new", "gone")
    shown = [f"{kind}: {_numbers(matched[kind])}" for kind in kinds if matched[kind]]
    moved = f"{matched['moved_rows']:,} of {counted(matched['shared_rows'], 'row')} moved"
    print(f"Since the last run {moved}. {'; '.join(shown)}.")


def _numbers(found: list[int] | Mapping[str, list[int]]) -> str:
    if isinstance(found, list):
        return ", ".join(map(str, found))
    return ", ".join(f"{number} ({_numbers(parts)})" for number, parts in found.items())


def _print_comparison(found: Mapping[str, Any]) -> None:
    left_out = f", {found['left_out']} without a value left out" if found["left_out"] else ""
    of = f"{counted(found['labels'], 'value')}, {counted(found['rows'], 'row')}{left_out}"
    print(
        f"Agreement with {found['column']} ({of}): NMI {found['nmi']:.3f}, ARI {found['ari']:.3f},"
        f" V-measure {found['v_measure']:.3f}"
    )
    lines = []
    for number, counts in found["table"].items():
        parts = [f"{label} {rows}" for label, rows in list(counts.items())[:_LABELS_SHOWN]]
        more = len(counts) - _LABELS_SHOWN
        lines.append((int(number), sum(counts.values()), ", ".join(parts), max(more, 0)))
    table(("cluster", "rows", f"{found['column']}", "more values"), lines, sys.stdout)


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _ids(found: list[str]) -> str:
    return " ".join(one if len(one) <= _ID_WIDTH else f"{one[: _ID_WIDTH - 1]}…" for one in found)
