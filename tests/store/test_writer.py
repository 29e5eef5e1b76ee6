"""The thread that writes, with a commit that only remembers."""

import threading
from collections.abc import Sequence

import pytest

from banditroute.errors import StoreError, StoreUnavailableError
from banditroute.records import LogRecord, SpaceRecord
from banditroute.store.writer import GROUP_RECORDS, Writer

PATIENCE = 30


class Commits:
    """Remembers each group; refuses those that hold a ``bad`` dimension, and waits at the gate."""

    def __init__(self, bad: dict[int, Exception] | None = None) -> None:
        self.bad = bad or {}
        self.groups: list[list[int]] = []
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, records: Sequence[LogRecord]) -> None:
        self.entered.set()
        self.gate.wait(PATIENCE)
        dimensions = [record.dimension for record in records if isinstance(record, SpaceRecord)]
        self.groups.append(dimensions)
        for dimension in dimensions:
            if dimension in self.bad:
                raise self.bad[dimension]


def space(dimension: int) -> list[LogRecord]:
    return [SpaceRecord(dimension, 0)]


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


def test_one_bad_append_does_not_cost_the_others_theirs() -> None:
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


def test_nobody_can_cancel_what_is_queued() -> None:
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
