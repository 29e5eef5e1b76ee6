"""However a process ends, what it acknowledged stays; kills at any moment are row K1 of the reliability study."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from banditroute.store.sql import SqlStore
from banditroute.testing import a_decision, append, feedback_of
from simulations.reliability.child import PATIENCE, Child
from simulations.reliability.damage import Damage, damage
from simulations.reliability.victim import opened

LEAVES = """
import sys
from banditroute.store.sql import SqlStore
from banditroute.testing import a_decision, feedback_of
from simulations.reliability.victim import opened
store = SqlStore(sys.argv[1])
opened(store)
for number in range(1, 701):
    decision = a_decision(number, number - 1)
    store.append([decision, feedback_of(decision, number)])
"""


def test_leaving_without_close_keeps_everything(tmp_path: Path) -> None:
    """The end of the interpreter drains the queue, though nobody waited for a future."""
    path = tmp_path / "left.db"
    subprocess.run([sys.executable, "-c", LEAVES, f"sqlite:///{path}"], check=True, timeout=PATIENCE)
    assert damage(path, set(range(1, 701))) == Damage(acknowledged=700)


def test_an_exit_without_cleanup_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    """A multiprocessing child ends by ``os._exit``, past every handler."""
    child = Child.start(tmp_path / "left.db", SqlStore, appends=1_500)
    acknowledged = child.acknowledged_until_dead(kill_after=None)
    assert child.process.exitcode == 0
    assert acknowledged
    assert damage(child.path, acknowledged).none


WOUNDS = {
    "differing state": "DELETE FROM br_state",
    "differing ledger": "DELETE FROM br_fold",
    "differing checksum": "UPDATE br_state SET sha256 = zeroblob(32)",
    "holes": "DELETE FROM br_feedback WHERE learned = 2",
    "lost": "DELETE FROM br_feedback WHERE learned = 3",
    "corrupt": "DROP TABLE br_decision",
}


@pytest.mark.parametrize("wound", WOUNDS)
def test_the_check_sees_what_is_missing(tmp_path: Path, wound: str) -> None:
    """Each fault, made on purpose, is counted under its name."""
    path = tmp_path / "damaged.db"
    append_three(path)
    assert damage(path, {1, 2, 3}).none
    assert damage(path, {4}).lost == 1
    database = sqlite3.connect(path)
    with database:
        database.execute(WOUNDS[wound])
    database.close()
    assert getattr(damage(path, {1, 2, 3}), wound.split()[0]) > 0


def append_three(path: Path) -> None:
    store = SqlStore(f"sqlite:///{path}")
    opened(store)
    for number in (1, 2, 3):
        decision = a_decision(number, number - 1)
        append(store, decision, feedback_of(decision, number))
    store.close()
