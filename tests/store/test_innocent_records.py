"""Errors of a database that prove nothing against a record: the record waits in the spool for the repair."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy import create_engine, make_url

from banditroute import Receipt, Router
from banditroute.core.ids import random_key
from banditroute.errors import StoreUnavailableError
from banditroute.store.databases import postgres
from banditroute.store.maintenance import views
from banditroute.testing.world import a_router, a_vector, url

N = 10
RAISE = (
    """CREATE FUNCTION fail() RETURNS trigger AS $$
    BEGIN RAISE EXCEPTION 'nonsense' USING ERRCODE = '{state}'; END $$ LANGUAGE plpgsql""",
    "CREATE TRIGGER fail BEFORE INSERT ON br_decision FOR EACH STATEMENT EXECUTE FUNCTION fail()",
)
CALM = ("DROP TRIGGER fail ON br_decision", "DROP FUNCTION fail")


def raising(state: str) -> tuple[str, ...]:
    return tuple(each.format(state=state) for each in RAISE)


POSTGRES = {
    "revoked": (
        ("REVOKE INSERT ON br_decision FROM worker",),
        ("GRANT INSERT ON br_decision TO worker",),
    ),
    "no table": (
        ("ALTER TABLE br_decision RENAME TO away",),
        ("ALTER TABLE away RENAME TO br_decision",),
    ),
    "no schema": (
        ("ALTER SCHEMA public RENAME TO away",),
        ("ALTER SCHEMA away RENAME TO public",),
    ),
    "no column": (
        ("ALTER TABLE br_decision RENAME COLUMN mode TO away",),
        ("ALTER TABLE br_decision RENAME COLUMN away TO mode",),
    ),
    "internal error": (raising("XX000"), CALM),
    "corrupt index": (raising("XX002"), CALM),
    "error of a trigger": (raising("P0001"), CALM),
    "unknown class": (raising("ZZ999"), CALM),
}

Sql: TypeAlias = Callable[..., None]


@pytest.fixture
def sql(postgres_url: str) -> Iterator[Sql]:
    """Run statements as the owner of the database; the role of the worker is removed at the end."""
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")

    def run(*statements: str) -> None:
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    run("CREATE ROLE worker LOGIN")
    yield run
    run("DROP OWNED BY worker", "DROP ROLE worker")
    engine.dispose()


@contextmanager
def worker(postgres_url: str, sql: Sql, spool: Path) -> Iterator[Router]:
    """A router whose database role owns nothing."""
    a_router(postgres_url, ids=random_key).close()
    sql(
        "GRANT USAGE ON SCHEMA public TO worker",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO worker",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO worker",
    )
    own = make_url(postgres_url).set(username="worker").render_as_string(hide_password=False)
    with a_router(own, ids=random_key, spool=spool) as router:
        yield router


def requests(router: Router) -> list[Receipt]:
    receipts = []
    for number in range(N):
        decision = router.route(a_vector(number))
        receipts.append(router.feedback(decision.id, quality=0.5))
    return [receipt.wait(30) for receipt in receipts]


@pytest.mark.parametrize("fault", list(POSTGRES))
def test_records_wait_for_the_repair_of_a_server(postgres_url: str, sql: Sql, tmp_path: Path, fault: str) -> None:
    broken, mended = POSTGRES[fault]
    with worker(postgres_url, sql, tmp_path) as router:
        requests(router)
        sql(*broken)
        assert {receipt.status for receipt in requests(router)} == {"buffered"}
        health = router.health()
        assert (health.state, health.spooled, health.lost, health.set_aside) == ("spooling", 2 * N, 0, 0)
        sql(*mended)
    with a_router(postgres_url, ids=random_key, spool=tmp_path) as router:
        router.sync()
        assert (router.health().state, router.health().set_aside) == ("healthy", 0)
    (found,) = views.routers(postgres_url)
    assert (found.decisions, found.feedback) == (2 * N, 2 * N)


def test_without_the_presumption_such_records_are_lost(
    postgres_url: str, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_FAULTS_OF_RECORDS", frozenset({"22", "23", "XX"}))
    with worker(postgres_url, sql, tmp_path) as router:
        sql(*raising("XX000"))
        router.route(a_vector(1))
        with pytest.raises(StoreUnavailableError, match="1 records could not be stored"):
            router.flush()
        sql(*CALM)


def test_a_record_that_a_constraint_refuses_is_still_refused(postgres_url: str, sql: Sql, tmp_path: Path) -> None:
    with worker(postgres_url, sql, tmp_path) as router:
        sql("ALTER TABLE br_decision ADD CONSTRAINT none CHECK (propensity > 2) NOT VALID")
        router.route(a_vector(1))
    health = router.health()
    assert (health.lost, health.spooled) == (1, 0)


def _overwrite_pages(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (path.stat().st_size - 100))


def _rename_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE br_decision RENAME TO away")


def _rename_column(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE br_decision RENAME COLUMN mode TO away")


@pytest.mark.parametrize("break_file", [_overwrite_pages, _rename_table, _rename_column])
def test_records_wait_for_the_repair_of_a_file(tmp_path: Path, break_file: Callable[[Path], None]) -> None:
    path = tmp_path / "routing.db"
    with a_router(url(path), ids=random_key) as router:
        requests(router)
    whole = path.read_bytes()
    with a_router(url(path), ids=random_key) as router:
        break_file(path)
        assert {receipt.status for receipt in requests(router)} == {"buffered"}
        health = router.health()
        assert (health.state, health.spooled, health.lost) == ("spooling", 2 * N, 0)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
    path.write_bytes(whole)
    with a_router(url(path), ids=random_key) as router:
        router.sync()
    (found,) = views.routers(url(path))
    assert (found.decisions, found.feedback) == (2 * N, 2 * N)
