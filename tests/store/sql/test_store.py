"""What the SQL store promises beyond the laws."""

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from banditroute.core.log import FeedbackRecord, LogRecord, Position, SnapshotRecord, SpaceRecord, StateKey
from banditroute.errors import RouterMismatchError, SnapshotCorruptError, StoreError, StoreUnavailableError
from banditroute.store.databases.sqlite import Sqlite
from banditroute.store.schema import version
from banditroute.store.sql.settings import WEEK_US
from banditroute.store.sql.store import SqlStore
from banditroute.testing import (
    PREFERENCES,
    SECRET,
    SPEC,
    a_decision,
    append,
    feedback_of,
    open_router,
    plain,
    summing,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "routing.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    store = opened(path)
    yield store
    store.close()


def opened(path: Path, name: str = SPEC.name, patience: float = 5.0) -> SqlStore:
    store = SqlStore(f"sqlite:///{path}", patience=patience)
    open_router(store, replace(SPEC, name=name))
    return store


def database_of(store: SqlStore) -> Sqlite:
    assert isinstance(store.database, Sqlite)
    return store.database


def query(path: Path, sql: str, *values: object) -> list[Any]:
    database = sqlite3.connect(path)
    try:
        with database:
            return database.execute(sql, values).fetchall()
    finally:
        database.close()


def sums(path: Path, router_id: int = 1) -> dict[StateKey, bytes]:
    rows = query(
        path,
        "SELECT a.name, s.objective_group, s.epoch, s.blob FROM br_state s JOIN br_arm a USING (arm_id) "
        "WHERE s.router_id = ?",
        router_id,
    )
    return {StateKey(*row[:3]): row[3] for row in rows}


def folded(store: SqlStore) -> dict[StateKey, bytes]:
    return dict(summing({}, [record for record in store.events() if isinstance(record, FeedbackRecord)]))


ONE, TWO, THREE = a_decision(1), a_decision(2), a_decision(3, 1)


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        (
            [replace(THREE, arm="new", arms=("new", "small"))],
            r"arm 'new' was never added to this router; add it first",
        ),
        ([replace(THREE, probabilities=np.array([1.0, 0.0]))], r"CHECK constraint failed: ck_br_decision_propen"),
        ([replace(THREE, mean=np.full((2, 3), np.nan))], r"a number that is not finite"),
        ([replace(THREE, width=np.full((2, 3), np.inf))], r"a number that is not finite"),
        ([replace(THREE, width=np.ones((2, 2)))], r"a mean of shape \(2, 3\) and a width of shape \(2, 2\)"),
        ([replace(THREE, preferences={"quality": float("nan")})], r"cannot be stored: Out of range float"),
        ([replace(THREE, created_us=2**63)], r"OverflowError"),
        ([replace(THREE, decision_key=b"short")], r"CHECK constraint failed: ck_br_decision_body"),
        ([replace(THREE, row=np.ones(5, np.int32))], r"5 features with its intercept, this router has 4"),
        ([SpaceRecord(4, 1)], r"dimension 4 contradicts the stored one"),
    ],
)
def test_what_contradicts_the_log_is_refused_loudly(
    store: SqlStore, path: Path, records: list[LogRecord], sentence: str
) -> None:
    append(store, ONE, TWO)
    with pytest.raises(StoreError, match=sentence) as caught:
        append(store, *records)
    assert not isinstance(caught.value, StoreUnavailableError)
    assert plain(list(store.events())) == plain([ONE, TWO])
    assert (sums(path), query(path, "SELECT * FROM br_fold")) == ({}, [])
    append(store, feedback_of(ONE, 1))
    assert sums(path) == folded(store)


def test_nan_finds_no_way_into_the_tables(store: SqlStore, path: Path) -> None:
    append(store, ONE)
    for value in (float("nan"), float("inf"), "0.5 or so", None):
        with pytest.raises(sqlite3.IntegrityError):
            query(path, "UPDATE br_decision SET propensity = ?", value)
        with pytest.raises(sqlite3.IntegrityError):
            query(path, "UPDATE br_price SET input = ?", value)


def test_one_file_holds_many_routers(store: SqlStore, path: Path) -> None:
    other = opened(path, "other")
    for number in range(1, 30):
        decision = a_decision(number, number - 1)
        append(store, decision, feedback_of(decision, number))
        append(other, decision, feedback_of(decision, number, values=(7,)))
    assert sums(path, 1) == folded(store) != folded(other) == sums(path, 2)
    other.close()


def test_sums_moved_by_another_process_are_read_again(store: SqlStore, path: Path) -> None:
    other = opened(path)
    append(store, ONE, TWO, feedback_of(ONE, 1))
    append(other, feedback_of(ONE, 2, revision=1, previous=(1,)))
    append(store, feedback_of(ONE, 3, revision=2, previous=(2,)), feedback_of(TWO, 4))
    append(other, feedback_of(TWO, 4, group="response"))
    assert sums(path) == folded(store)
    other.close()


def test_rotten_snapshots_are_passed_over(store: SqlStore, path: Path) -> None:
    for number in (1, 2, 3):
        append(store, SnapshotRecord(Position(number, 0), b"%d" % number, 0))
    store.close()
    query(path, "UPDATE br_snapshot SET blob = x'00' WHERE learned = 3")
    store = SqlStore(f"sqlite:///{path}")
    snapshot = open_router(store).snapshot
    assert snapshot is not None
    assert snapshot.blob == b"2"
    store.close()


def test_the_newest_snapshots_are_kept_and_of_older_ones_one_a_week(store: SqlStore, path: Path) -> None:
    append(store, *(SnapshotRecord(Position(number, 0), b"", number // 7 * WEEK_US) for number in range(25)))
    append(store, SnapshotRecord(Position(24, 0), b"again", 0))
    kept = query(path, "SELECT learned, blob FROM br_snapshot ORDER BY learned")
    assert kept == [(number, b"") for number in (6, 13, *range(14, 24))] + [(24, b"again")]


def test_of_older_snapshots_of_one_week_the_last_is_kept(store: SqlStore, path: Path) -> None:
    append(store, *(SnapshotRecord(Position(number, 0), b"", WEEK_US + number) for number in range(1, 16)))
    kept = query(path, "SELECT learned FROM br_snapshot ORDER BY learned")
    assert [learned for (learned,) in kept] == [5, *range(6, 16)]


@pytest.mark.parametrize("blob", ["x'3939'", "x'ff'"])
def test_corrupted_sums_are_rebuilt(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, blob: str
) -> None:
    """From the log, and those of the other arms move on; whether the checksum tells or only the fold does."""
    monkeypatch.setattr("banditroute.testing.records.summing", careful)
    store = opened(path)
    append(store, ONE, TWO, feedback_of(ONE, 1), feedback_of(TWO, 2))
    store.close()
    query(path, f"UPDATE br_state SET blob = {blob} WHERE arm_id = 1")  # noqa: S608
    if blob == "x'ff'":
        query(path, "UPDATE br_state SET sha256 = ? WHERE arm_id = 1", hashlib.sha256(b"\xff").digest())
    store = opened(path)
    append(store, feedback_of(ONE, 3, "response"), feedback_of(TWO, 4, revision=1, previous=(2,)))
    assert sums(path) == folded(store)
    assert store.health().rebuilt_sums == 1
    assert "were damaged; they are rebuilt from the log" in caplog.text
    store.close()


def careful(blobs: Mapping[StateKey, bytes], rows: Sequence[FeedbackRecord]) -> Mapping[StateKey, bytes]:
    """A fold that tells a broken blob, as the real one does."""
    if b"\xff" in blobs.values():
        raise SnapshotCorruptError("not a sum")
    return summing(blobs, rows)


def test_a_lock_that_is_held_too_long(path: Path) -> None:
    store = opened(path, patience=0.02)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        StoreUnavailableError, match=r"records not stored: database unavailable \(database is locked"
    ):
        append(store, ONE)
    holder.execute("ROLLBACK")
    holder.close()
    append(store, ONE)
    assert len(list(store.events())) == 1
    store.close()


def test_a_full_disk(store: SqlStore, path: Path) -> None:
    with database_of(store).writing.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailableError, match=r"database unavailable \(database or disk is full\)"):
        append(store, *(a_decision(number) for number in range(1, 400)))
    assert list(store.events()) == []
    append(store, ONE)


def test_no_directory(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/missing/routing.db")
    with pytest.raises(StoreUnavailableError, match=r"store not opened: database unavailable \(unable to open"):
        open_router(store)
    store.close()


def test_secrets_are_not_shown(store: SqlStore) -> None:
    append(store, ONE)
    decision = replace(TWO, draw_key="canary-key", preferences={"canary": 1.0})
    decision = replace(decision, probabilities=np.array([1.0, 0.0]))
    error = store.append([decision, feedback_of(decision, 1, source="canary-source")]).exception(30)
    shown = f"{store!r} {error!r} {vars(error) if error else None}"
    assert "canary" not in shown
    assert repr(SECRET)[2:20] not in shown


def test_a_closed_store_opens_no_connection(store: SqlStore) -> None:
    append(store, a_decision(1))
    store.close()
    opened = connections_of(store)
    assert (store.health().state, store.health().available) == ("closed", False)
    for read in (store.end, lambda: list(store.events()), lambda: store.decision(bytes(16)), store.flush):
        with pytest.raises(StoreUnavailableError, match="the store is closed; open another one") as refusal:
            read()
        assert refusal.value.code == "store.closed"
    assert opened == []


def test_control_a_connection_that_is_opened_is_counted(store: SqlStore) -> None:
    store.database.dispose()
    opened = connections_of(store)
    store.end()
    assert len(opened) == 1


def connections_of(store: SqlStore) -> list[object]:
    """The connections that the store opens from now on."""
    opened: list[object] = []
    for engine in (database_of(store).writing, database_of(store).reading):
        event.listen(engine, "connect", lambda connection, _record: opened.append(connection))
    return opened


def test_a_store_is_opened_once(store: SqlStore, path: Path) -> None:
    with pytest.raises(StoreError, match=r"open already"):
        open_router(store)
    with pytest.raises(StoreUnavailableError, match=r"call open\(\) first"):
        SqlStore(f"sqlite:///{path}").events()
    with pytest.raises(StoreUnavailableError, match=r"the store is not open; records not stored"):
        append(SqlStore(f"sqlite:///{path}"), ONE)


def test_readers_cannot_write(store: SqlStore) -> None:
    with (
        database_of(store).reading.begin() as connection,
        pytest.raises(OperationalError, match=r"attempt to write a readonly database"),
    ):
        connection.exec_driver_sql("DELETE FROM br_router")


def test_a_forgotten_store_closes_itself(path: Path) -> None:
    store = opened(path)
    for number in range(1, 900):
        store.append([a_decision(number)])
    del store
    assert query(path, "SELECT count(*) FROM br_decision") == [(899,)]


def test_no_row_is_logged_even_at_debug(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="sqlalchemy"):
        for _ in range(2):
            store = SqlStore(f"sqlite:///{tmp_path}/r.db")
            assert open_router(store).secret == SECRET
            store.close()
    assert any("SELECT" in message for message in caplog.messages)
    assert not any(str(SECRET) in message for message in caplog.messages)


def test_what_a_fold_remembers_does_not_grow_with_the_log(store: SqlStore, path: Path) -> None:
    assert store.worker is not None
    folder = store.worker.session().folding.folder
    decisions = [a_decision(number) for number in range(1, 601)]
    append(store, *decisions)
    late = (5, 7, 311, 313)
    for start in range(0, 600, 50):
        told = [place for place in range(start, start + 50) if place not in late]
        append(store, *(feedback_of(decisions[place], place) for place in told))
    assert {key.epoch for key in folder.blobs} == {5, 6}
    append(store, *(feedback_of(decisions[place], place) for place in late))
    stored = sums(path)
    assert {key.epoch for key in stored} == set(range(7))
    assert all(stored[key] == blob for key, blob in folder.blobs.items())
    rows = [feedback_of(decision, place) for place, decision in enumerate(decisions)]
    assert stored == summing({}, rows)
    assert folder.rebuilt == 0


def test_more_than_fits_into_a_fold_is_folded_at_once(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("banditroute.store.sql.log.LIMIT", 2)
    one = a_decision(1)
    amended = [
        feedback_of(one, number, revision=number - 1, previous=(number - 1,) if number > 1 else None)
        for number in range(1, 6)
    ]
    append(store, one, *amended)
    assert store.end() == (5, 1)


def test_what_is_erased_is_nowhere_in_the_tables(store: SqlStore, path: Path) -> None:
    mine, other = (
        a_decision(1, draw_key="mine", session="s", cohort="c"),
        a_decision(2, draw_key="theirs", session="s"),
    )
    append(store, mine, other, feedback_of(mine, 1, values=(5,)), feedback_of(other, 2, values=(6,)))
    append(store, feedback_of(mine, 3, revision=1, values=None, previous=(5,)))
    append(store, SnapshotRecord(store.end(), b"blob", 0))
    store.erase([mine.decision_key])
    zeros, kept = bytes(8), (6).to_bytes(8, "little")
    assert query(
        path,
        "SELECT d.decided, d.features = zeroblob(16), length(d.mean), length(d.width), "
        "d.draw_key, d.session, d.cohort, "
        "f.grid_values, f.grid_previous, f.outcomes = '{}', f.payload = zeroblob(16) "
        "FROM br_decision d JOIN br_feedback f USING (body) ORDER BY f.learned",
    ) == [
        (1, 1, 0, 0, None, None, None, zeros, None, 1, 1),
        (2, 0, 48, 48, "theirs", "s", None, kept, None, 0, 0),
        (1, 1, 0, 0, None, None, None, None, zeros, 1, 1),
    ]
    assert query(path, "SELECT count(*) FROM br_snapshot") == [(0,)]


def test_a_store_that_holds_still_sees_one_moment(store: SqlStore) -> None:
    database = database_of(store)
    with database.read("looking") as connection:
        database.hold_still(connection)
        count = "SELECT count(*) FROM br_decision"
        assert connection.exec_driver_sql(count).scalar() == 0
        append(store, a_decision(1))
        assert connection.exec_driver_sql(count).scalar() == 0
    assert store.end() == (0, 1)


def test_what_a_new_router_begins_with(tmp_path: Path) -> None:
    stores = [SqlStore(f"sqlite:///{tmp_path}/{name}.db") for name in "ab"]
    assert [open_router(store).revision for store in stores] == [0, 0]
    for store in stores:
        append(store, a_decision(1))
        assert store.health().lag_s == 0.0
    append(stores[0], SpaceRecord(3, 9), replace(PREFERENCES, recorded_us=5))
    changed = stores[0].changed(0)
    assert changed is not None
    assert (changed.created, changed.revision > 0) == (False, True)
    for store in stores:
        store.close()
    paths = [tmp_path / f"{name}.db" for name in "ab"]
    # Two databases are told apart, and so are two workers.
    ids = {query(each, "SELECT value FROM br_meta WHERE name = 'store_id'")[0][0] for each in paths}
    workers = {query(each, "SELECT worker FROM br_decision")[0][0] for each in paths}
    assert (len(ids), {len(each) for each in ids}) == (2, {32})
    assert (len(workers), {len(each) for each in workers}) == (2, {16})


def test_workers_that_take_turns_lose_nothing_of_each_other(store: SqlStore, path: Path) -> None:
    other, decision = opened(path), a_decision(1)
    rows = []
    append(store, decision)
    for number in range(1, 7):
        rows.append(
            feedback_of(decision, number, revision=number - 1, previous=(number - 1,) if number > 1 else None)
        )
        append((store, other)[number % 2], rows[-1])
    other.close()
    assert sums(path) == summing({}, rows)


def test_another_policy_is_written_down(store: SqlStore, path: Path) -> None:
    before = query(path, "SELECT spec, revision FROM br_router")
    store.close()
    for policy in (SPEC.policy, {"name": "Uniform"}):
        again = SqlStore(f"sqlite:///{path}")
        open_router(again, replace(SPEC, policy=policy))
        again.close()
        ((spec, revision),) = query(path, "SELECT spec, revision FROM br_router")
        assert json.loads(spec) == json.loads(before[0][0]) | {"policy": policy}
        assert revision == before[0][1]


def test_a_router_that_is_refused_leaves_no_thread(store: SqlStore, path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(RouterMismatchError):
        open_router(SqlStore(f"sqlite:///{path}"), replace(SPEC, x_max=5.0))
    assert set(threading.enumerate()) == before


def test_no_connection_opens_while_the_process_is_copied(store: SqlStore) -> None:
    database, inside = database_of(store), threading.Event()
    database.before_fork()
    late = threading.Thread(target=database.write, args=("late", lambda connection: inside.set()))
    late.start()
    try:
        assert not inside.wait(0.1)
    finally:
        database.after_fork(in_child=False)
    late.join(30)
    assert inside.is_set()


def test_a_database_says_who_it_is(store: SqlStore, path: Path) -> None:
    with database_of(store).read("looking") as connection:
        assert [(version.store_id(connection),)] == query(
            path, "SELECT value FROM br_meta WHERE name = 'store_id'"
        )
