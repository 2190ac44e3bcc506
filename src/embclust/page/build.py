"""PageData -> one HTML file that opens by double click, needs no network and sends nothing.

The page's own policy (a CSP meta element) allows the inline scripts by their hashes and nothing
else; data reaches the scripts as escaped JSON only.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any, Final

import numpy as np

from embclust import __version__
from embclust.page.bundle import viewer_script, viewer_style
from embclust.page.columns import MAX_LABEL, codes_base64, encode_columns, int16_base64
from embclust.page.data import Built, PageCluster, PageData, check
from embclust.page.escape import clean_text, inert_script, json_for_script, safe_link
from embclust.page.sprites import SIDES, Sheets, Thumbs, fit, load

__all__ = ["build_page"]

_MAX_ID: Final = 1000
_SLACK: Final = 2_000
"""Bytes kept free for notes that are written after the pictures are packed."""


def build_page(data: PageData, max_bytes: int, sidecar_dir: str | None = None) -> Built:
    """Build the page. Equal input gives equal bytes.

    `max_bytes`: what the HTML file should stay under. Thumbnails get smaller to fit it; when the
    smallest do not fit, their sheets go to files under `sidecar_dir` (a relative path, to be
    written beside the page), or, without one, only as many as fit are kept. Each step down is in
    `Built.notes` and on the page. Raises ValueError when the parts of `data` do not fit together.
    """
    check(data)
    columns, notes = encode_columns(data.columns, data.text_fields)
    payload = _payload(data, columns)
    plotly = _plotly()
    viewer = viewer_script()
    frame = len(_render(data, payload, [], plotly, viewer, outside=False)) + _SLACK
    thumbs = _thumbnails(data)
    sheets, sidecar, picture_notes = _place(data, thumbs, max_bytes - frame, sidecar_dir)
    notes += picture_notes
    payload["warnings"] = [clean_text(text, 500) for text in (*data.warnings, *notes)]
    if sheets.sheets:
        payload["tiles"] = sheets.layout()
    sources = list(sidecar) or [
        "data:image/webp;base64," + base64.b64encode(sheet).decode() for sheet in sheets.sheets
    ]
    html = _render(data, payload, sources, plotly, viewer, outside=bool(sidecar))
    if len(html) > max_bytes:
        notes.append(
            f"The page takes {len(html) / 1e6:.1f} MB, more than the {max_bytes / 1e6:.1f} MB "
            "asked for; plot.max_points makes it smaller."
        )
    return Built(html, sheets.shown, notes, sidecar)


def _payload(data: PageData, columns: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything but the pictures, JSON-ready, all text cleaned."""
    n = len(data.ids)
    links = [safe_link(link) for link in data.links] if data.links is not None else []
    payload: dict[str, Any] = {
        "version": __version__,
        "title": clean_text(data.title, 200),
        "collection": clean_text(data.collection, 200),
        "encoder": clean_text(data.encoder, 300),
        "count": n,
        "total": data.total_points if data.total_points is not None else n,
        "ids": [clean_text(item_id, _MAX_ID) for item_id in data.ids],
        "defaultDims": data.default_dims or max(data.layouts),
        "layouts": {str(dims): int16_base64(data.layouts[dims]) for dims in sorted(data.layouts)},
        "clusters": [_cluster(cluster) for cluster in _with_all(data)],
        "columns": columns,
        "textFields": [clean_text(name, MAX_LABEL) for name in data.text_fields],
        "links": links if any(links) else [],
        "pictures": data.thumbnails is not None,
        "neighbours": None,
        "facts": [
            [clean_text(label, 100), clean_text(value, 500)] for label, value in data.facts.items()
        ],
        "warnings": [],
        "credit": clean_text(data.credit, 500) if data.credit else "",
    }
    place = {record["number"]: index for index, record in enumerate(payload["clusters"])}
    noise = len(place)
    payload["clusterOf"] = codes_base64([place.get(int(c), noise) for c in data.clusters])
    if data.neighbours is not None:
        payload["neighbours"] = {
            "each": int(data.neighbours.shape[1]),
            **codes_base64(data.neighbours.ravel().astype(np.int64) + 1),
        }
    return payload


def _with_all(data: PageData) -> list[PageCluster]:
    """The named clusters by number, and any that the points have but nobody named."""
    known = {cluster.number: cluster for cluster in data.named if cluster.number >= 0}
    numbers, sizes = np.unique(data.clusters, return_counts=True)
    for number, size in zip(numbers.tolist(), sizes.tolist(), strict=True):
        if number >= 0 and number not in known:
            known[number] = PageCluster(number, f"Cluster {number}", size)
    return [known[number] for number in sorted(known)]


def _cluster(cluster: PageCluster) -> dict[str, Any]:
    return {
        "number": cluster.number,
        "name": clean_text(cluster.name, MAX_LABEL) or f"Cluster {cluster.number}",
        "size": cluster.size,
        "source": clean_text(cluster.source, MAX_LABEL),
        "keywords": [clean_text(word, 80) for word in cluster.keywords[:20]],
        "medoids": list(cluster.medoid_rows[:12]),
        "silhouette": None if cluster.silhouette is None else round(cluster.silhouette, 4),
    }


def _thumbnails(data: PageData) -> Thumbs:
    source = data.thumbnails
    if source is None:
        return load(lambda _row: None, len(data.ids))
    return load(source if callable(source) else source.__getitem__, len(data.ids))


def _place(
    data: PageData, thumbs: Thumbs, room: int, sidecar_dir: str | None
) -> tuple[Sheets, dict[str, bytes], list[str]]:
    """Pack the pictures into `room` bytes of HTML, or beside the page; say what it cost."""
    rows = int((thumbs.of_row >= 0).sum())
    first = [row for cluster in data.named for row in cluster.medoid_rows]
    layout_bytes = len(thumbs.of_row) * 16 // 3 + len(thumbs.pictures) * 16 // 3
    sheets = fit(thumbs, max(0, room - layout_bytes) * 3 // 4, first)
    if not sheets.fewer:
        notes = []
        if sheets.sheets and sheets.side < min(max(SIDES), thumbs.side):
            notes.append(f"Thumbnails are {sheets.side} px to keep the page small.")
        if sheets.shown < rows:
            notes.append(f"{rows - sheets.shown} thumbnails could not be read.")
        return sheets, {}, notes
    if sidecar_dir is None:
        note = f"Only {sheets.shown} of {rows} thumbnails fit the page's size (plot.max_bytes)."
        return sheets, {}, [note]
    sheets = fit(thumbs, 2**62, first)
    sidecar = {
        f"{sidecar_dir}/thumbnails-{index}.webp": sheet for index, sheet in enumerate(sheets.sheets)
    }
    return sheets, sidecar, [f"The thumbnails lie beside the page, in {sidecar_dir}/: keep both."]


def _plotly() -> str:
    """Plotly's bundle as the plotly package ships it."""
    script = files("plotly") / "package_data" / "plotly.min.js"
    return inert_script(script.read_text("utf-8"), "plotly.min.js")


def _render(
    data: PageData,
    payload: dict[str, Any],
    sheets: list[str],
    plotly: str,
    viewer: str,
    *,
    outside: bool,
) -> bytes:
    from jinja2 import Environment, StrictUndefined

    # Autoescape is on for every value; `| safe` in the template marks what was escaped or is ours.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    template = environment.from_string((files("embclust.page") / "page.html").read_text("utf-8"))
    text = template.render(
        policy=_policy([plotly, viewer], outside=outside),
        generator=f"embclust {__version__}",
        title=clean_text(data.title, 200),
        style=viewer_style(),
        data=json_for_script(payload),
        sheets=json_for_script(sheets),
        plotly=plotly,
        viewer=viewer,
    )
    return text.encode("utf-8")


def _policy(scripts: list[str], *, outside: bool) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    images = "data: blob: 'self'" if outside else "data: blob:"
    # Plotly sets style attributes from script text, which only 'unsafe-inline' allows.
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src {images}; "
        "connect-src 'none'; object-src 'none'; frame-src 'none'; base-uri 'none'; "
        "form-action 'none'"
    )
