"""The thread that writes, with a commit that only remembers."""

import threading
from collections.abc import Sequence

import pytest

from banditroute.core.log import LogRecord, SpaceRecord
from banditroute.core.runtime.periodic import GuardedCall
from banditroute.errors import FeedbackConflictError, StoreError, StoreUnavailableError
from banditroute.store.semantics.results import WriteResult, WriteResults
from banditroute.store.sql.writer import GROUP_RECORDS, Writer

PATIENCE = 30


class Commits:
    """Remembers each group; refuses those that hold a ``bad`` dimension, and waits at the gate."""

    def __init__(
        self, bad: dict[int, Exception] | None = None, fates: dict[int, WriteResult] | None = None
    ) -> None:
        self.bad = bad or {}
        self.fates = fates or {}
        self.groups: list[list[int]] = []
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, records: Sequence[LogRecord]) -> WriteResults:
        self.entered.set()
        self.gate.wait(PATIENCE)
        dimensions = [record.dimension for record in records if isinstance(record, SpaceRecord)]
        self.groups.append(dimensions)
        for dimension in dimensions:
            if dimension in self.bad:
                raise self.bad[dimension]
        return {place: self.fates[it] for place, it in enumerate(dimensions) if it in self.fates}


def space(*dimensions: int) -> list[LogRecord]:
    return [SpaceRecord(dimension, 0) for dimension in dimensions]


def behind_a_gate(commits: Commits) -> Writer:
    """A writer that is busy with record 0 until the gate opens, so that what follows forms one group."""
    commits.gate.clear()
    writer = Writer(commits)
    writer.append(space(0))
    commits.entered.wait(PATIENCE)
    return writer


def test_what_comes_during_a_commit_shares_the_next() -> None:
    commits = Commits()
    writer = behind_a_gate(commits)
    futures = [writer.append(space(number)) for number in (1, 2, 3)]
    commits.gate.set()
    futures[-1].result(PATIENCE)
    writer.close()
    assert commits.groups == [[0], [1, 2, 3]]


def test_a_group_is_bounded() -> None:
    commits = Commits()
    writer = behind_a_gate(commits)
    for number in range(1, 2 * GROUP_RECORDS + 1):
        writer.append(space(number))
    commits.gate.set()
    writer.close()
    assert [len(group) for group in commits.groups] == [1, GROUP_RECORDS, GROUP_RECORDS]


def test_one_bad_append_does_not_fail_the_others() -> None:
    commits = Commits({2: StoreError("two"), 4: ValueError("four")})
    writer = behind_a_gate(commits)
    futures = [writer.append(space(number)) for number in (1, 2, 3, 4)]
    commits.gate.set()
    assert [future.exception(PATIENCE) is None for future in futures] == [True, False, True, False]
    with pytest.raises(StoreError, match=r"records not stored: ValueError: four"):
        futures[3].result()
    assert commits.groups[1:] == [[1, 2, 3, 4], [1], [2], [3], [4]]
    writer.close()


def test_a_database_that_is_away_fails_the_whole_group_once() -> None:
    commits = Commits({2: StoreUnavailableError("away")})
    writer = behind_a_gate(commits)
    futures = [writer.append(space(number)) for number in (1, 2, 3)]
    writer_flushed = threading.Thread(target=writer.flush)
    writer_flushed.start()
    commits.gate.set()
    assert all(isinstance(future.exception(PATIENCE), StoreUnavailableError) for future in futures)
    writer_flushed.join(PATIENCE)
    writer.append(space(5)).result(PATIENCE)
    writer.close()
    assert commits.groups == [[0], [1, 2, 3], [5]]


def test_each_append_gets_the_weakest_of_its_own_fates() -> None:
    fates: dict[int, WriteResult] = {
        2: "duplicate",
        4: "buffered",
        5: "pending",
        7: FeedbackConflictError("seven"),
        8: StoreUnavailableError("full", code="store.full"),
    }
    commits = Commits(fates=fates)
    writer = behind_a_gate(commits)
    appends = [(1,), (2, 1), (3,), (2, 4), (4, 5, 2), (), (6, 7, 5), (8,), (9,)]
    futures = [writer.append(space(*numbers)) for numbers in appends]
    commits.gate.set()
    writer.close()
    found = [future.exception() or future.result() for future in futures]
    statuses = ["recorded", "duplicate", "recorded", "buffered", "pending", "recorded"]
    assert found == [*statuses, fates[7], fates[8], "recorded"]
    assert len(commits.groups) == 2


def test_a_group_that_is_refused_as_a_whole_still_tells_each_append_its_fate() -> None:
    commits = Commits({2: StoreError("two")}, {1: "duplicate", 3: "pending"})
    writer = behind_a_gate(commits)
    futures = [writer.append(space(number)) for number in (1, 2, 3)]
    commits.gate.set()
    writer.close()
    assert futures[0].result() == "duplicate"
    assert str(futures[1].exception()) == "two"
    assert futures[2].result() == "pending"


class Ticks:
    """Counts its calls; says when it was called often enough."""

    def __init__(self, enough: int) -> None:
        self.count = 0
        self.threads: set[threading.Thread] = set()
        self.enough = threading.Event()
        self._enough = enough

    def __call__(self) -> None:
        self.count += 1
        self.threads.add(threading.current_thread())
        if self.count >= self._enough:
            self.enough.set()


def test_it_ticks_in_its_thread_without_an_append() -> None:
    ticks = Ticks(3)
    writer = Writer(Commits(), GuardedCall("the tick", ticks), pause=lambda: 0.001)
    assert ticks.enough.wait(PATIENCE)
    assert ticks.threads == {writer.thread}
    writer.close()
    count = ticks.count
    writer.close()
    assert ticks.count == count


def test_it_ticks_between_groups_though_the_queue_is_not_empty() -> None:
    ticks = Ticks(3)
    commits = Commits()
    commits.gate.clear()
    writer = Writer(commits, GuardedCall("the tick", ticks), pause=lambda: 0.0)
    futures = [writer.append(space(number)) for number in range(3 * GROUP_RECORDS + 1)]
    before, after = ticks.count, list[int]()
    futures[-1].add_done_callback(lambda _: after.append(ticks.count))
    commits.gate.set()
    writer.close()
    assert len(commits.groups) >= 4
    assert after[0] - before >= len(commits.groups) - 1


def test_queued_records_cannot_be_cancelled() -> None:
    """A task that gives up waiting must not stop the thread."""
    commits = Commits()
    writer = behind_a_gate(commits)
    future = writer.append(space(1))
    assert not future.cancel()
    commits.gate.set()
    future.result(PATIENCE)
    writer.close()


def test_closing_from_a_callback_does_not_wait_for_itself() -> None:
    writer = Writer(Commits())
    closed = threading.Event()

    def close(_: object) -> None:
        writer.close()
        closed.set()

    writer.append(space(1)).add_done_callback(close)
    assert closed.wait(PATIENCE)
    assert isinstance(writer.append(space(2)).exception(), StoreUnavailableError)
