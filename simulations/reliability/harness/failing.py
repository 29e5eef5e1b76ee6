"""Paths that fail, with canaries in all their arguments."""

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from banditroute import Arm, Fixed, Objective, Price, Router
from banditroute.core.arrays import FloatArray
from banditroute.core.situation import Situation
from banditroute.store.databases.sqlite import Sqlite
from banditroute.store.sql.store import SqlStore
from banditroute.testing import chooser_of, log_of
from banditroute.testing.world import a_router, a_vector, bodies, url

PASSWORD = "canary-pa55word"  # noqa: S105  (a canary)
SECRET = b"canary-secret-canary-secret-canary"
SOURCE = "canary.person@example.org"
KEY = "canary: my doctor told me on Monday that I have"

Path_: TypeAlias = tuple[str, Callable[[], object]]
"""What fails, and how: by raising, or by saying so."""

URLS = (
    "postgresql+psycopg://me:{}@127.0.0.1:1/routing",
    "postgresql://me:{}@host:port/routing",
    "mysql://me:{}@127.0.0.1:1/routing",
    "sqlite://me:{}@host/routing.db",
    "sqlite:///routing.db?password={}",
    "sqlite+aiosqlite://me:{}@/routing.db",
    "me:{}@host",
    "://{}",
)


def paths(place: Path) -> Iterator[Path_]:
    """All of them, in databases in ``place``."""
    yield from _urls(place)
    yield from _secrets(place)
    yield from near(place)


def near(place: Path) -> Iterator[Path_]:
    """Those that need no server to be waited for."""
    yield from _callers(place)
    yield from _faults(place)
    yield from _databases(place)


def _urls(place: Path) -> Iterator[Path_]:
    for number, text in enumerate(URLS):
        yield f"URL {number}", partial(_away, text.format(PASSWORD), place / "spool")
    for command in (["status", URLS[0]], ["why", URLS[0], "x" * 38]):
        yield f"banditroute {command[0]}", partial(_command, command)


def _away(target: str, spool: Path) -> object:
    """Refused; or, where there could be such a database, begun without it."""
    with a_router(target, spool=spool) as router:
        decision = router.route(a_vector(0), key=KEY)
        receipt = router.feedback(decision.id, source=SOURCE, quality=0.5)
        return [router.health(), receipt.status]


def _command(arguments: list[str]) -> object:
    from banditroute.cli.app import app

    return app([argument.format(PASSWORD) for argument in arguments], standalone_mode=False)


def _secrets(place: Path) -> Iterator[Path_]:
    yield "secret too short", lambda: a_router(secret=SECRET[:20])
    yield "secret as text", lambda: a_router(secret=SECRET.decode())
    yield "secret beside a bad tenant", lambda: a_router(secret=SECRET, tenant="a\nb")
    target = url(place / "secret.db")
    a_router(target, secret=SECRET, features=3).close()
    yield "secret beside another shape", lambda: a_router(target, secret=SECRET, features=4)
    yield "secret beside an unknown arm", lambda: a_router(target, secret=SECRET, default_arm="tiny")


def _callers(place: Path) -> Iterator[Path_]:
    """What callers get wrong, on a database in which afterwards no canary may be."""
    router = a_router(url(place / "callers.db"), secret=SECRET)
    first, told = router.route(a_vector(0)).id, router.route(a_vector(1)).id
    router.feedback(told, quality=0.5)
    x, nan = a_vector(2), float("nan")
    routes: dict[str, dict[str, Any]] = {
        "NaN": {"x": [nan, 0, 0]},
        "length": {"x": [0.5]},
        "text": {"x": KEY},
        "a mapping": {"x": {KEY: 1.0}},
        "unknown arm": {"allowed": ["tiny"]},
        "nothing allowed": {"allowed": []},
        "limit": {"max_cost_usd": nan},
        "nothing cheap enough": {"max_cost_usd": 0.0},
        "preferences": {"preferences": {"quality": -1.0}},
    }
    for name, change in routes.items():
        yield f"route: {name}", partial(_routed, router, **{"x": x, "key": KEY} | change)
    for name, key in {"line break": KEY + "\n", "bytes": KEY.encode(), "length": KEY * 30, "list": [KEY]}.items():
        yield f"route: key, {name}", partial(_routed, router, x=x, key=key)
    for name in ("session", "cohort"):
        yield f"route: {name}", partial(_routed, router, x=x, **{name: KEY + "\n"})
    reports: dict[str, dict[str, Any]] = {
        "NaN": {"quality": nan},
        "range": {"quality": 2.0},
        "type": {"quality": "good"},
        "unknown objective": {"speed": 1.0},
        "half a group": {"latency_s": 1.0},
        "nothing": {},
        "unknown arm": {"quality": 0.5, "served_arm": "tiny"},
        "amend": {"quality": 0.5, "amend": None},
    }
    for name, report in reports.items():
        yield f"feedback: {name}", partial(_reported, router, first, source=SOURCE, **report)
    yield "feedback: conflict", lambda: router.feedback(told, source=SOURCE, quality=0.25)
    yield "feedback: forged", lambda: router.feedback(first[::-1], source=SOURCE, quality=0.25)
    unknown = log_of(router).keys.issue(bytes(16))
    yield "feedback: of nobody's decision", lambda: router.feedback(unknown, source=SOURCE, quality=25)
    for name, source in {"line break": SOURCE + "\n", "bytes": SOURCE.encode(), "length": SOURCE * 50}.items():
        yield f"feedback: source, {name}", partial(_reported, router, first, source=source, quality=0.5)
    router.close()
    yield "feedback: closed", lambda: router.feedback(first, source=SOURCE, quality=0.5).wait(5)


def _routed(router: Router, **request: Any) -> object:
    return router.route(**request)


def _reported(router: Router, identity: str, *, source: Any, **report: Any) -> object:
    return router.feedback(identity, source=source, **report)


def _mode(router: Router) -> str:
    return router.route(a_vector(0), key=KEY).mode


class Broken(Fixed):
    """A policy with a fault."""

    def probabilities(self, situation: Situation) -> FloatArray:
        """Fail."""
        raise ZeroDivisionError(f"{len(situation.arms)} arms")


class Nonsense(Fixed):
    """A policy whose probabilities are none."""

    def probabilities(self, situation: Situation) -> FloatArray:
        """NaN."""
        return np.full(len(situation.arms), np.nan)


def _faults(place: Path) -> Iterator[Path_]:
    """Faults inside, which are held back and logged."""
    for kind in (Broken, Nonsense):
        router = a_router(url(place / f"{kind.__name__}.db"), policy=kind("small"), secret=SECRET)
        yield f"policy: {kind.__name__}", partial(_mode, router)
        yield f"health: {kind.__name__}", router.health
        router.close()


def _databases(place: Path) -> Iterator[Path_]:
    """A database that fails while canaries are on their way into it, or out of it."""
    wounds = {
        "decisions refused": "CREATE TRIGGER t BEFORE INSERT ON br_decision BEGIN SELECT RAISE(ABORT, 'no'); END",
        "feedback refused": "CREATE TRIGGER t BEFORE INSERT ON br_feedback BEGIN SELECT RAISE(ABORT, 'no'); END",
        "sums refused": "CREATE TRIGGER t BEFORE UPDATE ON br_state BEGIN SELECT RAISE(FAIL, 'no'); END",
        "feedback gone": "DROP TABLE br_feedback",
        "decisions gone": "DROP TABLE br_decision",
        "arms renamed": "UPDATE br_arm SET name = name || '!'",
        "a column renamed": "ALTER TABLE br_feedback RENAME COLUMN source TO sauce",
    }
    for name, wound in wounds.items():
        yield f"database: {name}", partial(_wounded, place / f"{name}.db", wound)
        yield f"database: {name}, opened anew", partial(_reopened, place / f"{name}.db")
    # A router that is open trusts the sums that it holds itself.
    wound = "UPDATE br_state SET sha256 = zeroblob(32)"
    wrong = place / "wrong.db"
    yield "database: sums wrong, opened anew", lambda: (_wounded(wrong, wound), _reopened(wrong))[1]
    yield "database: locked", lambda: _locked(place / "locked.db")
    yield "database: full", lambda: _full(place / "full.db")
    yield "database: overwritten", lambda: _overwritten(place / "overwritten.db")
    yield "database: an id twice", lambda: _twice(place / "twice.db")


def _lived(router: Router) -> list[str]:
    """Let canaries in, where they belong, and have the first of them on disk."""
    ids = [router.route(a_vector(number), key=KEY).id for number in range(3)]
    router.feedback(ids[0], source=SOURCE, quality=0.5).wait(10)
    return ids


def _wounded(path: Path, wound: str) -> object:
    router = a_router(url(path), secret=SECRET)
    try:
        ids = _lived(router)
        _execute(path, wound)
        return _everything(router, ids)
    finally:
        router.close()


def _everything(router: Router, ids: list[str]) -> list[str]:
    """Try whatever touches the database, all of it with canaries; what failed, in words."""
    log_of(router).recent._entries.clear()
    said = []
    tries: tuple[Callable[[], object], ...] = (
        lambda: router.route(a_vector(5), key=KEY),
        lambda: router.why(ids[0]),
        lambda: router.feedback(ids[1], source=SOURCE, quality=0.25).wait(10),
        lambda: router.feedback(router.route(a_vector(6), key=KEY).id, source=SOURCE, quality=0.5).wait(10),
        lambda: router.add_arm(Arm("new", price=Price(input=1, output=1))),
        router.flush,
    )
    for attempt in tries:
        try:
            attempt()
        except Exception as error:  # noqa: BLE001  (whatever it is, it is looked at)
            said.append(f"{type(error).__name__}: {error}")
    health = router.health()
    return [*said, str(health.last_error)] if said or health.lost or health.spooled else []


def _reopened(path: Path) -> object:
    with a_router(url(path), secret=SECRET, preferences=None) as router:
        ids = [router.route(a_vector(7), key=KEY).id, log_of(router).keys.issue((1).to_bytes(16, "big"))]
        return _everything(router, ids[::-1]) or "whole again"


def _locked(path: Path) -> object:
    router = a_router(SqlStore(url(path), patience=0.05), secret=SECRET)
    ids = _lived(router)
    holder = sqlite3.connect(path, isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        return _everything(router, ids)
    finally:
        holder.close()
        router.close()


def _full(path: Path) -> object:
    router = a_router(url(path), secret=SECRET, objectives=(Objective("quality"),), preferences=None)
    try:
        ids = _lived(router)
        store = log_of(router).store
        assert isinstance(store, SqlStore)
        assert isinstance(store.database, Sqlite)
        connection = store.database.writing.raw_connection()
        connection.cursor().execute("PRAGMA max_page_count = 1")
        connection.close()
        for number in range(300):
            router.route(a_vector(number), key=KEY)
        return _everything(router, ids) or "kept elsewhere"
    finally:
        router.close()


def _overwritten(path: Path) -> object:
    router = a_router(url(path), secret=SECRET)
    _lived(router)
    router.close()
    damaged = bytearray(path.read_bytes())
    for page in range(4096 * 2, len(damaged), 4096):
        damaged[page : page + 64] = b"\xff" * 64
    path.write_bytes(damaged)
    return _reopened(path)


def _twice(path: Path) -> object:
    router = a_router(url(path), secret=SECRET)
    try:
        ids = _lived(router)
        chooser_of(router)._ids = bodies(1)
        return _everything(router, ids)
    finally:
        router.close()


def _execute(path: Path, statement: str) -> None:
    database = sqlite3.connect(path, timeout=10)
    with database:
        database.execute(statement)
    database.close()
