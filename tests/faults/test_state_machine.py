"""Any order of edits, runs, kills and repairs: Invariant I after each."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.faults.bench import Bench, kill, locked, until
from tests.faults.invariant import IN_FLIGHT, assert_invariant

WORDS = st.sampled_from(["red", "blue", "coat", "shoe", "bag", "ü", "=1+1", "</script>", "[/x]"])
TITLES = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
PICK = st.integers(min_value=0, max_value=10**6)


class Indexing(RuleBasedStateMachine):
    """A table that changes, and a workspace that must follow."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="embclust-machine-"))
        self.bench = Bench(Path(folder))
        self.allowed = 0  # contents that may have been encoded twice
        self.made = 0
        self.settled = False
        self.behind = False  # whether the store waits for the next sync

    def teardown(self) -> None:
        self.stack.close()

    @initialize(n=st.integers(min_value=1, max_value=40))
    def begin(self, n: int) -> None:
        self.grow(n)
        self.run_index()

    def grow(self, n: int) -> None:
        for _ in range(n):
            row = {"title": f"thing {self.made}", "brand": f"b{self.made % 3}"}
            self.bench.rows[f"r{self.made:05}"] = row
            self.made += 1
        self.settled = False

    @rule(n=st.integers(min_value=1, max_value=150))
    def add_rows(self, n: int) -> None:
        self.grow(n)

    @rule(pick=PICK, title=TITLES)
    def edit_a_title(self, pick: int, title: str) -> None:
        item_id = sorted(self.bench.rows)[pick % len(self.bench.rows)]
        self.bench.rows[item_id] = {**self.bench.rows[item_id], "title": title}
        self.settled = False

    @rule(pick=PICK)
    def empty_a_title(self, pick: int) -> None:
        item_id = sorted(self.bench.rows)[pick % len(self.bench.rows)]
        self.bench.rows[item_id] = {**self.bench.rows[item_id], "title": ""}
        self.settled = False

    @rule(value=TITLES)
    def add_or_change_a_column(self, value: str) -> None:
        for item_id, row in self.bench.rows.items():
            self.bench.rows[item_id] = {**row, "season": value}
        self.settled = False

    @precondition(lambda self: any("brand" in row for row in self.bench.rows.values()))
    @rule()
    def delete_a_column(self) -> None:
        for row in self.bench.rows.values():
            row.pop("brand", None)
        self.settled = False

    @rule()
    def run_index(self, *more: str) -> None:
        self.bench.write()
        self.bench.index(*more)
        self.settled = True

    @precondition(lambda self: len(self.bench.rows) > 2)
    @rule(pick=PICK)
    def remove_rows_and_prune(self, pick: int) -> None:
        names = sorted(self.bench.rows)
        for item_id in names[pick % 2 :: 3]:
            del self.bench.rows[item_id]
        self.run_index("--prune", "--yes")

    @rule(pause=st.floats(min_value=0, max_value=0.4))
    def kill_in_the_middle(self, pause: float) -> None:
        self.bench.write()
        self.bench.delay = 0.02
        process = self.bench.start(*self.bench.index_arguments())
        if until(locked(self.bench.workspace), process):
            time.sleep(pause)
        kill(process)
        self.bench.delay = 0
        self.allowed += IN_FLIGHT
        self.settled = False

    @rule()
    def rebuild_the_store(self) -> None:
        self.bench.run("rebuild-store")

    @rule()
    def lose_the_store(self) -> None:
        shutil.rmtree(self.bench.workspace / "chroma", ignore_errors=True)
        self.settled = False

    @rule()
    def tear_the_store(self) -> None:
        for path in (self.bench.workspace / "chroma").glob("chroma.sqlite3"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        self.settled = False

    @rule()
    def change_the_encoder(self) -> None:
        self.bench.write()
        self.bench.generation += 1
        self.bench.index(expect=5)
        # The counts of another encoder's contents begin anew.
        self.bench.log.unlink(missing_ok=True)
        self.allowed = 0
        self.run_index("--reencode")

    @rule()
    def collect_garbage(self) -> None:
        self.bench.run("gc")
        # Vectors that no row used are gone: a text that comes back is encoded again.
        self.bench.log.unlink(missing_ok=True)

    @invariant()
    def ledger_store_and_table_agree(self) -> None:
        if self.settled:
            assert_invariant(self.bench)
        again = sum(count - 1 for count in self.bench.encoded().values())
        assert again <= self.allowed


@pytest.mark.parametrize(
    ("examples", "steps"), [(2, 6), pytest.param(15, 20, marks=pytest.mark.faults)]
)
def test_any_order_of_events(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Indexing,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
