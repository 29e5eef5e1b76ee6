"""What PostgreSQL adds: a server that may be away, restart, refuse, or be set up dangerously."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import DBAPIError

from banditroute.core.health import StoreHealth
from banditroute.core.log import Position, SnapshotRecord
from banditroute.errors import StoreError, StoreUnavailableError
from banditroute.store.databases.base import WriteConflict
from banditroute.store.databases.postgres import Postgres
from banditroute.store.maintenance import views
from banditroute.store.maintenance.secrets import secrets_of
from banditroute.store.maintenance.upgrade import Upgrade, upgrade
from banditroute.store.schema import migrations, tables, version
from banditroute.store.sql import settings
from banditroute.store.sql.settings import write_settings
from banditroute.store.sql.store import SqlStore
from banditroute.testing import SECRET, a_decision, append, feedback_of, open_router
from tests.postgres import OwnServer, Server

ONE, TWO = a_decision(1), a_decision(2)


@pytest.fixture
def store(postgres_url: str) -> Iterator[SqlStore]:
    store = SqlStore(postgres_url)
    open_router(store)
    yield store
    store.close()


def database(store: SqlStore) -> Postgres:
    assert isinstance(store.database, Postgres)
    return store.database


def test_sessions_give_up_in_time(store: SqlStore) -> None:
    with database(store).read("looking") as connection:
        settings = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        }
        assert list(settings.values()) == ["5s", "2s", "10s"]
        assert connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"


SNAPSHOT = SnapshotRecord(Position(0, 0), b"sums", 7)


def test_two_workers_store_the_same_snapshot(store: SqlStore) -> None:
    """At the same time, before either knows of the other."""
    assert stored_beside_another(database(store)) is None


def test_control_without_the_lock_one_of_them_fails(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_lock", lambda *_: None)
    failure = stored_beside_another(database(store))
    assert isinstance(failure, StoreError)
    assert "UniqueViolation" in str(failure)


def stored_beside_another(database: Postgres) -> Exception | None:
    """The error of a worker that stores a snapshot while another transaction, which stores it too, is open."""
    failures: list[Exception] = []

    def second() -> None:
        try:
            database.write("snapshot not stored", lambda connection: write_settings(connection, 1, SNAPSHOT))
        except StoreError as error:
            failures.append(error)

    thread = threading.Thread(target=second)

    def first(connection: Connection) -> None:
        write_settings(connection, 1, SNAPSHOT)
        thread.start()
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while True:
            with database.read("looking") as other:
                if other.exec_driver_sql(waiting).scalar():
                    return

    database.write("snapshot not stored", first)
    thread.join(30)
    assert not thread.is_alive()
    return failures[0] if failures else None


def test_migrations_and_tables_are_equal(postgres_url: str) -> None:
    engine = Postgres(make_url(postgres_url))

    def differences(connection: Connection) -> Any:
        migrations.run(connection)
        ours = MigrationContext.configure(connection, opts={"version_table": tables.alembic_version.name})
        return compare_metadata(ours, tables.metadata)

    assert engine.alter("migrating", differences) == []
    engine.dispose()
    migrated = SqlStore(postgres_url)
    open_router(migrated)
    append(migrated, ONE, feedback_of(ONE, 1))
    assert migrated.end() == (1, 1)
    migrated.close()


def test_an_upgrade_may_take_its_time(store: SqlStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To index a long log takes longer than any work of a router may; else it could never be upgraded."""
    with database(store).read("looking") as connection:
        assert version.found_version(connection) == "0002"
    monkeypatch.setattr("banditroute.store.databases.postgres._WRITING_PATIENCE", 0.2)
    monkeypatch.setattr(
        "banditroute.store.databases.postgres.SETTINGS", {"statement_timeout": "200ms", "lock_timeout": "150ms"}
    )
    monkeypatch.setattr(version, "SCHEMA_VERSION", "0003")
    ran: list[object] = []

    def run(connection: Connection) -> None:
        ran.append(connection.exec_driver_sql("SELECT pg_sleep(1)"))
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "150ms"
        if (connection.dialect.server_version_info or (0,)) >= (14,):
            assert connection.exec_driver_sql("SHOW client_connection_check_interval").scalar() == "1s"

    monkeypatch.setattr(migrations, "run", run)
    assert upgrade(postgres_url) == Upgrade("0002", "0003", None)
    assert len(ran) == 1


def test_views(store: SqlStore, postgres_url: str) -> None:
    append(store, ONE, feedback_of(ONE, 1))
    (summary,) = views.routers(postgres_url)
    assert (summary.name, summary.decisions, summary.feedback, summary.waiting) == ("support", 1, 1, 0)
    assert summary.database_bytes > 1_000_000
    assert secrets_of(postgres_url, "support").issuing == SECRET


REFUSED = [
    (replace(TWO, probabilities=np.array([0.0, 1.0])), r"CheckViolation 23514, ck_br_decision_propensity"),
    (replace(TWO, created_us=2**63), r"\(NumericValueOutOfRange 22003\)"),
    (replace(TWO, decision_key=b"canary"), r"CheckViolation 23514, ck_br_decision_body"),
    (
        replace(TWO, draw_key="canary\0"),
        r"^key contains NUL or a lone surrogate, which PostgreSQL cannot store; remove it$",
    ),
]


@pytest.mark.parametrize(("record", "sentence"), REFUSED, ids=["propensity", "time", "body", "NUL"])
def test_refusals_name_the_rule_and_no_value(store: SqlStore, record: Any, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence) as caught:
        append(store, replace(record, preferences={"canary": 1.0}))
    assert not isinstance(caught.value, StoreUnavailableError)
    chain = [caught.value, caught.value.__context__, getattr(caught.value.__context__, "orig", None)]
    assert "canary" not in f"{chain!r} {[str(error) for error in chain]}"
    append(store, ONE)
    assert store.end() == (0, 1)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:hunter2@127.0.0.1:1/secrets",
        "postgresql+psycopg://me:hunter2@/secrets?host=/nowhere/at/all",
        "postgresql://me:hunter2@nowhere.invalid/secrets",
    ],
)
def test_a_server_that_is_not_there(url: str) -> None:
    store = SqlStore(url, patience=0.0)
    with pytest.raises(StoreUnavailableError, match=r"store not opened: database unavailable \(") as caught:
        open_router(store)
    shown = f"{caught.value!r} {store!r} {caught.value.__cause__!r}"
    assert "hunter2" not in shown
    assert "me:" not in shown
    assert store.health() == StoreHealth(database="postgresql", state="closed", available=False)


class Failing:
    """A driver's error."""

    def __init__(self, state: str) -> None:
        self.sqlstate = state

    def error(self) -> DBAPIError:
        original = type("OperationalError", (Exception,), {"sqlstate": self.sqlstate})("canary")
        return DBAPIError("SELECT canary", None, original)


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57P01", "57P02", "57P03", "08006", None])
def test_what_is_in_the_way_is_tried_again(store: SqlStore, state: Any) -> None:
    calls = []

    def work(connection: Connection) -> str:
        calls.append(connection)
        if len(calls) < 3:
            raise Failing(state).error()
        return "done"

    assert database(store).write("working", work) == "done"


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("22003", StoreError),
        ("23505", StoreError),
        *[(state, StoreUnavailableError) for state in ("42P01", "42501", "XX000", "3F000", "P0001", "53100")],
    ],
)
def test_what_would_fail_again_is_not(store: SqlStore, state: str, kind: type[StoreError]) -> None:
    calls = []

    def work(connection: Connection) -> None:
        calls.append(connection)
        raise Failing(state).error()

    with pytest.raises(StoreError, match=f"working: .*{state}") as caught:
        database(store).write("working", work)
    assert (len(calls), type(caught.value)) == (1, kind)
    assert "canary" not in str(caught.value)


def test_patience_ends(postgres_url: str) -> None:
    database = Postgres(make_url(postgres_url), patience=0.0)
    with pytest.raises(StoreUnavailableError, match="working: database unavailable"):
        database.write("working", lambda connection: _raise(Failing("40001").error()))
    database.dispose()


def test_who_comes_second_is_tried_again_until_patience_ends(store: SqlStore, postgres_url: str) -> None:
    calls = []

    def work(connection: Connection) -> str:
        calls.append(connection)
        if len(calls) < 3:
            raise WriteConflict
        return "done"

    assert database(store).write("working", work) == "done"
    impatient = Postgres(make_url(postgres_url), patience=-1.0)
    with pytest.raises(StoreUnavailableError, match=r"^working: other workers were always first$"):
        impatient.write("working", lambda connection: _raise(WriteConflict()))
    impatient.dispose()


def _raise(error: Exception) -> None:
    raise error


def test_an_unsafe_server_is_logged(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    url = make_url(postgres_url).update_query_dict({"options": "-c synchronous_commit=off"})
    with caplog.at_level(logging.WARNING, "banditroute"):
        store = SqlStore(url.render_as_string(hide_password=False))
        open_router(store)
        store.close()
    assert "synchronous_commit=off" in caplog.text


def test_a_crash_of_the_server(store: SqlStore, postgres_server: Server) -> None:
    """What was acknowledged is there, and the store goes on by itself."""
    if not isinstance(postgres_server, OwnServer):
        pytest.skip("this server is not ours to crash")
    append(store, ONE, feedback_of(ONE, 1))
    assert store.append([TWO]).result(30) == "recorded"
    postgres_server.crash()
    try:
        error = store.append([feedback_of(TWO, 2)]).exception(30)
        assert isinstance(error, StoreUnavailableError)
        assert not store.health().available
    finally:
        postgres_server.start()
    append(store, feedback_of(TWO, 2))
    assert store.end() == (2, 2)
    assert store.health().available


def test_a_server_that_never_answers(
    postgres_url: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a limit of our own the writer would wait for ever."""
    if not isinstance(postgres_server, OwnServer):
        pytest.skip("this server is not ours to stop")
    monkeypatch.setattr("banditroute.store.databases.postgres._WRITING_PATIENCE", 0.2)
    store = SqlStore(postgres_url, patience=0.0)
    open_router(store)
    append(store, ONE)
    with postgres_server.hanging():
        error = store.append([TWO]).exception(30)
    assert isinstance(error, StoreUnavailableError)
    append(store, TWO)
    assert store.end() == (0, 2)
    store.close()


def test_a_child_leaves_the_connections_of_its_parent_alone(store: SqlStore) -> None:
    def server() -> int:
        with database(store).read("looking") as connection:
            return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    mine = server()
    of_the_parent = [engine.pool for engine in (database(store)._writing, database(store)._reading)]
    database(store).after_fork(in_child=False)
    assert server() == mine
    database(store).after_fork(in_child=True)
    assert server() != mine
    append(store, ONE)
    assert store.end() == (0, 1)
    with database(store).read("looking") as connection:
        alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = %(pid)s"
        assert connection.exec_driver_sql(alive, {"pid": mine}).scalar() == 1
    for pool in of_the_parent:
        pool.dispose()


def test_a_store_that_holds_still_sees_one_moment(store: SqlStore) -> None:
    with database(store).read("looking") as connection:
        database(store).hold_still(connection)
        count = "SELECT count(*) FROM br_decision"
        assert connection.exec_driver_sql(count).scalar() == 0
        append(store, ONE)
        assert connection.exec_driver_sql(count).scalar() == 0
    assert store.end() == (0, 1)


@pytest.mark.parametrize("kind", ["OperationalError", "ConnectionTimeout", "InterfaceError"])
def test_a_connection_that_is_lost_has_no_state_and_is_made_again(store: SqlStore, kind: str) -> None:
    said = "server \"db.internal\" of 'me' is gone\nDETAIL: canary"
    calls = []

    def work(connection: Connection) -> str:
        calls.append(connection)
        if len(calls) < 2:
            raise DBAPIError("SELECT canary", None, type(kind, (Exception,), {})(said))
        return "done"

    assert database(store).write("working", work) == "done"
    impatient = Postgres(database(store)._url, patience=-1.0)
    calls.clear()
    with pytest.raises(StoreUnavailableError) as caught:
        impatient.write("working", work)
    assert str(caught.value) == "working: database unavailable (server … of … is gone)"
    impatient.dispose()
