"""A process is killed at any moment: nothing acknowledged is lost, nothing is counted twice."""

import hashlib
import random
import sqlite3
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from banditroute.records import DecisionRecord, FeedbackRecord, StateKey
from banditroute.store.sql import SqlStore
from banditroute.testing import a_decision, append, feedback_of, open_router, summing
from tests.store.child import PATIENCE, Child
from tests.store.victim import SplitStore, append_for_ever

KILLS = 50


def faults(path: Path, acknowledged: set[int]) -> Iterator[str]:
    """What is wrong with the database that a killed process left behind."""
    store = SqlStore(f"sqlite:///{path}")
    end = open_router(store).end
    events = list(store.events())
    feedback = [record for record in events if isinstance(record, FeedbackRecord)]
    learned = [record.learned for record in feedback]
    decided = [record.decided for record in events if isinstance(record, DecisionRecord)]
    store.close()
    if not acknowledged <= set(learned):
        yield "an acknowledged feedback is lost"
    if learned != list(range(1, end.learned + 1)) or decided != learned:
        yield "the log has gaps, doubles or halves"
    database = sqlite3.connect(path)
    with database:
        if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            yield "the file is corrupt"
        state = database.execute(
            "SELECT br_arm.name, objective_group, epoch, blob, sha256 FROM br_state JOIN br_arm USING (arm_id)"
        ).fetchall()
        ledger = database.execute("SELECT fold_no, first_seq, last_seq FROM br_fold ORDER BY fold_no").fetchall()
    database.close()
    if {StateKey(*row[:3]): row[3] for row in state} != summing({}, feedback):
        yield "the sums are not those of the log"
    if any(hashlib.sha256(blob).digest() != digest for *_, blob, digest in state):
        yield "a sum fails its checksum"
    last = 0
    for number, (fold_no, first, until) in enumerate(ledger, 1):
        if (fold_no, first) != (number, last + 1):
            yield "the ledger has a gap"
        last = until
    if last != end.learned:
        yield "the ledger does not end where the log does"


def killed(
    tmp_path: Path, kind: type[SqlStore], seed: int, longest: float = 0.13
) -> Generator[set[str], None, None]:
    """Kill one child after the other and say what each left wrong; the next one runs while this one is checked."""
    moments = random.Random(seed)
    path = tmp_path / "0.db"
    child = Child.start(append_for_ever, f"sqlite:///{path}", kind)
    for number in range(1, KILLS + 1):
        acknowledged = child.acknowledged_until_dead(kill_after=moments.uniform(0.0, longest))
        left, path = path, tmp_path / f"{number}.db"
        child = Child.start(append_for_ever, f"sqlite:///{path}", kind)
        try:
            assert acknowledged
            yield set(faults(left, acknowledged))
        except BaseException:
            child.end()
            raise
    child.end()


def test_kill_at_any_moment(tmp_path: Path) -> None:
    assert list(killed(tmp_path, SqlStore, seed=20261122)) == [set()] * KILLS


def test_a_second_transaction_for_the_state_is_caught(tmp_path: Path) -> None:
    """The negative control: the test above must be able to fail."""
    children = killed(tmp_path, SplitStore, seed=20261123, longest=0.03)
    assert any("the sums are not those of the log" in wrong for wrong in children)
    children.close()


LEAVES = """
import sys
from banditroute.store.sql import SqlStore
from banditroute.testing import a_decision, feedback_of, open_router
store = SqlStore(sys.argv[1])
open_router(store)
for number in range(1, 701):
    decision = a_decision(number, number - 1)
    store.append([decision, feedback_of(decision, number)])
"""


def test_leaving_without_close_keeps_everything(tmp_path: Path) -> None:
    """The end of the interpreter drains the queue, though nobody waited for a future."""
    path = tmp_path / "left.db"
    subprocess.run([sys.executable, "-c", LEAVES, f"sqlite:///{path}"], check=True, timeout=PATIENCE)
    assert list(faults(path, set(range(1, 701)))) == []


def test_an_exit_without_cleanup_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    """A multiprocessing child ends by ``os._exit``, past every handler."""
    path = tmp_path / "left.db"
    child = Child.start(append_for_ever, f"sqlite:///{path}", SqlStore, 1_500)
    acknowledged = child.acknowledged_until_dead(kill_after=None)
    assert child.process.exitcode == 0
    assert acknowledged
    assert list(faults(path, acknowledged)) == []


@pytest.mark.parametrize("missing", ["acknowledged", "state", "ledger"])
def test_the_check_sees_what_is_missing(tmp_path: Path, missing: str) -> None:
    """Each fault, made on purpose, is named."""
    path = tmp_path / "damaged.db"
    append_three(path)
    assert list(faults(path, {1, 2, 3})) == []
    if missing == "acknowledged":
        assert "an acknowledged feedback is lost" in set(faults(path, {4}))
        return
    database = sqlite3.connect(path)
    with database:
        database.execute("DELETE FROM br_state" if missing == "state" else "DELETE FROM br_fold")
    database.close()
    assert any(missing in wrong or "sums" in wrong for wrong in faults(path, set()))


def append_three(path: Path) -> None:
    store = SqlStore(f"sqlite:///{path}")
    open_router(store)
    for number in (1, 2, 3):
        decision = a_decision(number, number - 1)
        append(store, decision, feedback_of(decision, number))
    store.close()
