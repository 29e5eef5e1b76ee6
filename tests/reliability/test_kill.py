"""A process ends without closing its store: what was acknowledged is in it. Kills are K1 and K3 of the study."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from banditroute.store.sql.store import SqlStore
from banditroute.testing import append
from simulations.reliability.harness.child import PATIENCE, Child
from simulations.reliability.harness.damage import Damage, damage
from simulations.reliability.harness.victim import a_pair, append_for_ever, opened

LEAVES = """
import sys
from banditroute.store.sql.store import SqlStore
from simulations.reliability.harness.victim import a_pair, opened
store = SqlStore(sys.argv[1])
opened(store)
for number in range(1, 701):
    store.append(a_pair(number))
"""


def test_leaving_without_close_keeps_everything(tmp_path: Path) -> None:
    """The end of the interpreter drains the queue, though nobody waited for a future."""
    path = tmp_path / "left.db"
    subprocess.run([sys.executable, "-c", LEAVES, f"sqlite:///{path}"], check=True, timeout=PATIENCE)
    assert damage(path, set(range(1, 701))) == Damage(acknowledged=700)


def test_an_exit_without_cleanup_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    """A multiprocessing child ends by ``os._exit``, past every handler."""
    path = tmp_path / "left.db"
    child = Child.start(append_for_ever, f"sqlite:///{path}", SqlStore, 1_500)
    acknowledged = child.acknowledged_until_dead(kill_after=None)
    assert child.process.exitcode == 0
    assert acknowledged
    assert damage(path, acknowledged).none


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A database with three feedbacks."""
    path = tmp_path / "left.db"
    store = SqlStore(f"sqlite:///{path}")
    opened(store)
    for number in (1, 2, 3):
        append(store, *a_pair(number))
    store.close()
    assert damage(path, {1, 2, 3}) == Damage(acknowledged=3)
    return path


def test_a_lost_acknowledgement_is_seen(left: Path) -> None:
    assert damage(left, {3, 4}).lost == 1


@pytest.mark.parametrize("table", ["br_state", "br_fold"])
def test_what_is_missing_is_seen(left: Path, table: str) -> None:
    """Each fault, made on purpose, is named."""
    database = sqlite3.connect(left)
    with database:
        database.execute(f"DELETE FROM {table}")  # noqa: S608  (of two literals)
    database.close()
    assert damage(left, set()).differing
