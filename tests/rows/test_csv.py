"""CSV and TSV: nothing changes its type, nothing goes missing in silence."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from embclust.errors import InputTableError, SettingsError
from tests.rows.helpers import items, open_at, read


def write(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_plain_table(tmp_path: Path) -> None:
    path = write(tmp_path, "id,title,price\n007,Blue shirt,7.10\n7,,1e3\n")
    table = open_at(path, id_field="id", texts=("title",))
    good, bad = read(table)
    assert bad == []
    assert [row.line for row in good] == [2, 3]
    # Ids keep their spelling, and so do numbers; an empty cell is no field.
    assert [row.item.id for row in good] == ["007", "7"]
    assert good[0].item.fields == {"id": "007", "title": "Blue shirt", "price": "7.10"}
    assert good[1].item.fields == {"id": "7", "price": "1e3"}
    assert table.columns == ["id", "title", "price"]
    assert table.folder == tmp_path
    assert table.name == str(path.resolve())
    assert table.warnings == []


def test_long_ids_na_and_null_stay_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path, "id,x\n123456789012345678901,NA\nnull,null\n")
    assert [(item.id, item.fields["x"]) for item in items(path, id_field="id")] == [
        ("123456789012345678901", "NA"),
        ("null", "null"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path, f"id{delimiter}title\n1{delimiter}a b\n")
    assert items(path, id_field="id", texts=["title"])[0].fields == {"id": "1", "title": "a b"}


def test_the_wanted_columns_decide_between_delimiters(tmp_path: Path) -> None:
    path = write(tmp_path, "id;title, subtitle, notes\n1;a, b, c\n")
    assert items(path, id_field="id")[0].fields == {"id": "1", "title, subtitle, notes": "a, b, c"}


def test_rows_decide_when_the_header_does_not(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b;c\n1,2;3\n4,5;6,7\n")
    table = open_at(path)
    assert table.delimiter == ";"
    path = write(tmp_path, "a,b;c\n")
    with pytest.raises(InputTableError, match=r"source\.delimiter"):
        open_at(path)


def test_a_set_delimiter_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path, "a^b,c\n1^2,3\n")
    assert items(path, delimiter="^")[0].fields == {"a": "1", "b,c": "2,3"}


def test_an_unknown_delimiter_is_an_error_that_says_what_to_set(tmp_path: Path) -> None:
    path = write(tmp_path, "id^title\n1^x\n")
    with pytest.raises(InputTableError, match=r"one column only.*source\.delimiter"):
        open_at(path, id_field="id")


def test_tsv_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\tc\n1,2\t3\n", "t.tsv")
    assert items(path)[0].fields == {"a,b": "1,2", "c": "3"}


def test_one_column_is_a_table(tmp_path: Path) -> None:
    path = write(tmp_path, "title\nred\n\nblue\n")
    assert [item.fields["title"] for item in items(path)] == ["red", "blue"]


@pytest.mark.parametrize("head", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_mark_and_line_ends(tmp_path: Path, head: bytes, end: str) -> None:
    path = write(tmp_path, head + f"id,t{end}1,é{end}2,x{end}".encode())
    found = items(path, id_field="id", texts=["t"])
    assert [item.fields["t"] for item in found] == ["é", "x"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf16_and_utf32_by_their_marks(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "id,t\n1,日本 😀\n".encode(encoding))
    assert items(path, id_field="id")[0].fields["t"] == "日本 😀"


def test_utf16_without_a_mark_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "id,title\n1,blue\n".encode("utf-16-be"))
    with pytest.raises(InputTableError, match=r"source\.encoding: utf-16-be"):
        open_at(path, id_field="id")
    assert items(path, id_field="id", encoding="utf-16-be")[0].fields["title"] == "blue"


def test_cp1252_names_the_offset_and_the_setting(tmp_path: Path) -> None:
    rows = "".join(f"{i},plain text\n" for i in range(20_000)).encode()
    data = b"id,t\n" + "0,日本\n".encode() + rows + "x,caf\u00e9 blau\n".encode("cp1252")
    path = write(tmp_path, data)
    offset = data.index(b"\xe9 blau")
    with pytest.raises(InputTableError, match=rf"0xe9 at offset {offset}\b") as caught:
        read(open_at(path, id_field="id"))
    assert "source.encoding" in caught.value.hint
    good, _ = read(open_at(write(tmp_path, "id,t\n1,é\n".encode("cp1252")), encoding="cp1252"))
    assert good[0].item.fields["t"] == "é"


def test_a_file_cut_within_a_character(tmp_path: Path) -> None:
    path = write(tmp_path, b"id,t\n1,caf\xc3")
    with pytest.raises(InputTableError, match="0xc3 at offset 10"):
        read(open_at(path))


def test_a_codec_that_is_no_text_encoding(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"source\.encoding: 'rot13' is no text encoding"):
        open_at(write(tmp_path, "a\n1\n"), encoding="rot13")


def test_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(b"id,t\n" + b"".join(b"%d,some text\n" % i for i in range(5_000)))
    path = write(tmp_path, packed, "t.csv.gz")
    assert len(items(path, id_field="id")) == 5_000
    with pytest.raises(InputTableError, match="cut short"):
        read(open_at(write(tmp_path, packed[:-500], "t.csv.gz"), id_field="id"))


def test_ragged_rows_are_rejected_with_their_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path, 'id,t\n1,a\n2,b,extra comma\n3\n\n4,"two\nlines"\n5,"a ""quoted"" word"\n6,e\n'
    )
    good, bad = read(open_at(path, id_field="id"))
    assert [(row.line, row.item.id) for row in good] == [(2, "1"), (6, "4"), (8, "5"), (9, "6")]
    assert good[1].item.fields["t"] == "two\nlines"
    assert [(each.line, each.reason) for each in bad] == [
        (3, "3 fields where the header has 2"),
        (4, "1 fields where the header has 2"),
    ]


def test_a_row_with_a_broken_quote_is_rejected_alone(tmp_path: Path) -> None:
    path = write(tmp_path, 'id,t\n1,"a" b\n2,5" pipe\n3,"fine"\n')
    good, bad = read(open_at(path, id_field="id"))
    assert [row.item.fields["t"] for row in good] == ['5" pipe', "fine"]
    assert [each.line for each in bad] == [2]
    assert "quote" in bad[0].reason


@pytest.mark.parametrize("rest", ["3,c\n4,d\n", '3,"c"\n4,d\n', "x" * 17 * 2**20])
def test_an_unclosed_quote_names_the_line_where_it_opened(tmp_path: Path, rest: str) -> None:
    path = write(tmp_path, f'id,t\n1,"multi\nline"\n2,"open\n{rest}')
    with pytest.raises(InputTableError, match="line 4: a quote is opened and not closed"):
        read(open_at(path, id_field="id"))


def test_a_quote_that_swallows_rows_counts_them_all(tmp_path: Path) -> None:
    rows = "".join(f"{i},a\n" for i in range(200))
    swallowed = '200,"open\n' + "".join(f"{i},b\n" for i in range(50)) + '251,",x\n'
    path = write(tmp_path, "id,t\n" + rows + swallowed)
    with pytest.raises(InputTableError, match=r"52 of 252 rows.*lines 202 to 253"):
        read(open_at(path, id_field="id"))


def test_a_very_long_row_is_worth_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path, 'id,t\n1,"' + "x\n" * 300 + '"\n')
    table = open_at(path, id_field="id")
    read(table)
    assert table.warnings == ["The row at line 2 runs to line 302: is a quote left open?"]


def test_long_fields(tmp_path: Path) -> None:
    path = write(tmp_path, f"id,t\n1,{'x' * 200_000}\n2,{'y' * (17 * 2**20)}\n3,z\n")
    good, bad = read(open_at(path, id_field="id"))
    assert [len(str(row.item.fields["t"])) for row in good] == [200_000, 1]
    assert [each.line for each in bad] == [3]
    assert "longer than" in bad[0].reason


def test_a_file_without_line_ends_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = write(tmp_path, b"id,t\n" + b"x" * (65 * 2**20))
    with pytest.raises(InputTableError, match="line 2: longer than"):
        read(open_at(path))


def test_thousands_of_columns(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(5_000)]
    path = write(tmp_path, ",".join(names) + "\n" + ",".join(names) + "\n")
    assert items(path)[0].fields == dict(zip(names, names, strict=True))


def test_control_characters_are_removed_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, 'id,t\n1,a\x00b\x1b[31mc\n2,"tab\there\nand there"\n3,\x00\n')
    table = open_at(path, id_field="id")
    good, _ = read(table)
    assert [row.item.fields.get("t") for row in good] == ["ab[31mc", "tab\there\nand there", None]
    assert table.warnings == ["Control characters removed from cells: 3."]


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", " \n"])
def test_an_empty_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputTableError, match="no rows"):
        open_at(write(tmp_path, text))


def test_a_header_without_rows(tmp_path: Path) -> None:
    with pytest.raises(InputTableError, match="no rows"):
        read(open_at(write(tmp_path, "id,t\n\n"), id_field="id"))


def test_a_column_twice(tmp_path: Path) -> None:
    with pytest.raises(InputTableError, match="'t' more than once"):
        open_at(write(tmp_path, "id,t, t\n1,2,3\n"))


def test_header_names_are_stripped_and_made_safe_once(tmp_path: Path) -> None:
    path = write(tmp_path, " id ,#x,$y,,x,,chroma:z,_embclust_w\n1,2,3,4,5,6,7,8\n")
    table = open_at(path, id_field="id")
    good, _ = read(table)
    assert good[0].item.fields == {
        "id": "1",
        "x_2": "2",
        "y": "3",
        "unnamed": "4",
        "x": "5",
        "unnamed_2": "6",
        "chroma_z": "7",
        "embclust_w": "8",
    }
    (warning,) = table.warnings
    assert warning.startswith("Columns renamed: '#x' -> 'x_2', '$y' -> 'y', ")


def test_an_open_quote_in_the_header(tmp_path: Path) -> None:
    with pytest.raises(InputTableError, match="header cannot be read"):
        open_at(write(tmp_path, 'id,"t\n1,2\n'))


def test_reading_again_starts_over(tmp_path: Path) -> None:
    table = open_at(write(tmp_path, "id,t\n1,a\x00\n2\n"), id_field="id", max_bad_rows=5)
    assert read(table) == read(table)
    assert table.rejected == 1
    assert table.warnings == ["Control characters removed from cells: 1."]


def test_what_csv_writes_is_read_back(tmp_path: Path) -> None:
    rows = [["1", 'a "q" b'], ["2", "x,y\r\nz"], ["3", " spaced "], ["4", "'"]]
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "t"], *rows])
    assert [list(item.fields.values()) for item in items(path, id_field="id")] == rows
