from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from embclust.page import Built, PageCluster, build_page
from tests.page.pages import page_data

MAX = 25_000_000


class Reader(HTMLParser):
    """Collects elements and the text of scripts, as a browser's parser would delimit them."""

    def __init__(self, html: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.inside = False
        self.feed(html.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.inside = True
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            attrs, text = self.scripts[-1]
            self.scripts[-1] = (attrs, text + data)

    def policy(self) -> dict[str, list[str]]:
        contents = [a["content"] for _, a in self.elements if a.get("http-equiv")]
        assert len(contents) == 1
        assert contents[0] is not None
        parts = [part.split() for part in contents[0].split(";")]
        return {part[0]: part[1:] for part in parts}

    def data(self, element_id: str) -> Any:
        return json.loads(
            next(text for attrs, text in self.scripts if attrs.get("id") == element_id)
        )


def read(built: Built) -> Reader:
    return Reader(built.html)


def test_the_policy_allows_exactly_the_pages_own_scripts() -> None:
    reader = read(build_page(page_data(), MAX))
    policy = reader.policy()
    run = [text for attrs, text in reader.scripts if "type" not in attrs]
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in run
    ]
    assert len(run) == 2
    assert policy["script-src"] == hashes
    assert policy["default-src"] == ["'none'"]
    assert policy["img-src"] == ["data:", "blob:"]
    for name in ("connect-src", "object-src", "frame-src", "base-uri", "form-action"):
        assert policy[name] == ["'none'"]
    assert [tag for tag, _ in reader.elements].index("meta") < 5


def test_nothing_in_the_page_points_outside() -> None:
    reader = read(build_page(page_data(), MAX))
    for tag, attrs in reader.elements:
        assert "src" not in attrs, tag
        assert not [name for name in attrs if name.startswith("on")], tag
        assert attrs.get("href", "data:,") == "data:,"


def test_the_data_arrives_whole() -> None:
    data = page_data()
    payload = read(build_page(data, MAX)).data("page-data")
    assert payload["title"] == "Sixty things"
    assert payload["ids"] == data.ids
    assert sorted(payload["layouts"]) == ["2", "3"]
    assert [cluster["name"] for cluster in payload["clusters"]] == ["Shoes", "Hats", "Bags"]
    assert payload["clusters"][1]["medoids"] == [1, 4]
    assert [column["name"] for column in payload["columns"]] == ["title", "gender", "year", "note"]
    assert payload["facts"] == [["Silhouette", "0.42"], ["Made", "2026-01-01"]]
    clusters = np.frombuffer(base64.b64decode(payload["clusterOf"]["data"]), "u1")
    assert clusters.tolist() == [3 if c < 0 else c for c in data.clusters.tolist()]
    near = np.frombuffer(base64.b64decode(payload["neighbours"]["data"]), "u1").reshape(60, 12)
    assert data.neighbours is not None
    assert (near.astype(int) - 1 == data.neighbours).all()


def test_equal_input_gives_equal_bytes() -> None:
    assert build_page(page_data(), MAX).html == build_page(page_data(), MAX).html


def test_cluster_numbers_may_have_gaps_and_clusters_may_lack_names() -> None:
    clusters = np.array([7, 2, 7, -1, 2] * 12, dtype=np.int32)
    named = [PageCluster(7, "Seven", 24)]
    payload = read(build_page(page_data(clusters=clusters, named=named), MAX)).data("page-data")
    assert [(c["number"], c["name"], c["size"]) for c in payload["clusters"]] == [
        (2, "Cluster 2", 24),
        (7, "Seven", 24),
    ]


def test_thumbnails_and_how_many_have_one() -> None:
    built = build_page(page_data(), MAX)
    reader = read(built)
    assert built.thumbnails == 59
    assert built.notes == []
    assert built.sidecar == {}
    sheets = reader.data("page-sheets")
    assert len(sheets) == 1
    assert sheets[0].startswith("data:image/webp;base64,")


def test_thumbnails_may_come_from_a_function() -> None:
    data = page_data()
    assert isinstance(data.thumbnails, list)
    by_call = page_data(thumbnails=data.thumbnails.__getitem__)
    assert build_page(by_call, MAX).html == build_page(data, MAX).html


def test_a_collection_without_pictures_has_no_frames_for_them() -> None:
    payload = read(build_page(page_data(thumbnails=None), MAX)).data("page-data")
    assert payload["pictures"] is False
    assert "tiles" not in payload


def _bare(data: Any) -> int:
    return len(build_page(page_data(thumbnails=[None] * len(data.ids)), MAX).html)


def test_over_budget_pictures_get_fewer_or_go_beside_the_page() -> None:
    data = page_data()
    tight = _bare(data) + 3_500
    built = build_page(data, tight)
    assert len(built.html) <= tight
    assert 0 <= built.thumbnails < 59
    assert any("thumbnails fit" in note for note in built.notes)

    built = build_page(data, tight, sidecar_dir="map_files")
    reader = read(built)
    assert built.thumbnails == 59
    assert reader.data("page-sheets") == list(built.sidecar) == ["map_files/thumbnails-0.webp"]
    assert built.sidecar["map_files/thumbnails-0.webp"][8:12] == b"WEBP"
    assert reader.policy()["img-src"] == ["data:", "blob:", "'self'"]
    assert any("map_files/" in note for note in built.notes)


def test_a_budget_below_the_page_itself_is_said() -> None:
    built = build_page(page_data(), 1_000_000)
    assert any("more than the 1.0 MB" in note for note in built.notes)
    assert built.thumbnails == 0


def test_notes_and_warnings_are_on_the_page() -> None:
    columns = {"title": ["x" * 5000, *["y"] * 59]}
    built = build_page(page_data(columns=columns, warnings=["Beware."]), MAX)
    assert read(built).data("page-data")["warnings"] == ["Beware.", *built.notes]
    assert built.notes


@pytest.mark.parametrize("n", [1, 2])
def test_tiny_collections(n: int) -> None:
    data = page_data(
        n=60,
        ids=["a", "b"][:n],
        layouts={3: np.zeros((n, 3), np.float32)},
        clusters=np.zeros(n, np.int32),
        named=[PageCluster(0, "All", n, medoid_rows=[0])],
        columns={},
        links=None,
        thumbnails=None,
        neighbours=None,
    )
    assert read(build_page(data, MAX)).data("page-data")["count"] == n


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clusters": np.zeros(3, np.int32)}, "clusters: 3 entries for 60 ids"),
        ({"columns": {"a": ["x"]}}, "column 'a': 1 entries"),
        ({"links": ["x"]}, "links: 1 entries"),
        ({"thumbnails": [None]}, "thumbnails: 1 entries"),
        ({"layouts": {}}, "at least one layout"),
        ({"layouts": {3: np.zeros((60, 2), np.float32)}}, "layout 3: shape"),
        ({"layouts": {2: np.full((60, 2), np.nan, np.float32)}}, "not finite"),
        ({"neighbours": np.full((60, 2), 60, np.int32)}, "neighbours: rows"),
        ({"named": [PageCluster(0, "x", 1, medoid_rows=[60])]}, "medoid row"),
        ({"named": [PageCluster(0, "x", 1, silhouette=1.5)]}, "cluster 0: silhouette 1.5"),
        ({"named": [PageCluster(0, "x", 1, silhouette=float("nan"))]}, "silhouette nan"),
        ({"default_dims": 4}, "there is no layout 4"),
    ],
)
def test_parts_that_do_not_fit_together_are_an_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        build_page(page_data(**changes), MAX)
