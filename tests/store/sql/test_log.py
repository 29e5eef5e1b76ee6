"""Many workers on one log, at the moments that matter; each with the mistake that the store avoids."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from banditroute.core.log import FeedbackRecord, LogRecord, StateKey
from banditroute.store.databases.postgres import Postgres
from banditroute.store.schema import tables
from banditroute.store.sql.log import RouterLog
from banditroute.store.sql.read import arm_ids
from banditroute.store.sql.store import SqlStore
from banditroute.testing import SPEC, a_decision, append, feedback_of, open_router, summing

PATIENCE = 30.0
ONE, TWO, THREE = (a_decision(number) for number in (1, 2, 3))


def wrong(store: SqlStore) -> set[str]:
    """What is wrong with a log and its sums."""
    store.flush()
    feedback = [record for record in store.events() if isinstance(record, FeedbackRecord)]
    found = set()
    with store.database.read("looking") as connection:
        names = arm_ids(connection, 1).names
        state = tables.state.c
        rows = connection.execute(select(state.arm_id, state.objective_group, state.epoch, state.blob)).all()
        fold = tables.fold.c
        folds = connection.execute(select(fold.first_seq, fold.last_seq).order_by(fold.fold_no)).all()
    if [record.number for record in feedback] != list(range(1, len(feedback) + 1)):
        found.add("the journal has gaps")
    if {StateKey(names[row[0]], row[1], row[2]): row[3] for row in rows} != summing({}, feedback):
        found.add("the sums are not those of the log")
    if [n for first, last in folds for n in range(first, last + 1)] != list(range(1, len(feedback) + 1)):
        found.add("something was folded twice, or never")
    return found


def log_of(store: SqlStore) -> RouterLog:
    """The ledger of a store whose own threads do nothing any more."""
    assert store.worker is not None
    store.worker.stop()
    return store.worker.session().folding


class Watermark:
    """The mistake that the pending marker avoids: to remember the last row that was seen."""

    def __init__(self) -> None:
        self.last = 0
        self.seen: list[bytes] = []

    def look(self, store: SqlStore) -> None:
        feedback = tables.feedback.c
        query = select(feedback.feedback_id, feedback.body).where(feedback.feedback_id > self.last)
        with store.database.read("looking") as connection:
            for number, body in connection.execute(query.order_by(feedback.feedback_id)):
                self.last = number
                self.seen.append(body)


class Committer:
    """Appends in a thread, and commits when it is told to."""

    def __init__(self, store: SqlStore, records: list[LogRecord]) -> None:
        self.appended, self.go = threading.Event(), threading.Event()
        assert store.worker is not None
        ledger = store.worker.session().folding

        def work(connection: Connection) -> None:
            ledger.appender.append(connection, records)
            self.appended.set()
            assert self.go.wait(PATIENCE)

        self.thread = threading.Thread(target=store.database.write, args=("appending", work))
        self.thread.start()
        assert self.appended.wait(PATIENCE)

    def commit(self) -> None:
        self.go.set()
        self.thread.join(PATIENCE)


def test_rows_that_are_committed_out_of_order_are_all_learned(postgres_url: str) -> None:
    """The first one drew its number before the second, and was committed after it had been read."""
    slow, quick, watermark = SqlStore(postgres_url), SqlStore(postgres_url), Watermark()
    for store in (slow, quick):
        open_router(store)
    append(quick, ONE, TWO)
    committer = Committer(slow, [feedback_of(ONE, 1)])
    append(quick, feedback_of(TWO, 1))
    assert quick.end() == (1, 2)
    watermark.look(quick)
    committer.commit()
    quick.flush()
    watermark.look(quick)
    assert quick.end() == (2, 2)
    assert wrong(quick) == set()
    assert watermark.seen == [TWO.decision_key], "the mistake should lose the feedback on decision 1"
    for store in (slow, quick):
        store.close()


def folding_at_once(url: str) -> set[str]:
    """Let one worker fold while another is in the middle of it; what is wrong afterwards."""
    stores = SqlStore(url), SqlStore(url)
    for store in stores:
        open_router(store)
    append(stores[0], ONE, TWO)
    first, second = map(log_of, stores)
    first([feedback_of(ONE, 1), feedback_of(TWO, 2)])
    folded, go = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def held(connection: Connection) -> None:
        assert stores[0].database.lock_journal(connection, first.journal, wait=False)
        first.folder.fold(connection)
        folded.set()
        assert go.wait(PATIENCE)

    def fold_too() -> None:
        try:
            second.help_folding()
        except Exception as error:  # noqa: BLE001  (it may well find that something is there already)
            errors.append(error)

    holder = threading.Thread(target=stores[0].database.write, args=("folding", held))
    other = threading.Thread(target=fold_too)
    holder.start()
    assert folded.wait(PATIENCE)
    other.start()
    # With the lock it moves on at once; without, it waits for the first one's rows.
    _until(lambda: not other.is_alive() or _somebody_waits(stores[1]), other)
    go.set()
    for thread in (holder, other):
        thread.join(PATIENCE)
    found = wrong_without_flush(stores[0])
    for store in stores:
        store.database.dispose()
    return found | {"an error"} if errors else found


def wrong_without_flush(store: SqlStore) -> set[str]:
    log_of(store).fold()
    flush, store.flush = store.flush, lambda: None  # type: ignore[method-assign]
    try:
        return wrong(store)
    finally:
        store.flush = flush  # type: ignore[method-assign]


def _until(condition: Callable[[], bool], thread: threading.Thread) -> None:
    while not condition():
        thread.join(0.01)


def _somebody_waits(store: SqlStore) -> bool:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with store.database.read("looking") as connection:
        return bool(connection.scalar(query))


def test_one_worker_folds_at_a_time(postgres_url: str) -> None:
    assert folding_at_once(postgres_url) == set()


def test_two_folds_at_once_count_twice(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: without the lock."""
    monkeypatch.setattr(Postgres, "lock_journal", lambda *_, **__: True)
    assert folding_at_once(postgres_url) != set()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shared.db"
    return request.getfixturevalue("postgres_url")


def test_an_empty_database_is_opened_by_many_at_once(url: str) -> None:
    """One of them creates the tables, one the router; several routers and tenants live beside each other."""
    names = ["support", "support", "support", "other"] * 2
    stores = [SqlStore(url) for _ in names]
    created: list[tuple[str, bool]] = []
    barrier = threading.Barrier(len(stores))

    def work(store: SqlStore, name: str, tenant: str) -> None:
        barrier.wait(PATIENCE)
        created.append((name + tenant, open_router(store, replace(SPEC, name=name, tenant=tenant)).created))

    threads = [
        threading.Thread(target=work, args=(store, name, "acme" if i > 3 else ""))
        for i, (store, name) in enumerate(zip(stores, names, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(name for name, new in created if new) == ["other", "otheracme", "support", "supportacme"]
    assert len(created) == len(stores)
    for number, store in enumerate(stores, 1):
        append(store, a_decision(number))
    assert [len(list(store.events())) for store in stores] == [3, 3, 3, 1] * 2
    for store in stores:
        store.close()


def test_a_dead_workers_rows_are_folded(url: str) -> None:
    """What it appended and did not fold is in the journal as soon as anybody opens the router."""
    dead = SqlStore(url)
    open_router(dead)
    log_of(dead)([ONE, feedback_of(ONE, 1)])
    dead.database.dispose()
    heir = SqlStore(url)
    assert open_router(heir).end == (1, 1)
    assert wrong(heir) == set()
    heir.close()


@pytest.fixture
def pair(url: str) -> Iterator[tuple[SqlStore, SqlStore]]:
    stores = SqlStore(url), SqlStore(url)
    for store in stores:
        open_router(store)
    yield stores
    for store in stores:
        store.close()


def test_workers_that_say_the_same_at_once(pair: tuple[SqlStore, SqlStore]) -> None:
    """The same feedback from both, in opposite orders: each counts once, nobody deadlocks, nobody fails."""
    append(pair[0], *(a_decision(number) for number in range(1, 61)))
    told = [feedback_of(a_decision(number), number) for number in range(1, 61)]
    fates: list[Any] = []

    def work(store: SqlStore, order: list[FeedbackRecord]) -> None:
        fates.extend(store.append(order[start : start + 6]).result(PATIENCE) for start in range(0, 60, 6))

    threads = [
        threading.Thread(target=work, args=(store, order))
        for store, order in zip(pair, (told, told[::-1]), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(fates) == 20
    assert set(fates) <= {"recorded", "duplicate"}
    assert wrong(pair[0]) == set()
    assert pair[0].end() == (60, 60)
