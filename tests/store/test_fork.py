"""A process that forks: both sides go on, each with its own connections, thread and name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from banditroute.core.log import DecisionRecord
from banditroute.store.sql.store import SqlStore
from banditroute.testing import open_router

# The parent appends, forks and closes; the child waits for that, and only then appends.
FORKS = """
import os, sys
from banditroute.store.databases import sqlite
from banditroute.store.sql.store import SqlStore
from banditroute.testing import a_decision, append, open_router

if "careless" in sys.argv:
    sqlite.Sqlite.before_fork = lambda self: None
    sqlite.Sqlite.after_fork = lambda self, *, in_child: None

store = SqlStore(sys.argv[1])
open_router(store)
append(store, a_decision(1))
queued = [store.append([a_decision(number)]) for number in range(100, 200)]
if "careless" in sys.argv:
    store.flush()
closed, close = os.pipe()
child = os.fork()
if child == 0:
    os.close(close)
    os.read(closed, 1)
    append(store, a_decision(2))
    assert [record.number for record in store.events(others=True)] == list(range(1, 103))
    os._exit(0)
os.close(closed)
append(store, a_decision(3))
store.close()
os.close(close)
assert all(future.done() for future in queued)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def decided_after_fork(url: str, *words: str) -> list[int]:
    """The decisions that are in the log when parent and child have ended."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS, url, *words], check=not words, timeout=60)
    store = SqlStore(url)
    open_router(store)
    found = [int.from_bytes(r.decision_key, "big") for r in store.events() if isinstance(r, DecisionRecord)]
    store.close()
    return sorted(found)


EVERYTHING = [1, 2, 3, *range(100, 200)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_is_another_worker(tmp_path: Path, postgres_url: str) -> None:
    assert decided_after_fork(f"sqlite:///{tmp_path}/forked.db") == EVERYTHING
    assert decided_after_fork(postgres_url) == EVERYTHING


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_connection_that_is_carried_into_the_child_loses_rows(tmp_path: Path) -> None:
    """The negative control: the child's rows go into a write-ahead log that its parent has removed."""
    assert decided_after_fork(f"sqlite:///{tmp_path}/careless.db", "careless") != EVERYTHING
