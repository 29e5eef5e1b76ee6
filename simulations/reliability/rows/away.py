"""D2: the database was never there, refuses, is full, only reads, or never answers."""

import io
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.pool import Pool

from banditroute import Router
from banditroute.errors import BanditRouteError, StoreError
from simulations.reliability.harness.row import Finding, Tick
from simulations.reliability.rows.outage import DIMENSION, a_worker
from tests.server import OwnServer, own_server

PASSWORD = "hunter2-canary"  # noqa: S105  (of nobody)
LONGEST_WAIT = 30.0


@dataclass(slots=True)
class Seen:
    """What happened while the database was away.

    Attributes:
        routes, failed: How many were asked for, and how many were not answered.
        untyped: Errors of others' classes, and receipts that never came.
        opening_s: The longest time to open a router, or to fail to open one [s].
        receipt_s: The longest time until a feedback was durable, or refused [s].
    """

    routes: int = 0
    failed: int = 0
    untyped: int = 0
    opening_s: float = 0.0
    receipt_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Away:
    """So many requests in each kind of trouble, with a spool; and the attempt to open without one."""

    id: ClassVar[str] = "D2"
    does: ClassVar[str] = "database never up, wrong password, read-only, full, hanging: routes and feedback"
    asks: ClassVar[str] = "0 failed routes, errors of our own in ≤ 3 s, receipts in ≤ 3 s, no password anywhere"
    control: ClassVar[str] = "the driver alone raises errors that are not ours"

    requests: int = 30
    longest_s: float = 3.0
    longest_receipt_s: float = 3.0

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Each trouble in turn."""
        server, seen, said = own_server(), Seen(), io.StringIO()
        handler = logging.StreamHandler(said)
        root = logging.getLogger()
        before = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        troubles = (_never_up, _wrong_password, _read_only, _full, _hanging)
        try:
            for number, trouble in enumerate(troubles):
                directory = place / trouble.__name__
                directory.mkdir()
                with trouble(server, directory) as (url, begin):
                    self._live(url, begin, directory, seen, said)
                tick(number + 1, len(troubles))
        finally:
            root.removeHandler(handler)
            root.setLevel(before)
        leaks = said.getvalue().count(PASSWORD)
        figures = {
            "troubles": len(troubles),
            "routes": seen.routes,
            "failed": seen.failed,
            "untyped": seen.untyped,
            "longest opening [s]": seen.opening_s,
            "longest receipt [s]": seen.receipt_s,
            "passwords": leaks,
        }
        holds = not (seen.failed or seen.untyped or leaks) and seen.opening_s <= self.longest_s
        foreign = _raw()
        return Finding(
            figures, holds and seen.receipt_s <= self.longest_receipt_s, {"foreign errors": foreign}, foreign > 0
        )

    def _live(self, url: str, begin: Callable[[], None], place: Path, seen: Seen, said: io.StringIO) -> None:
        """Open, let the trouble begin, route and report; then try to open without a spool."""
        router = self._open(url, place / "spool", seen, said)
        assert router is not None
        begin()
        receipts = []
        for number in range(self.requests):
            seen.routes += 1
            try:
                decision = router.route([number / self.requests] * DIMENSION)
                seen.failed += decision.mode == "fallback"
            except BanditRouteError:
                seen.failed += 1
                continue
            receipts.append((time.monotonic(), router.feedback(decision.id, quality=0.5)))
        for since, receipt in receipts:
            try:
                receipt.wait(LONGEST_WAIT)
            except StoreError as error:
                said.write(f"{error!r}\n")
            except Exception as error:  # noqa: BLE001  (that is what is counted)
                seen.untyped += 1
                said.write(f"{error!r}\n")
            seen.receipt_s = max(seen.receipt_s, time.monotonic() - since)
        said.write(f"{router.health()!r} {router!r}\n")
        second = self._open(url, None, seen, said)
        for each in (router, second):
            if each is not None:
                each.close()

    def _open(self, url: str, spool: Path | None, seen: Seen, said: io.StringIO) -> Router | None:
        began = time.monotonic()
        try:
            return a_worker(url, spool)
        except StoreError as error:
            said.write(f"{error!r} {error.__cause__!r} {error.__context__!r}\n")
        except Exception as error:  # noqa: BLE001  (that is what is counted)
            seen.untyped += 1
            said.write(f"{error!r}\n")
        finally:
            seen.opening_s = max(seen.opening_s, time.monotonic() - began)
        return None


def _nothing() -> None:
    pass


@contextmanager
def _never_up(server: OwnServer, place: Path) -> Iterator[tuple[str, Callable[[], None]]]:  # noqa: ARG001
    yield f"postgresql://me:{PASSWORD}@127.0.0.1:1/nothing", _nothing


@contextmanager
def _wrong_password(server: OwnServer, place: Path) -> Iterator[tuple[str, Callable[[], None]]]:  # noqa: ARG001
    url = make_url(server.new_database()).set(password=PASSWORD)
    with server.asking_for_passwords():
        yield url.render_as_string(hide_password=False), _nothing


@contextmanager
def _read_only(server: OwnServer, place: Path) -> Iterator[tuple[str, Callable[[], None]]]:  # noqa: ARG001
    url = make_url(server.new_database()).set(password=PASSWORD)
    a_worker(url.render_as_string(hide_password=False)).close()
    only = url.update_query_dict({"options": "-c default_transaction_read_only=on"})
    yield only.render_as_string(hide_password=False), _nothing


@contextmanager
def _full(server: OwnServer, place: Path) -> Iterator[tuple[str, Callable[[], None]]]:  # noqa: ARG001
    """A file that may not grow, as on a disk without room."""
    path = place / "routing.db"
    a_worker(f"sqlite:///{path}").close()

    def grow_no_more(connection: Any, *_: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA max_page_count = 1")

    event.listen(Pool, "checkout", grow_no_more)
    try:
        yield f"sqlite:///{path}", _nothing
    finally:
        event.remove(Pool, "checkout", grow_no_more)


@contextmanager
def _hanging(server: OwnServer, place: Path) -> Iterator[tuple[str, Callable[[], None]]]:  # noqa: ARG001
    url = make_url(server.new_database()).set(password=PASSWORD)
    with ExitStack() as until:
        yield url.render_as_string(hide_password=False), lambda: until.enter_context(server.hanging())


def _raw() -> int:
    """What SQLAlchemy alone says: how many of its errors are not ours."""
    foreign = 0
    for url in (f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:1/nothing", "sqlite:////nowhere/at/all.db"):
        try:
            create_engine(url).connect()
        except BanditRouteError:
            continue
        except Exception:  # noqa: BLE001  (that is what is counted)
            foreign += 1
    return foreign
