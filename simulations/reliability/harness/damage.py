"""What is wrong with the database that a process left behind."""

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from banditroute.core.log import DecisionRecord, FeedbackRecord, StateKey
from banditroute.errors import StoreError
from banditroute.store.sql.store import SqlStore
from simulations.reliability.harness.victim import FOLD, opened


@dataclass(slots=True)
class Damage:
    """Counts, summed over databases; all but the first must be 0.

    Attributes:
        acknowledged: Feedbacks that were acknowledged.
        lost: Those of them that are not in the log.
        holes: Numbers in the log that are missing or twice, decisions without their feedback or the reverse.
        corrupt: Databases that cannot be opened, or fail SQLite's own check.
        differing: Databases whose sums are not, bit for bit, those of their log folded again, or whose ledger is
            not gapless up to its end.
    """

    acknowledged: int = 0
    lost: int = 0
    holes: int = 0
    corrupt: int = 0
    differing: int = 0

    def __add__(self, other: "Damage") -> "Damage":
        return Damage(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def none(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.holes or self.corrupt or self.differing)

    def figures(self) -> dict[str, int]:
        """As figures of a finding."""
        return {
            "acknowledged": self.acknowledged,
            "lost": self.lost,
            "gaps, doubles or halves": self.holes,
            "corrupt": self.corrupt,
            "state ≠ replay": self.differing,
        }


def damage(path: Path, acknowledged: set[int]) -> Damage:
    """Look at one database of a victim."""
    try:
        return _looked_at(path, acknowledged)
    except (StoreError, sqlite3.DatabaseError):
        return Damage(len(acknowledged), corrupt=1)


def _looked_at(path: Path, acknowledged: set[int]) -> Damage:
    store = SqlStore(f"sqlite:///{path}")
    end = opened(store).end
    events = list(store.events())
    store.close()
    feedback = [record for record in events if isinstance(record, FeedbackRecord)]
    learned = [record.number for record in feedback]
    decided = [record.number for record in events if isinstance(record, DecisionRecord)]
    found = Damage(len(acknowledged), lost=len(acknowledged - set(learned)))
    whole = range(1, end.n_feedback + 1)
    found.holes = (
        len(set(whole) ^ set(learned)) + len(learned) - len(set(learned)) + len(set(decided) ^ set(learned))
    )
    database = sqlite3.connect(path)
    try:
        found.corrupt = int(database.execute("PRAGMA integrity_check").fetchone() != ("ok",))
        found.differing = int(any(_differences(database, feedback, end.n_feedback)))
    finally:
        database.close()
    return found


def _differences(database: sqlite3.Connection, feedback: list[FeedbackRecord], end: int) -> Iterator[bool]:
    state = database.execute(
        "SELECT br_arm.name, objective_group, epoch, blob, sha256 FROM br_state JOIN br_arm USING (arm_id)"
    ).fetchall()
    yield {StateKey(*row[:3]): row[3] for row in state} != FOLD({}, feedback)
    yield any(hashlib.sha256(blob).digest() != digest for *_, blob, digest in state)
    last = 0
    folds = database.execute("SELECT fold_no, first_seq, last_seq FROM br_fold ORDER BY fold_no")
    for number, (fold_no, first, until) in enumerate(folds, 1):
        yield (fold_no, first) != (number, last + 1)
        last = until
    yield last != end
