"""A process is killed at any moment: nothing acknowledged is lost, nothing is counted twice."""

import hashlib
import multiprocessing
import os
import random
import select
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from banditroute.records import DecisionRecord, FeedbackRecord, StateKey
from banditroute.store.sql import SqlStore
from banditroute.testing import a_decision, append, feedback_of, open_router, summing
from tests.store.victim import ACK, SplitStore, append_for_ever

KILLS = 50
PATIENCE = 30.0


@dataclass
class Child:
    path: Path
    process: ForkServerProcess
    acks: Connection

    @classmethod
    def start(cls, path: Path, kind: type[SqlStore], appends: int | None = None) -> "Child":
        # The server has imported everything once, so that a child costs a fork and no import.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.store.victim", "pytest"])
        acks, write_end = context.Pipe(duplex=False)
        process = context.Process(target=_child, args=(f"sqlite:///{path}", write_end, kind, appends))
        process.start()
        write_end.close()
        return cls(path, process, acks)

    def end(self) -> None:
        self.process.kill()
        self.process.join(PATIENCE)
        self.acks.close()

    def acknowledged_until_dead(self, *, kill_after: float | None) -> set[int]:
        """Read numbers; from the first one on, let the child live ``kill_after`` [s], then kill it."""
        received = b""
        deadline = None
        while True:
            wait = PATIENCE if deadline is None else max(deadline - time.monotonic(), 0.0)
            readable, _, _ = select.select([self.acks], [], [], wait)
            if not readable:
                assert deadline is not None, "the child stored nothing"
                self.process.kill()
                deadline = None
                kill_after = None
                continue
            chunk = os.read(self.acks.fileno(), 1 << 16)
            if not chunk:
                break
            received += chunk
            if deadline is None and kill_after is not None:
                deadline = time.monotonic() + kill_after
        self.process.join(PATIENCE)
        self.acks.close()
        whole = len(received) - len(received) % ACK.size
        return {number for (number,) in ACK.iter_unpack(received[:whole])}


def _child(url: str, acks: Connection, kind: type[SqlStore], appends: int | None) -> None:
    append_for_ever(url, acks.fileno(), kind, appends)


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
    child = Child.start(tmp_path / "0.db", kind)
    for number in range(1, KILLS + 1):
        acknowledged = child.acknowledged_until_dead(kill_after=moments.uniform(0.0, longest))
        path = child.path
        child = Child.start(tmp_path / f"{number}.db", kind)
        try:
            assert acknowledged
            yield set(faults(path, acknowledged))
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
    child = Child.start(tmp_path / "left.db", SqlStore, appends=1_500)
    acknowledged = child.acknowledged_until_dead(kill_after=None)
    assert child.process.exitcode == 0
    assert acknowledged
    assert list(faults(child.path, acknowledged)) == []


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
