"""The degraded mode, with a commit that is up or down when told."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banditroute.core.log import DecisionRecord, LogRecord, Position, ReportRecord, SnapshotRecord
from banditroute.errors import (
    FeedbackConflictError,
    RouterMismatchError,
    SchemaVersionError,
    StoreError,
    StoreUnavailableError,
)
from banditroute.store.databases.sqlite import Sqlite
from banditroute.store.semantics.results import WriteResult, WriteResults
from banditroute.store.spool import commit
from banditroute.store.spool import commit as spool_commit
from banditroute.store.spool.codec import decoded, encoded
from banditroute.store.spool.commit import REPLAY_RECORDS, SpoolingCommit
from banditroute.store.spool.directory import Spools
from banditroute.store.spool.file import FRAME, HEADER, SPOOL_BYTES, Spool
from banditroute.store.sql.log import RouterLog
from banditroute.store.sql.store import SqlStore
from banditroute.testing import a_decision, feedback_of, open_router, summing

AWAY = StoreUnavailableError("records not stored: database unavailable (away)")


def report(number: int) -> ReportRecord:
    """Feedback that can be told by its number."""
    return ReportRecord(number.to_bytes(16, "big"), {"quality": 0.5}, None, None, amend=False, received_us=number)


def reports(*numbers: int) -> list[LogRecord]:
    return [report(number) for number in numbers]


def number_of(record: LogRecord) -> int:
    assert isinstance(record, ReportRecord | DecisionRecord)
    return int.from_bytes(record.decision_key, "big")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Database:
    """Takes each record once and keeps the order; ``error`` is what it raises instead."""

    def __init__(self, clock: Clock, error: Exception | None = None) -> None:
        self.error = error
        self.stored: list[int] = []
        self.calls: list[list[int]] = []
        self.refuses: Mapping[int, Exception] = {}
        self.conflicts: Mapping[int, Exception] = {}
        self.takes_s = 0.0
        self._clock = clock

    def __call__(self, records: Sequence[LogRecord]) -> WriteResults:
        numbers = [number_of(record) for record in records]
        self.calls.append(numbers)
        self._clock.now += self.takes_s
        if self.error is not None:
            raise self.error
        for number in numbers:
            if number in self.refuses:
                raise self.refuses[number]
        fates: dict[int, WriteResult] = {}
        for place, number in enumerate(numbers):
            if number in self.conflicts:
                fates[place] = self.conflicts[number]
            elif number in self.stored:
                fates[place] = "duplicate"
            else:
                self.stored.append(number)
        return fates


class World:
    """One process after the other, over one database and one directory."""

    def __init__(self, directory: Path, kind: type[SpoolingCommit] = SpoolingCommit) -> None:
        self.directory = directory
        self.clock = Clock()
        self.database = Database(self.clock)
        self.limit_bytes = SPOOL_BYTES
        self.jitter = 0.0
        self._kind = kind
        self.commit = self.start()

    def start(self) -> SpoolingCommit:
        spools = Spools(self.directory, tenant="", router="support", limit_bytes=self.limit_bytes)
        self.commit = self._kind(self.database, spools, clock=self.clock, jitter=lambda: self.jitter)
        return self.commit

    def tick(self, after: float = 10.0) -> None:
        self.clock.now += after
        self.commit.tick()

    def files(self, suffix: str) -> list[list[bytes]]:
        """What the closed files of one kind hold."""
        held = []
        for path in sorted(self.directory.glob(f"*.{suffix}")):
            spool = Spool(path)
            held.append(spool.peek(1_000))
            spool.abandon()
        return held


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "spool")


def down(world: World, *groups: list[LogRecord]) -> None:
    """The database goes, and the groups are appended."""
    world.database.error = AWAY
    for group in groups:
        world.commit(group)


# ------------------------------------------------------------------------------------------------ the three states


def test_while_the_database_is_there_nothing_touches_the_disk(world: World) -> None:
    world.commit(reports(1, 2))
    assert world.commit(reports(2, 3)) == {0: "duplicate"}
    world.tick()
    assert (world.commit.state, world.commit.waiting, world.commit.spool_bytes) == ("healthy", 0, 0)
    assert not world.directory.exists()


def test_the_group_that_finds_it_away_is_spooled_and_the_next_do_not_ask(world: World) -> None:
    world.commit(reports(1))
    world.clock.now += 5
    world.database.error = AWAY
    assert world.commit(reports(2, 3)) == {0: "buffered", 1: "buffered"}
    world.database.error = None
    assert world.commit(reports(4)) == {0: "buffered"}
    assert world.database.calls == [[1], [2, 3]]
    commit = world.commit
    assert (commit.state, commit.since, commit.waiting) == ("spooling", 1_005.0, 3)
    assert commit.spool_bytes == len(HEADER) + sum(FRAME.size + len(encoded(report(n))) for n in (2, 3, 4))
    assert commit.last_error == "StoreUnavailableError: records not stored: database unavailable (away)"


def test_it_comes_back_by_itself_in_order(world: World) -> None:
    down(world, reports(1, 2), reports(3))
    world.tick()
    assert world.commit.state == "spooling"
    world.database.error = None
    world.tick()
    assert world.database.stored == [1, 2, 3]
    assert (world.commit.state, world.commit.waiting) == ("healthy", 0)
    assert world.commit(reports(4)) == {}
    assert world.database.calls[-1] == [4]
    world.commit.close()
    assert list(world.directory.iterdir()) == []


def test_each_change_of_its_state_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "banditroute")
    down(world, reports(1), reports(2))
    assert caplog.text.count("the database is unavailable; records wait in the local spool") == 1
    world.database.error = None
    world.tick()
    assert world.commit.state == "healthy"
    assert caplog.text.count("the database is available again, and the spool is empty") == 1


def test_what_comes_during_the_replay_waits_behind_the_rest(world: World) -> None:
    """A tick replays for a while only, so that nobody who appends waits for all of it."""
    count = 3 * REPLAY_RECORDS
    down(world, reports(*range(count)))
    world.database.error = None
    world.database.takes_s = commit.REPLAY_S
    world.tick()
    assert (world.commit.state, len(world.database.stored)) == ("replaying", REPLAY_RECORDS)
    assert world.commit(reports(count)) == {0: "buffered"}
    world.tick(0.0)
    world.tick(0.0)
    assert (world.commit.state, world.commit.waiting) == ("replaying", 1)
    world.tick(0.0)
    assert world.commit.state == "healthy"
    assert world.database.stored == list(range(count + 1))
    assert max(map(len, world.database.calls[1:])) == REPLAY_RECORDS


def test_going_away_again_during_the_replay_does_not_start_it_afresh(world: World) -> None:
    down(world, reports(*range(REPLAY_RECORDS + 1)))
    world.database.error = None
    world.database.takes_s = commit.REPLAY_S
    world.tick()
    world.database.error = AWAY
    world.tick()
    assert (world.commit.state, world.commit.waiting) == ("spooling", 1)
    world.database.error = None
    world.tick()
    assert world.database.calls[-1] == [REPLAY_RECORDS]
    assert world.database.stored == list(range(REPLAY_RECORDS + 1))


def test_a_database_that_was_never_up(world: World) -> None:
    """Spools from the first record on, and hands on once it can connect."""
    world.database.error = AWAY
    for number in range(20):
        assert world.commit(reports(number)) == {0: "buffered"}
        world.tick()
    assert set(map(tuple, world.database.calls)) == {(0,), *(tuple(range(n)) for n in range(1, 21))}
    world.database.error = None
    world.tick()
    assert world.database.stored == list(range(20))


def test_the_pause_doubles_up_to_a_second(world: World) -> None:
    """Closed form: half of min(50 ms · 2ⁿ, 1 s) without jitter, all of it with the most."""
    for jitter, factor in ((0.0, 0.5), (0.5, 0.75)):
        world = World(world.directory / str(jitter))
        world.jitter = jitter
        down(world, reports(1))
        for failures in range(12):
            tries = len(world.database.calls)
            pause = min(0.05 * 2**failures, 1.0) * factor
            world.tick(pause - 1e-6)
            assert len(world.database.calls) == tries
            world.tick(2e-6)
            assert len(world.database.calls) == tries + 1


def test_a_database_that_hangs_gets_at_most_half_of_the_time(world: World) -> None:
    world.database.takes_s = 5.0
    down(world, reports(1))
    world.tick(4.9)
    assert len(world.database.calls) == 1
    world.tick(0.2)
    assert len(world.database.calls) == 2


def test_a_success_ends_the_growth_of_the_pause(world: World) -> None:
    down(world, reports(1))
    for _ in range(9):
        world.tick()
    world.database.error = None
    world.tick()
    down(world, reports(2))
    tries = len(world.database.calls)
    world.tick(0.026)
    assert len(world.database.calls) == tries + 1


@pytest.mark.parametrize("error", [SchemaVersionError("database schema 3 is older"), RouterMismatchError("other")])
def test_what_a_person_must_repair_keeps_everything_waiting(world: World, error: Exception) -> None:
    """Else the first reconnection after an upgrade would set the whole spool aside."""
    down(world, reports(1, 2))
    world.database.error = error
    world.tick()
    assert (world.commit.state, world.commit.waiting, world.commit.set_aside) == ("spooling", 2, 0)
    assert world.commit.last_error == f"{type(error).__name__}: {error}"
    world.database.error = None
    world.tick()
    assert world.database.stored == [1, 2]


def test_a_healthy_store_still_refuses_what_contradicts_its_log(world: World) -> None:
    world.database.refuses = {2: StoreError("two")}
    with pytest.raises(StoreError, match="two"):
        world.commit(reports(1, 2))
    assert (world.commit.state, world.database.stored) == ("healthy", [])


def test_a_snapshot_is_not_spooled(world: World) -> None:
    snapshot = SnapshotRecord(Position(1, 1), bytes(1000), 5)
    world.database.error = AWAY
    with pytest.raises(AssertionError):
        world.database([snapshot])
    world.commit(reports(1))
    world.commit([*reports(2), snapshot, *reports(3)])
    world.commit([snapshot])
    assert world.commit.waiting == 3


def test_what_is_not_plain_refuses_its_group_alone(world: World) -> None:
    down(world, reports(1))
    with pytest.raises(StoreError, match="a record cannot be stored"):
        world.commit([report(2), a_decision(3, effects={"x": object()})])
    world.commit(reports(4))
    assert world.commit.waiting == 2


# ------------------------------------------------------------------------------------------------ no room


def test_a_full_spool_refuses_feedback_in_words_and_drops_decisions_with_a_counter(world: World) -> None:
    world.limit_bytes = len(HEADER) + 3 * (FRAME.size + len(encoded(report(1))))
    world.start()
    down(world, reports(1))
    decisions = [a_decision(11), a_decision(12)]
    fates = world.commit([decisions[0], report(2), decisions[1]])
    assert fates[1] == "buffered"
    assert isinstance(fates[0], StoreUnavailableError)
    assert fates[0] is fates[2]
    assert (world.commit.waiting, world.commit.dropped) == (2, 2)
    refused = world.commit(reports(3, 4))
    for fate in (fates[0], *refused.values()):
        assert isinstance(fate, StoreUnavailableError)
        assert fate.code == "store.full"
        assert str(fate).startswith("database unavailable and feedback buffer full (")
        assert str(fate).endswith("; feedback not recorded")
    assert (world.commit.waiting, world.commit.dropped) == (2, 4)
    assert world.commit(reports(3)) == {0: "buffered"}
    world.database.error = None
    world.tick()
    assert world.database.stored == [1, 2, 3]
    assert world.commit(reports(4)) == {}


def test_without_a_spool_directory_every_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    world = World(tmp_path / "file")
    world.database.error = AWAY
    fates = world.commit([report(1), a_decision(2)])
    assert [str(fates[place]) for place in (0, 1)] == ["spool directory 'file' cannot be used (File exists)"] * 2
    assert (world.commit.dropped, world.commit.state) == (2, "spooling")
    world.database.error = None
    world.tick()
    assert world.commit(reports(3)) == {}


# ------------------------------------------------------------------------------------------------ what contradicts


def test_a_record_that_contradicts_the_log_blocks_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    down(world, reports(*range(40)))
    world.database.error = None
    world.database.refuses = {7: StoreError("seven"), 23: ValueError("a secret of the driver")}
    world.database.conflicts = {30: FeedbackConflictError("other values")}
    caplog.clear()
    with caplog.at_level(logging.ERROR, "banditroute"):
        world.tick()
    assert world.database.stored == [n for n in range(40) if n not in (7, 23, 30)]
    assert (world.commit.state, world.commit.waiting, world.commit.set_aside) == ("healthy", 0, 3)
    assert world.commit.last_error == "FeedbackConflictError: other values"
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text
    world.commit.close()
    (refused,) = world.files("refused")
    assert [number_of(decoded(payload)) for payload in refused] == [7, 23, 30]


def test_refused_records_are_tried_again_when_their_file_is_renamed(world: World) -> None:
    down(world, reports(1, 2))
    world.database.error, world.database.refuses = None, {2: StoreError("not yet")}
    world.tick()
    world.commit.close()
    (path,) = world.directory.iterdir()
    path.rename(path.with_suffix(".spool"))
    world.database.refuses = {}
    assert world.start().replay()
    assert world.database.stored == [1, 2]


def test_nothing_is_set_aside_where_it_cannot_be_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It rather blocks: nothing acknowledged is deleted."""
    down(world, reports(1, 2))
    world.database.error, world.database.refuses = None, {1: StoreError("one")}
    new = Spools.new

    def no_room(self: Spools, *, refused: bool = False) -> Spool:
        if refused:
            raise StoreUnavailableError("no room", code="store.full")
        return new(self)

    with monkeypatch.context() as full:
        full.setattr(Spools, "new", no_room)
        world.tick()
    assert (world.commit.state, world.commit.waiting, world.commit.set_aside) == ("spooling", 2, 0)
    world.tick()
    assert (world.database.stored, world.commit.set_aside) == ([2], 1)


def test_a_payload_that_is_no_record_blocks_nothing(world: World) -> None:
    spool = Spools(world.directory, tenant="", router="support").new()
    spool.append([encoded(report(1)), b"no record", encoded(report(2))])
    spool.close()
    assert world.commit.replay()
    assert (world.database.stored, world.commit.set_aside) == ([1, 2], 1)
    world.commit.close()
    assert world.files("refused") == [[b"no record"]]


def test_a_spool_damaged_while_it_is_open_blocks_nothing(world: World) -> None:
    down(world, reports(1), reports(2))
    (path,) = world.directory.iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    world.database.error = None
    world.tick()
    assert (world.commit.state, world.database.stored, world.commit.set_aside) == ("healthy", [1], 1)
    assert world.commit.last_error.startswith("SpoolCorruptError: spool ")
    assert [file.suffix for file in world.directory.iterdir()] == [".damaged"]
    down(world, reports(3))
    world.database.error = None
    world.tick()
    assert world.database.stored == [1, 3]


# -------------------------------------------------------------------------------------------- more than one life


def test_the_next_process_hands_on_what_a_dead_one_left(world: World) -> None:
    down(world, reports(1, 2))
    world.commit.abandon()
    living = World(world.directory)
    down(living, reports(3))
    world.start()
    assert not world.commit.replay()
    assert (world.commit.state, world.commit.waiting) == ("spooling", 2)
    world.database.error = None
    world.commit(reports(4))
    world.tick()
    assert sorted(world.database.stored) == [1, 2, 4]
    assert (world.commit.state, world.commit.waiting, living.commit.waiting) == ("healthy", 0, 1)


def test_a_tick_while_the_store_is_being_opened_drops_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_commit, "REPLAY_RECORDS", 1)
    down(world, reports(1, 2, 3))
    world.commit.abandon()
    world.database.error, world.database.takes_s = None, spool_commit.REPLAY_S

    def slowly(records: Sequence[LogRecord]) -> WriteResults:
        if not ticking.ident:
            ticking.start()
            # The writer's thread comes in here, or waits outside.
            ticking.join(0.2)
        return world.database(records)

    commit = SpoolingCommit(slowly, Spools(world.directory, tenant="", router="support"), clock=world.clock)
    ticking = threading.Thread(target=commit.tick)
    assert commit.replay()
    ticking.join(30.0)
    assert world.database.stored == [1, 2, 3]
    assert (commit.state, commit.waiting, commit.set_aside) == ("healthy", 0, 0)


def test_a_living_process_hands_on_what_others_leave(world: World) -> None:
    world.tick()
    other = World(world.directory)
    down(other, reports(1))
    world.tick()
    assert world.database.stored == []
    other.commit.abandon()
    world.tick(1.0)
    assert world.database.stored == []
    world.tick(commit.LOOK_S)
    assert world.database.stored == [1]
    assert list(world.directory.iterdir()) == []


def test_a_copied_spool_counts_nothing_twice(world: World) -> None:
    down(world, reports(1, 2), reports(3))
    (path,) = world.directory.iterdir()
    for name in ("a", "b"):
        path.with_name(f"{path.stem}{name}.spool").write_bytes(path.read_bytes())
    world.database.error = None
    world.tick()
    assert world.database.stored == [1, 2, 3]
    assert world.commit.set_aside == 0


def test_closing_tries_once_more(world: World) -> None:
    down(world, reports(1))
    world.database.error = None
    world.commit.close()
    assert world.database.stored == [1]
    assert list(world.directory.iterdir()) == []


def test_closing_leaves_on_disk_what_the_database_does_not_take(world: World) -> None:
    down(world, reports(1))
    world.commit.close()
    assert world.files("spool") == [[encoded(report(1))]]


moves = st.lists(
    st.one_of(
        st.integers(1, 4),
        st.sampled_from(["up", "down", "ambiguous", "tick", "soon", "kill", "close"]),
    ),
    max_size=40,
)


def lived(directory: Path, script: Sequence[int | str], kind: type[SpoolingCommit] = SpoolingCommit) -> Any:
    """Play a script; what was acknowledged in its order, and what the database has in the end."""
    world = World(directory, kind)
    acknowledged: list[int] = []
    following = 0
    for move in script:
        match move:
            case int(count):
                numbers = range(following, following + count)
                following += count
                fates = world.commit(reports(*numbers))
                assert not any(isinstance(fate, Exception) for fate in fates.values())
                acknowledged += numbers
            case "up":
                world.database.error = None
            case "down":
                world.database.error = AWAY
            case "ambiguous":
                # The connection broke after the commit: what we call unstored is there.
                if world.database.error is None and world.commit.state == "healthy":
                    world.database(reports(following))
                    world.database.error = AWAY
            case "tick":
                world.tick()
            case "soon":
                world.tick(0.03)
            case "kill":
                world.commit.abandon()
                world.start()
            case "close":
                world.commit.close()
                world.start()
    world.database.error = None
    world.tick(60.0)
    assert (world.commit.state, world.commit.waiting, world.commit.set_aside) == ("healthy", 0, 0)
    world.commit.close()
    assert not directory.exists() or list(directory.iterdir()) == []
    return acknowledged, world.database.stored


@given(moves)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_everything_acknowledged_is_there_once(
    tmp_path_factory: pytest.TempPathFactory, script: list[int | str]
) -> None:
    acknowledged, stored = lived(tmp_path_factory.mktemp("life") / "spool", script)
    assert len(set(stored)) == len(stored)
    assert set(acknowledged) <= set(stored)


@given(moves)
@settings(max_examples=100, deadline=None)
def test_within_one_life_the_order_is_kept(
    tmp_path_factory: pytest.TempPathFactory, script: list[int | str]
) -> None:
    one_life = [move for move in script if move not in ("kill", "close")]
    _, stored = lived(tmp_path_factory.mktemp("life") / "spool", one_life)
    assert stored == sorted(stored)


class Overtaking(SpoolingCommit):
    """The negative control: asks the database first, whatever waits."""

    def __call__(self, records: Sequence[LogRecord]) -> WriteResults:
        try:
            return self._inner(records)
        except StoreUnavailableError:
            return super().__call__(records)


def test_asking_the_database_first_would_break_the_order(tmp_path: Path) -> None:
    script: list[int | str] = [1, "down", 1, "up", 1]
    assert lived(tmp_path / "right", script)[1] == [0, 1, 2]
    assert lived(tmp_path / "wrong", script, Overtaking)[1] == [0, 2, 1]


# ------------------------------------------------------------------------------------------------ a real database


def held_feedback(path: Path) -> list[tuple[int, bytes]]:
    database = sqlite3.connect(path)
    try:
        return database.execute("SELECT learned, body FROM br_feedback ORDER BY learned").fetchall()
    finally:
        database.close()


def in_sqlite(path: Path) -> tuple[Callable[[Sequence[LogRecord]], WriteResults], Callable[[], None]]:
    """The ledger of a router in a new SQLite file, and how to let go of it."""
    store = SqlStore(f"sqlite:///{path}")
    open_router(store)
    store.close()
    database = Sqlite(path, patience=0.02)
    return RouterLog(database, "store", 1, "worker", summing, unrevised), database.dispose


def unrevised(*_: object) -> list[Any]:
    """Nobody reports here."""
    raise AssertionError


def test_a_locked_sqlite_file_gets_everything_when_it_is_free(tmp_path: Path) -> None:
    path, clock = tmp_path / "routing.db", Clock()
    inner, dispose = in_sqlite(path)
    commit = SpoolingCommit(inner, Spools(tmp_path / "spool", tenant="", router="support"), clock=clock)
    pairs: list[list[LogRecord]] = []
    for number in range(1, 6):
        decision = a_decision(number, number - 1, row=np.array([number, 0, 0, 1 << 15], np.int32))
        pairs.append([decision, feedback_of(decision, number)])
    assert commit(pairs[0]) == {}
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for pair in pairs[1:4]:
        assert commit(pair) == {0: "buffered", 1: "buffered"}
        clock.now += 10
        commit.tick()
    assert (commit.state, commit.waiting) == ("spooling", 6)
    assert "database is locked" in commit.last_error
    other.execute("ROLLBACK")
    other.close()
    clock.now += 10
    commit.tick()
    assert (commit.state, commit.waiting, commit.set_aside) == ("healthy", 0, 0)
    assert commit(pairs[4]) == {}
    commit.close()
    dispose()
    assert held_feedback(path) == [(number, number.to_bytes(16, "big")) for number in range(1, 6)]


def test_it_tries_again_when_its_pause_is_over_and_not_before(world: World) -> None:
    down(world, reports(1))
    world.database.error = None
    # Private: the pause is random.
    world.clock.now, its_time = world.clock.now + 0.01, world.commit._next_try
    world.tick(0.0)
    assert world.database.stored == []
    world.clock.now = its_time
    world.tick(0.0)
    assert world.database.stored == [1]
