from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence

import numpy as np
import pytest

from embclust.data import Modality, Prepared, Skipped, Vectors
from embclust.pipeline import Outcome, Ready, Untouched, run_stages
from embclust.staging import Job


class Recorder:
    """An encoder that remembers what it was asked; a text's vector is its length."""

    def __init__(self, batch_size: int = 4, capacity: int = 1000) -> None:
        self.batch_size = batch_size
        self.capacity = capacity
        self.calls: list[int] = []
        self.encoder_id = "recorder"
        self.dim = 2
        self.modality: Modality = "text"
        self.precision = "float32"

    def check(self) -> None: ...

    def fingerprint(self) -> str | None:
        return None

    def prepare(self, raw: object) -> Prepared:
        return Prepared(str(raw))

    def encode(self, batch: Sequence[Prepared]) -> Vectors:
        if len(batch) > self.capacity or any(one.value == "huge" for one in batch):
            raise MemoryError
        self.calls.append(len(batch))
        rows = [[np.nan, 0] if one.value == "nan" else [len(str(one.value)), 1.0] for one in batch]
        return np.array(rows, dtype=np.float32)


def job(text: str) -> Job:
    return Job(f"text:{text}", text, text, "title")


def prepare(one: object) -> Ready | Untouched | tuple[Job, Skipped]:
    assert isinstance(one, Job)
    if one.ref.startswith("bad"):
        return one, Skipped(one.item_id, one.field, "prepare", "bad", False)
    if one.ref.startswith("known"):
        return Ready(one, one.ref.encode(), None)
    return Ready(one, one.ref.encode(), Prepared(one.ref))


def collect(encoder: Recorder, texts: list[str], chunk: int = 2) -> list[Outcome]:
    return list(run_stages([job(text) for text in texts], prepare, encoder, chunk=chunk))


def test_batches_are_full_until_the_input_ends() -> None:
    encoder = Recorder(batch_size=4)
    outcomes = collect(encoder, [f"t{i}" for i in range(10)])
    assert encoder.calls == [4, 4, 4]  # the last one is filled up
    assert [len(out.encoded) for out in outcomes] == [4, 4, 2]
    assert [one.job.ref for out in outcomes for one in out.encoded] == [f"t{i}" for i in range(10)]
    for outcome in outcomes:
        assert outcome.vectors is not None
        np.testing.assert_allclose(np.linalg.norm(outcome.vectors, axis=1), 1, rtol=1e-6)


def test_a_table_smaller_than_a_batch_is_not_filled_up() -> None:
    encoder = Recorder(batch_size=64)
    collect(encoder, ["a", "b", "c"])
    assert encoder.calls == [3]


def test_a_bad_input_does_not_touch_its_batch_mates() -> None:
    encoder = Recorder(batch_size=3)
    outcomes = collect(encoder, ["a", "bad1", "bb", "nan", "ccc", "known1"])
    encoded = [one.job.ref for out in outcomes for one in out.encoded]
    failed = {one.ref: skipped.stage for out in outcomes for one, skipped in out.failed}
    assert encoded == ["a", "bb", "ccc"]
    assert failed == {"bad1": "prepare", "nan": "encode"}
    assert [one.job.ref for out in outcomes for one in out.known] == ["known1"]
    for outcome in outcomes:
        if outcome.vectors is not None:
            assert len(outcome.vectors) == len(outcome.encoded)


def test_out_of_memory_halves_the_batch_down_to_the_one_that_does_not_fit() -> None:
    encoder = Recorder(batch_size=8, capacity=3)
    texts = ["a", "b", "c", "huge", "e", "f", "g", "h"]
    outcomes = collect(encoder, texts)
    assert [one.job.ref for out in outcomes for one in out.encoded] == list("abcefgh")
    assert [(one.ref, skipped.reason) for out in outcomes for one, skipped in out.failed] == [
        ("huge", "out of memory, even alone in its batch")
    ]


def test_twins_are_encoded_once_within_and_across_batches() -> None:
    encoder = Recorder(batch_size=2)
    outcomes = collect(encoder, ["a", "a", "b", "a", "c", "b"], chunk=1)
    assert encoder.calls == [2, 2]
    assert [len(out.encoded) for out in outcomes if out.encoded] == [2, 1]
    assert sorted(one.job.ref for out in outcomes for one in out.known) == ["a", "a", "b"]
    assert sum(out.jobs() for out in outcomes) == 6


def test_twins_of_a_bad_vector_fail_too() -> None:
    outcomes = collect(Recorder(batch_size=9), ["nan", "nan"])
    assert [one.ref for out in outcomes for one, _ in out.failed] == ["nan", "nan"]


def test_failures_are_handed_on_although_no_batch_fills() -> None:
    outcomes = collect(Recorder(batch_size=1000), ["x", *(f"bad{i}" for i in range(120))])
    assert len(outcomes[0].failed) == 50
    assert sum(out.jobs() for out in outcomes) == 121


def test_memory_is_bounded_when_the_commit_is_slow() -> None:
    pulled = 0

    def endless() -> Iterator[Job]:
        nonlocal pulled
        for i in range(100_000):
            pulled += 1
            yield job(f"t{i}")

    stages = run_stages(endless(), prepare, Recorder(batch_size=8), chunk=4)
    next(stages)
    time.sleep(0.3)
    seen = pulled
    time.sleep(0.3)
    assert pulled == seen < 400
    assert isinstance(stages, Generator)
    stages.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prepare")]


@pytest.mark.parametrize("where", ["input", "encode"])
def test_an_error_in_a_stage_reaches_the_caller_after_what_was_done(where: str) -> None:
    class Failing(Recorder):
        def encode(self, batch: Sequence[Prepared]) -> Vectors:
            if where == "encode" and any(one.value == "t9" for one in batch):
                raise RuntimeError("broken")
            return super().encode(batch)

    def inputs() -> Iterator[Job]:
        for i in range(200):
            if where == "input" and i == 9:
                raise RuntimeError("broken")
            yield job(f"t{i}")

    done: list[str] = []
    with pytest.raises(RuntimeError, match="broken"):
        for outcome in run_stages(inputs(), prepare, Failing(batch_size=2), chunk=1):
            done += [one.job.ref for one in outcome.encoded]
    assert done[:6] == [f"t{i}" for i in range(6)]
    assert threading.active_count() < 10
