"""`embclust init`: the guesses, and that the config it writes can be used as it stands."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from embclust.config import Settings
from embclust.errors import InputTableError, RefusedError
from embclust.rows import Row, open_table
from embclust.settings_sources import load
from embclust.steps.guess import guess
from embclust.steps.init import write_config

FASHION = Path(__file__).parents[2] / "../shared/data/fashion"


def write(path: Path, header: list[str], rows: list[list[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def products(count: int = 40) -> tuple[list[str], list[list[str]]]:
    header = ["name", "brand", "sku", "code", "price", "photo"]
    rows = [
        [
            f"Shirt number {i} in blue",
            ("Nike", "Puma")[i % 2],
            f"S-{i:03}",
            "x",
            "9.90",
            f"p/{i}.jpg",
        ]
        for i in range(count)
    ]
    return header, rows


def settings_of(config: Path) -> Settings:
    return load(config, {}, [], {}).settings


def rows_with(config: Path) -> list[Row]:
    settings = settings_of(config)
    rows = list(open_table(settings.source, settings.fields).rows())
    assert all(isinstance(row, Row) for row in rows)
    return [row for row in rows if isinstance(row, Row)]


def test_a_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write(tmp_path / "My shop.csv", *products())
    (tmp_path / "p").mkdir()
    (tmp_path / "p/0.jpg").write_bytes(b"x")
    config = write_config(table)
    assert config == tmp_path / "My shop.yaml"
    assert yaml.safe_load(config.read_text(encoding="utf-8")) == {
        "source": {"path": "My shop.csv", "id_field": "sku"},
        "fields": {"images": ["photo"], "texts": ["name"]},
        "store": {"collection_prefix": "my_shop_"},
        "plot": {"text_fields": ["name", "brand"], "image_field": "photo"},
    }
    assert "None of the first picture paths" not in config.read_text(encoding="utf-8")
    monkeypatch.chdir("/")
    rows = rows_with(config)
    assert rows[7].item.id == "S-007"
    assert rows[7].item.fields["photo"] == "p/7.jpg"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", *products())
    config = write_config(table)
    before = config.read_bytes()
    with pytest.raises(RefusedError, match="exists already"):
        write_config(table)
    assert config.read_bytes() == before
    other = tmp_path / "other.yaml"
    other.symlink_to("nowhere")
    with pytest.raises(RefusedError):
        write_config(table, other)


def test_a_config_in_another_folder_finds_the_table(tmp_path: Path) -> None:
    table = write(tmp_path / "data/t.csv", *products())
    (tmp_path / "configs").mkdir()
    config = write_config(table, tmp_path / "configs/shop.yaml")
    assert settings_of(config).source.path is not None
    assert len(rows_with(config)) == 40
    text = config.read_text(encoding="utf-8")
    assert "path: ../data/t.csv" in text
    assert "None of the first picture paths leads to a file" in text


def test_pictures_named_by_id_beside_the_table(tmp_path: Path) -> None:
    """The layout of Kaggle's fashion data: styles.csv and images/ID.jpg."""
    rows = [[str(i), f"Shoe model {i}", "Men"] for i in range(100, 130)]
    table = write(tmp_path / "styles.csv", ["id", "productDisplayName", "gender"], rows)
    (tmp_path / "images").mkdir()
    for row in rows[:-1]:
        (tmp_path / f"images/{row[0]}.jpg").write_bytes(b"x")
    config = write_config(table)
    assert yaml.safe_load(config.read_text())["fields"] == {
        "images": {"image": "images/{id}.jpg"},
        "texts": ["productDisplayName"],
    }
    assert rows_with(config)[0].item.fields["image"] == "images/100.jpg"


@pytest.mark.parametrize(
    ("header", "values", "expected"),
    [
        (["product_id", "id"], ["7", "same"], "product_id"),
        (["itemId", "uuid"], ["{i}", "u{i}"], "uuid"),
        (["itemId", "x"], ["{i}", "u{i}"], "itemId"),
        (["#id", "x"], ["{i}", "y"], "id"),
        (["paid", "grid"], ["{i}", "{i}"], None),
        (["id", "x"], ["same", "y"], None),
    ],
)
def test_the_id_column_is_named_like_one_and_unique(
    tmp_path: Path, header: list[str], values: list[str], expected: str | None
) -> None:
    rows = [
        [f"{value}{i}" if value == "7" else value.format(i=i) for value in values]
        + [f"text of {i}"]
        for i in range(10)
    ]
    table = write(tmp_path / "t.csv", [*header, "title"], rows)
    assert guess(table).id_field == expected
    config = write_config(table)
    assert ("No column looks like an id" in config.read_text()) == (expected is None)
    assert len(rows_with(config)) == 10


def test_links_are_pictures_only_when_they_look_like_it(tmp_path: Path) -> None:
    rows = [
        [
            f"https://shop.test/{i}",
            f"https://cdn.test/{i}?w=1",
            f"https://cdn.test/{i}.jpg?t=1",
            f"a b {i}",
        ]
        for i in range(10)
    ]
    header = ["page", "img_link", "large", "title"]
    assert guess(write(tmp_path / "t.csv", header, rows)).images == {"img_link": None}
    header = ["page", "thumb", "large", "title"]
    assert guess(write(tmp_path / "t.csv", header, rows)).images == {"large": None}


def test_text_columns_are_text_not_codes(tmp_path: Path) -> None:
    rows = [
        [
            f"A1 B2 {i}",
            "In stock now",
            f"Long words about the thing with number {i}",
            f"Thing {i} blue",
        ]
        for i in range(30)
    ]
    found = guess(write(tmp_path / "t.csv", ["codes", "stock", "about", "headline"], rows))
    assert found.texts == ["headline"]
    assert found.other_texts == ["about"]
    rows = [[f"{i}", word] for i, word in enumerate(["red", "blue", "green", "pink"])]
    assert guess(write(tmp_path / "t.csv", ["n", "colour"], rows)).texts == ["colour"]


def test_nothing_to_embed(tmp_path: Path) -> None:
    rows = [[str(i), f"{i}.50"] for i in range(10)]
    with pytest.raises(InputTableError, match="no column looks like pictures or text"):
        write_config(write(tmp_path / "t.csv", ["id", "price"], rows))
    assert not (tmp_path / "t.yaml").exists()


@pytest.mark.parametrize(
    "name",
    [
        "yes",
        "a: b",
        "# x",
        "'",
        '"',
        "- x",
        "{y}",
        "null",
        "1",
        "é 日本",
        "a\tb",
        "*a",
        "@x",
        "x,y",
    ],
)
def test_odd_column_names_are_quoted(tmp_path: Path, name: str) -> None:
    rows = [[f"words about {i}", f"{i}.png"] for i in range(5)]
    config = write_config(write(tmp_path / "t.csv", [name, f"photo {name}"], rows))
    fields = settings_of(config).fields
    row = rows_with(config)[0]
    assert [row.item.fields[column] for column in fields.texts] == ["words about 0"]
    assert [row.item.fields[column] for column in fields.image_templates()] == ["0.png"]


def test_what_is_in_the_table_cannot_break_out_of_a_comment(tmp_path: Path) -> None:
    rows = [[f"x\nstore: {{kind: memory}} {i}\u2028y\x85z", f"w {i}"] for i in range(5)]
    config = write_config(write(tmp_path / "t.csv", ["a\u2028b: c", "title"], rows))
    assert set(yaml.safe_load(config.read_text(encoding="utf-8"))) == {
        "source",
        "fields",
        "store",
        "plot",
    }
    assert settings_of(config).store.kind == "chroma"


def test_secrets_in_links_stay_out_of_the_config(tmp_path: Path) -> None:
    rows = [[f"https://u:pw0rd@cdn.test/{i}.jpg?token=s3cret", f"t {i}"] for i in range(5)]
    text = write_config(write(tmp_path / "t.csv", ["image", "title"], rows)).read_text()
    assert "cdn.test" in text
    assert "s3cret" not in text
    assert "pw0rd" not in text


def test_a_folder_of_images(tmp_path: Path) -> None:
    for name in ("pics/a.jpg", "pics/cats/b.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    config = write_config(tmp_path / "pics")
    assert yaml.safe_load(config.read_text())["plot"] == {
        "text_fields": ["name", "folder"],
        "image_field": "path",
    }
    assert [row.item.id for row in rows_with(config)] == ["a.jpg", "cats/b.png"]


def test_json_lines_and_an_encoding(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": i, "title": f"Ding Nummer {i} für dich"} for i in range(9)]
    path = tmp_path / "t.jsonl"
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(lines, encoding="cp1252")
    with pytest.raises(InputTableError, match=r"source\.encoding"):
        write_config(path)
    config = write_config(path, encoding="cp1252")
    assert rows_with(config)[3].item.fields == {"id": 3, "title": "Ding Nummer 3 für dich"}


def test_the_fashion_table(tmp_path: Path) -> None:
    if not FASHION.is_dir():
        pytest.skip("../shared/data/fashion is not here")
    found = guess(FASHION / "fashion.csv")
    assert found.id_field == "id"
    assert found.images == {"imageUrl": None}
    assert found.pictures_found
    assert found.texts == ["productDisplayName"]
    assert found.display[0] == "productDisplayName"
    config = write_config(FASHION / "fashion.csv", tmp_path / "c.yaml")
    assert len(rows_with(config)) == 1_500
