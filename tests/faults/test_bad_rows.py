"""What `index` makes of bad rows: the right reason for each, sums that add up, the right code."""

from __future__ import annotations

import csv
import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fault_server import FaultServer, jpeg
from tests.faults.bench import Bench, Done

DEADLINE = 1.5
WORKERS = 16
PARTS = ("indexed", "reused", "updated", "unchanged", "missing", "failed", "pending")

# What stands in the cell (after `{}` for the server's address) and how its reason begins.
BAD = {
    "{}/status/404/a": "http 404",
    "{}/status/410/a": "http 410",
    "{}/status/403/a": "http 403",
    "{}/status/500/a": "http 500",
    "{}/status/429/a?retry_after=9999": "http 429",
    "{}/slow-headers/a": "deadline of 1.5 s",
    "{}/slow-headers/b": "deadline of 1.5 s",
    "{}/slow-body/a": "deadline of 1.5 s",
    "{}/slow-body/b": "deadline of 1.5 s",
    "{}/endless/a": "too large",
    "{}/big/a?bytes=9000000": "too large",
    "{}/gzip-bomb/a?mb=40": "too large",
    "{}/brotli/a": "sent as 'br'",
    "{}/short/a": "broken answer",
    "{}/rst/a": "",
    "{}/rst-body/a": "",
    "{}/garbage/a": "broken answer",
    "{}/long-header/a": "broken answer",
    "{}/empty/a": "empty",
    "{}/nothing/a": "empty",
    "{}/body/html/a": "not an image (looks like HTML)",
    "{}/body/json/a": "not an image (looks like JSON)",
    "{}/body/pdf/a": "not an image (looks like PDF)",
    "{}/body/svg/a": "unsupported format",
    "{}/loop/a": "",
    "{}/ok/tiny.jpg?size=1": "too small",
    "http://127.0.0.1:1/refused.jpg": "connection refused",
    "http://no-such-host.invalid/a.jpg": "DNS",
    "//cdn/x.jpg": "not an absolute http(s) URL",
    "www.example.com/a.jpg": "not an absolute http(s) URL",
    "http:/x.jpg": "not an absolute http(s) URL",
    "file:///etc/passwd": "unsupported scheme 'file'",
    "data:image/png;base64,AA": "unsupported scheme 'data'",
    "s3://bucket/a.jpg": "unsupported scheme 's3'",
    "../outside.jpg": "outside images.root",
    "a.fifo": "not a regular file",
    "folder": "not a regular file",
    "no-such.jpg": "no such file",
    "cut.jpg": "truncated",
    "words.jpg": "not an image",
}


def photo_arguments(table: Path, *more: str) -> list[str]:
    """`index` of the column `photo`, impatient and on loopback."""
    given = ["index", str(table), "--id", "id", "--image", "photo"]
    for setting in (
        "encoders.image.kind=hashing",
        "images.allow_private_hosts=true",
        f"images.timeout={DEADLINE}",
        "images.retries=1",
        "images.retry_after_cap=0.2",
        "images.max_bytes=2MB",
        f"images.workers={WORKERS}",
    ):
        given += ["--set", setting]
    return [*given, *more]


def write_table(path: Path, cells: Sequence[tuple[str, str]], column: str = "photo") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", column])
        writer.writerows(cells)


def failures(done: Done) -> dict[str, dict[str, object]]:
    """failures.jsonl by id."""
    path = done.json["failures_file"]
    if path is None:
        return {}
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    found = {record["id"]: record for record in records}
    assert len(found) == len(records), "one line per row"
    return found


def assert_adds_up(done: Done) -> dict[str, int]:
    for one in done.json["collections"]:
        assert sum(one[part] for part in PARTS) == one["rows"]
    counts: dict[str, int] = done.json["collections"][0]
    return counts


def test_two_hundred_urls_of_which_80_percent_are_good(
    tmp_path: Path, fault_server: FaultServer
) -> None:
    url = fault_server.url
    folder = tmp_path / "table"
    folder.mkdir()
    (tmp_path / "outside.jpg").write_bytes(jpeg())
    (folder / "cut.jpg").write_bytes(jpeg(noise=1)[:900])
    (folder / "words.jpg").write_text("just some words, no picture at all")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "a.fifo")
    assert len(BAD) == 40
    bad = {f"bad{n}": (cell.format(url), words) for n, (cell, words) in enumerate(BAD.items())}
    good = {f"good{n}": f"{url}/ok/{n}.jpg?noise={n + 1}&size=64" for n in range(150)}
    good |= {f"local{n}": f"local{n}.jpg" for n in range(4)}
    for n in range(4):
        (folder / f"local{n}.jpg").write_bytes(jpeg(64, noise=1000 + n))
    good |= {
        "flaky": f"{url}/flaky/1/a?status=503",
        "gzip": f"{url}/gzip/a",
        "hops": f"{url}/hops/3/a",
        "padded": f"  {url}/ok/padded.jpg?noise=501 ",
        "spaced": f"{url}/ok/a b.jpg?noise=502",
        "later": f"{url}/ok/later.jpg?noise=503&delay=0.4",
    }
    rows = [(item_id, cell) for item_id, (cell, _) in bad.items()] + list(good.items())
    random.Random(0).shuffle(rows)
    write_table(folder / "t.csv", rows)
    bench = Bench(tmp_path)
    began = time.monotonic()
    done = bench.run(*photo_arguments(folder / "t.csv", "--max-failures", "20%"))
    assert time.monotonic() - began < 40 * 2 * DEADLINE / WORKERS + 10
    counts = assert_adds_up(done)
    assert (counts["rows"], counts["failed"], counts["count"]) == (200, 40, 160)
    found = failures(done)
    assert set(found) == set(bad)
    lines = {item_id: line for line, (item_id, _) in enumerate(rows, 2)}
    for item_id, record in found.items():
        cell, words = bad[item_id]
        assert str(record["reason"]).startswith(words), f"{cell}: {record['reason']}"
        assert record["reason"]
        assert record["line"] == lines[item_id]
        assert record["field"] == "photo"
        assert record["stage"] in {"fetch", "prepare"}
    for path, tries in (("/status/404/a", 1), ("/status/403/a", 1), ("/status/500/a", 2)):
        assert fault_server.hits[path] == tries
    assert fault_server.settled(), "open sockets are back to 0"
    assert not bench.run("check", "--full").json["collections"][0]["differences"]
    # Again: nothing is tried, all is remembered, and too many failures are said by the code.
    before = sum(fault_server.hits.values())
    done = bench.run(*photo_arguments(folder / "t.csv"), expect=3)
    assert sum(fault_server.hits.values()) == before
    assert assert_adds_up(done)["unchanged"] == 160
    assert "--max-failures" in done.err
    assert {k: v["reason"] for k, v in failures(done).items()} == {
        k: v["reason"] for k, v in found.items()
    }
    # Only what may work another time is tried again.
    retryable = {item_id for item_id, record in found.items() if record["retryable"]}
    bench.run(*photo_arguments(folder / "t.csv", "--retry-failed", "--max-failures", "20%"))
    tried = {request.path for request in fault_server.requests[before:]}
    names = {
        cell.partition("?")[0].removeprefix(url)
        for cell, _ in (bad[item_id] for item_id in retryable)
        if cell.startswith(url)
    }
    assert tried == names
    assert "/status/404/a" not in tried


def test_private_addresses_are_refused_unless_allowed(
    tmp_path: Path, fault_server: FaultServer
) -> None:
    port = fault_server.port
    hosts = ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "0", "[::ffff:127.0.0.1]", "localhost"]
    cells = [f"http://{host}:{port}/ok/{n}.jpg" for n, host in enumerate(hosts)]
    write_table(tmp_path / "t.csv", [(str(n), cell) for n, cell in enumerate(cells)])
    refusing = ("--set", "images.allow_private_hosts=false")
    done = Bench(tmp_path).run(*photo_arguments(tmp_path / "t.csv", *refusing))
    assert assert_adds_up(done)["failed"] == len(hosts)
    for record in failures(done).values():
        assert str(record["reason"]).startswith("private address")
        assert "images.allow_private_hosts" in str(record["reason"])
    assert fault_server.connections == 0, "not a byte reaches it"


def test_fifty_alike_stop_the_run(tmp_path: Path, fault_server: FaultServer) -> None:
    cells = [(str(n), f"{fault_server.url}/status/403/{n}") for n in range(2000)]
    write_table(tmp_path / "t.csv", cells)
    bench = Bench(tmp_path)
    done = bench.run(*photo_arguments(tmp_path / "t.csv"), expect=3)
    counts = assert_adds_up(done)
    assert counts["pending"] > 1500
    assert sum(fault_server.hits.values()) < 500
    (said,) = [text for text in done.json["warnings"] if "alike" in text]
    assert "http 403" in said
    assert "run the same command again with --refresh" in said
    assert said in done.err


def test_fifty_that_fail_differently_do_not(tmp_path: Path, fault_server: FaultServer) -> None:
    codes = (403, 404, 410)
    cells = [(str(n), f"{fault_server.url}/status/{codes[n % 3]}/{n}") for n in range(90)]
    write_table(tmp_path / "t.csv", cells)
    done = Bench(tmp_path).run(*photo_arguments(tmp_path / "t.csv"), expect=3)
    assert assert_adds_up(done)["failed"] == 90


def test_one_picture_behind_many_addresses(tmp_path: Path, fault_server: FaultServer) -> None:
    bench = Bench(tmp_path)
    cells = [(str(n), f"{fault_server.url}/same/{n}.jpg") for n in range(60)]
    cells += [(f"twin{n}", cells[0][1]) for n in range(20)]
    write_table(tmp_path / "t.csv", cells)
    done = bench.run(
        *photo_arguments(tmp_path / "t.csv"),
        *("--set", "encoders.image.kind=tests.faults.counting:CountingEncoder"),
        *("--set", f"encoders.image.log={bench.log}"),
    )
    counts = assert_adds_up(done)
    assert (counts["indexed"], counts["reused"], counts["count"]) == (1, 79, 80)
    assert bench.encoded().total() == 1
    assert fault_server.hits["/same/0.jpg"] == 1, "one URL of many rows is fetched once"
    (said,) = done.json["warnings"]
    assert said.startswith("60 addresses in 'photo' gave the very same picture")
    assert "placeholder?" in said


def test_what_the_encoder_cannot_do_stays_with_its_row(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add(200)
    troubles = {
        "nan here": "the vector contains NaN",
        "inf here": "the vector contains Inf",
        "zero here": "the vector has no length",
        "huge here": "out of memory, even alone in its batch",
        "unreadable here": "cannot be read, says the encoder",
    }
    expected = {}
    for number, (text, reason) in enumerate(troubles.items()):
        bench.rows[f"bad{number}"] = {"title": text, "brand": "b"}
        expected[f"bad{number}"] = reason
    bench.rows["long"] = {"title": "red shoe " * 20, "brand": "b"}
    bench.rows["empty"] = {"title": "   ", "brand": "b"}
    bench.write()
    # Out of memory above eight at once: 32 are halved twice, and all of it still comes out.
    more = ("--set", "encoders.text.memory=8", "--set", "encoders.text.longest=100")
    done = bench.index(*more)
    counts = assert_adds_up(done)
    assert (counts["indexed"], counts["failed"], counts["missing"]) == (201, 5, 1)
    found = failures(done)
    reasons = {item_id: record["reason"] for item_id, record in found.items()}
    nothing = str(reasons.pop("empty"))
    assert nothing.startswith("nothing to embed")
    assert reasons == expected
    assert "1 texts were longer than the model reads" in str(done.json["warnings"])
    report = bench.run("check", "--full").json["collections"][0]
    assert (report["differences"], report["store_rows"]) == ([], 201)


def test_hostile_names_and_ids_are_printed_as_they_are(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    table = tmp_path / "t.csv"
    rows = [("[/x]", "red"), ("\x1b[31mid\x07", "unreadable"), ("=cmd()", "\ud83d\ude00 blue")]
    with table.open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "[/bold] a\x1b]8;;http://evil\x07 b"])
        writer.writerows((a, b.encode("utf-16", "surrogatepass").decode("utf-16")) for a, b in rows)
    arguments = ["index", str(table), "--id", "id", "--text", "[/bold] a]8;;http://evil b"]
    counting = ("--set", "encoders.text.kind=tests.faults.counting:CountingEncoder")
    done = bench.run(*arguments, *counting)
    assert not set(done.out + done.err) & set("\x1b\x07")
    assert "[/bold] a]8;;http://evil b" in done.err
    assert assert_adds_up(done)["indexed"] == 2
    (collection,) = done.json["collections"]
    slug = collection["collection"]
    assert "goes to collection" in str(done.json["warnings"]), "a slug is shown"
    shown = bench.run("list")
    assert shown.json["collections"][0]["collection"] == slug
    assert not bench.run("check").json["collections"][0]["differences"]


@pytest.mark.parametrize("given", [pytest.param("5", marks=pytest.mark.faults), "2.5%"])
def test_how_many_may_fail(tmp_path: Path, given: str) -> None:
    """200 rows: 5 failures are allowed both ways, 6 are not."""
    bench = Bench(tmp_path)
    bench.add(195)
    for number in range(5):
        bench.rows[f"bad{number}"] = {"title": f"unreadable {number}", "brand": "b"}
    bench.write()
    assert bench.index("--max-failures", given).counts["failed"] == 5
    del bench.rows["r00000"]
    bench.rows["bad6"] = {"title": "unreadable 6", "brand": "b"}
    bench.write()
    done = bench.index("--max-failures", given, expect=3)
    assert done.counts["failed"] == 6
    assert done.counts["count"] == 195, "what could be indexed is indexed"
