from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from embclust.data import Item, Scalar, Skipped
from embclust.errors import InputTableError
from embclust.ledger import Ledger, open_ledger
from embclust.staging import Cell, Done, Staging, Target

Rows = list[tuple[str, dict[str, Scalar]]]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    opened = open_ledger(tmp_path / "ledger.sqlite", create=True)
    assert opened is not None
    return opened


@contextmanager
def staged(
    ledger: Ledger,
    rows: Rows,
    fields: tuple[str, ...] = ("photo",),
    source: str = "t.csv",
    *,
    retry_failed: bool = False,
    refresh: bool = False,
    reencode: bool = False,
) -> Iterator[Staging]:
    targets = [
        Target(i, field, "image", ledger.ensure_collection(f"c_{field}", field, "image", "e"))
        for i, field in enumerate(fields)
    ]
    with Staging(ledger) as staging:
        for line, (item_id, values) in enumerate(rows, 2):
            cells = [
                Cell(f"url:{values[field]}" if values.get(field) else None) for field in fields
            ]
            staging.add(Item(item_id, values), line, cells, "error")
        staging.end()
        staging.compare(
            targets,
            ledger.source(source),
            retry_failed=retry_failed,
            refresh=refresh,
            reencode=reencode,
        )
        yield staging


def work(staging: Staging, content: dict[str, bytes] | None = None) -> list[str]:
    """Encode all that is open; returns the source keys in the order they came."""
    staging.plan_jobs("image")
    jobs = list(staging.jobs())
    keys = [(content or {}).get(job.ref, job.ref.encode()) for job in jobs]
    distinct = list(dict.fromkeys(keys))
    vectors = np.eye(8, dtype=np.float32)[[hash(key) % 8 for key in distinct]]
    done = [
        Done(job.source_key, key, keys.index(key) == i)
        for i, (job, key) in enumerate(zip(jobs, keys, strict=True))
    ]
    if jobs:
        staging.ledger.pin_encoder(staging.targets[0].collection.encoder, 8, None)
        staging.finish("image", done, [], (distinct, vectors))
    return [job.source_key for job in jobs]


def verdicts(staging: Staging, number: int = 0) -> dict[str, int]:
    return staging.verdicts(staging.targets[number])


FIRST: Rows = [("1", {"photo": "a"}), ("2", {"photo": "b"}), ("3", {"photo": "a"}), ("4", {})]


def test_first_run_then_unchanged(ledger: Ledger) -> None:
    with staged(ledger, FIRST) as staging:
        assert verdicts(staging) == {"work": 3, "missing": 1}
        assert work(staging) == ["url:a", "url:b"]
        assert verdicts(staging) == {"indexed": 2, "reused": 1, "missing": 1}
    with staged(ledger, FIRST) as staging:
        assert verdicts(staging) == {"unchanged": 3, "missing": 1}


def test_changed_picture_other_column_new_and_gone(ledger: Ledger) -> None:
    with staged(ledger, FIRST) as staging:
        work(staging)
    second: Rows = [
        ("1", {"photo": "a", "size": "L"}),
        ("2", {"photo": "new"}),
        ("5", {"photo": "b"}),
    ]
    with staged(ledger, second) as staging:
        assert verdicts(staging) == {"updated": 1, "work": 1, "reused": 1}
        assert work(staging) == ["url:new"]
        assert verdicts(staging) == {"updated": 1, "indexed": 1, "reused": 1}
        assert staging.gone(staging.targets[0]) == 2
        collection = staging.targets[0].collection
        assert staging.prune(staging.targets[0]) == 2
        assert staging.gone(staging.targets[0]) == 0
    found = ledger.embeddings(ledger.collection(collection.name) or collection)
    assert found.ids == ["1", "2", "5"]
    assert found.fields[0] == {"photo": "a", "size": "L"}


def test_prune_leaves_rows_of_other_tables_alone(ledger: Ledger) -> None:
    with staged(ledger, [("x", {"photo": "x"})], source="other.csv") as staging:
        work(staging)
    with staged(ledger, FIRST) as staging:
        work(staging)
    with staged(ledger, FIRST[:1]) as staging:
        assert staging.prune(staging.targets[0]) == 3
        held = ledger.embeddings(staging.targets[0].collection)
    assert held.ids == ["1", "x"]


def test_two_fields_share_one_job_for_the_same_picture(ledger: Ledger) -> None:
    rows: Rows = [("1", {"back": "x"}), ("2", {"front": "x", "back": "y"})]
    with staged(ledger, rows, ("front", "back")) as staging:
        staging.plan_jobs("image")
        assert [(job.source_key, job.ref) for job in staging.jobs()] == [
            ("url:x", "x"),
            ("url:y", "y"),
        ]
        work(staging)
        assert verdicts(staging, 0) == {"missing": 1, "reused": 1}
        assert verdicts(staging, 1) == {"indexed": 2}


def test_the_same_content_behind_two_addresses_is_encoded_once(ledger: Ledger) -> None:
    with staged(ledger, [("1", {"photo": "a"}), ("2", {"photo": "b"})]) as staging:
        work(staging, {"a": b"same", "b": b"same"})
        assert verdicts(staging) == {"indexed": 1, "reused": 1}
    assert ledger.rows("SELECT count(*) FROM vectors") == [(1,)]


def fail_all(staging: Staging, retryable: bool) -> None:
    staging.plan_jobs("image")
    failed = [
        (job.source_key, Skipped(job.item_id, job.field, "fetch", "gone", retryable, 1))
        for job in staging.jobs()
    ]
    staging.finish("image", [], failed, None)


@pytest.mark.parametrize(("retryable", "left"), [(True, {"work": 1}), (False, {"failed": 1})])
def test_retry_failed_takes_up_only_the_retryable(
    ledger: Ledger, retryable: bool, left: dict[str, int]
) -> None:
    rows: Rows = [("1", {"photo": "a"})]
    with staged(ledger, rows) as staging:
        fail_all(staging, retryable)
        assert verdicts(staging) == {"failed": 1}
    with staged(ledger, rows) as staging:
        assert verdicts(staging) == {"failed": 1}
    with staged(ledger, rows, retry_failed=True) as staging:
        assert verdicts(staging) == left
    with staged(ledger, [("1", {"photo": "other"})]) as staging:
        assert verdicts(staging) == {"work": 1}


def test_a_failed_refresh_keeps_the_earlier_vector(ledger: Ledger) -> None:
    rows: Rows = [("1", {"photo": "a"}), ("2", {"photo": "b"})]
    with staged(ledger, rows) as staging:
        work(staging)
    with staged(ledger, rows, refresh=True) as staging:
        assert verdicts(staging) == {"work": 2}
        staging.not_modified("image", ["url:a"])
        fail_all(staging, True)
        assert verdicts(staging) == {"unchanged": 1, "failed": 1}
        kept = staging.kept_failures(staging.targets[0])
        assert [item_id for item_id, _ in kept] == ["2"]
        assert ledger.embeddings(staging.targets[0].collection).ids == ["1", "2"]


def test_reencode_redoes_every_vector(ledger: Ledger) -> None:
    with staged(ledger, FIRST) as staging:
        work(staging)
    with staged(ledger, FIRST, reencode=True) as staging:
        assert work(staging) == ["url:a", "url:b"]
        assert verdicts(staging) == {"indexed": 2, "reused": 1, "missing": 1}


def test_what_is_not_done_is_pending_and_done_next_time(ledger: Ledger) -> None:
    with staged(ledger, FIRST) as staging:
        assert verdicts(staging)["work"] == 3
    with staged(ledger, FIRST) as staging:
        assert work(staging) == ["url:a", "url:b"]


def test_duplicates(ledger: Ledger) -> None:
    same: Rows = [("1", {"photo": "a"}), ("1", {"photo": "a"})]
    with staged(ledger, same) as staging:
        assert (staging.rows, staging.duplicates) == (1, 1)
    with (
        pytest.raises(InputTableError, match=r"Lines 2 and 3 .* id '1'"),
        staged(ledger, [("1", {"photo": "a"}), ("1", {"photo": "b"})]),
    ):
        pass
    with Staging(ledger) as staging:
        for line, value in enumerate("abab", 2):
            staging.add(Item("1", {"photo": value}), line, [Cell(value)], "suffix")
        staging.end()
        assert (staging.rows, staging.duplicates) == (2, 2)
        assert ledger.rows("SELECT item_id FROM temp.staged ORDER BY seq") == [("1",), ("1-2",)]


def test_texts_come_in_the_same_order_whatever_the_tables(ledger: Ledger) -> None:
    collection = ledger.ensure_collection("c", "title", "text", "e")
    target = Target(0, "title", "text", collection)
    orders = []
    for texts in (["ccc", "a", "dd", "b"], ["b", "dd", "a", "ccc"]):
        with Staging(ledger) as staging:
            for line, text in enumerate(texts):
                cell = Cell(f"text:{text}", size=len(text))
                staging.add(Item(text, {"title": text}), line, [cell], "error")
            staging.end()
            staging.compare([target], 1, retry_failed=False, refresh=False, reencode=False)
            staging.plan_jobs("text")
            orders.append([job.ref for job in staging.jobs()])
    assert orders == [["a", "b", "dd", "ccc"]] * 2


def test_nothing_is_left_behind(ledger: Ledger) -> None:
    with staged(ledger, FIRST):
        pass
    assert ledger.rows("SELECT name FROM sqlite_temp_master") == []


def test_a_secret_reference_lives_in_the_staging_only(ledger: Ledger) -> None:
    collection = ledger.ensure_collection("c", "photo", "image", "e")
    with Staging(ledger) as staging:
        cell = Cell("url:1", "https://user:hunter2@h/a.jpg")
        staging.add(Item("1", {"photo": "https://***@h/a.jpg"}), 2, [cell], "error")
        staging.end()
        target = Target(0, "photo", "image", collection)
        staging.compare([target], 1, retry_failed=False, refresh=False, reencode=False)
        assert work(staging, {cell.ref or "": b"1"}) == ["url:1"]
        assert [job.ref for job in staging.jobs()] == ["https://user:hunter2@h/a.jpg"]
    ledger.close()
    assert b"hunter2" not in ledger.path.read_bytes()
