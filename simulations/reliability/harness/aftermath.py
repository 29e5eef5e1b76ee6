"""What is wrong with a disk on which a process was killed."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from banditroute.core.log import FeedbackRecord, LogRecord
from banditroute.router.log_check import fold_of
from banditroute.store.maintenance.upgrade import upgrade
from banditroute.store.maintenance.verify import verify
from banditroute.store.spool.codec import decoded
from banditroute.store.spool.file import Spool
from banditroute.store.sql.store import SqlStore
from banditroute.testing.world import a_router, url
from simulations.reliability.harness.activities import (
    DATABASE,
    DONE,
    OTHERWISE,
    SPOOL,
    Activity,
    live,
    opened,
    quality,
)

AFTERWARDS = 900
_GROUPS = ("quality", "response")


@dataclass(slots=True)
class Aftermath:
    """Counts, summed over disks; all of them must be 0.

    Attributes:
        unrecoverable: Disks on which the router cannot be opened, or goes on badly.
        lost: What was acknowledged and is not there, feedbacks and finished work.
        doubled: Feedbacks that are there more than once.
        differing: Disks whose sums are not, bit for bit, those of their log, or not those of before where
            nothing was to change.
        why: The first thing that is wrong, in words.
        digest: Of what the router knew, of one disk.
    """

    unrecoverable: int = 0
    lost: int = 0
    doubled: int = 0
    differing: int = 0
    why: str = ""
    digest: str = ""

    def __add__(self, other: "Aftermath") -> "Aftermath":
        return Aftermath(
            self.unrecoverable + other.unrecoverable,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.differing + other.differing,
            self.why or other.why,
        )

    def figures(self) -> dict[str, float | str]:
        """As figures of a finding."""
        counts: dict[str, float | str] = {
            "unrecoverable": self.unrecoverable,
            "lost": self.lost,
            "doubled": self.doubled,
            "state ≠ replay": self.differing,
        }
        return counts | {"the first": self.why} if self.why else counts

    @property
    def none(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.unrecoverable or self.lost or self.doubled or self.differing)


def aftermath(disk: Path, activity: Activity, acknowledged: Sequence[int], digest: str) -> Aftermath:
    """Look at a disk, and go on there; ``digest`` is that of before, ``acknowledged`` in the order of time."""
    try:
        return _looked_at(disk, activity, acknowledged, digest)
    except Exception as error:  # noqa: BLE001  (whatever it is, the router did not come back)
        return Aftermath(unrecoverable=1, why=f"{type(error).__name__}: {error}")


def _looked_at(disk: Path, activity: Activity, acknowledged: Sequence[int], digest: str) -> Aftermath:
    found = Aftermath()
    unsettled = DONE in acknowledged and not activity.settled(disk)
    wrong = list(_upgraded(disk, activity, digest)) if activity.upgrades else []
    with opened(disk, first=AFTERWARDS, patience=None) as router:
        router.sync()
        found.digest = router.digest()
        live(router, (AFTERWARDS,), lambda _: None)
        grown = router.digest()
    waits = [*(disk / SPOOL).glob("*.spool"), *(disk / SPOOL).glob("*.damaged")]
    (verdict,) = verify(url(disk / DATABASE), fold_of)
    gone = verdict.compacted
    if not gone.n_decisions:
        _drop_snapshots(disk)
    store = SqlStore(url(disk / DATABASE))
    with a_router(store) as router:
        replayed = router.digest()
        events = list(store.events(gone))
    said = Counter([*_said(events), *_refused(disk)])
    # What was compacted is in the sums alone, and they are compared.
    told = [number for number in acknowledged if number != DONE]
    said.update(number for number in told[: gone.n_feedback] if not said[number])
    found.lost = unsettled + len(set(told) - said.keys())
    found.doubled = sum(count > 1 for number, count in said.items() if number < OTHERWISE)
    wrong += [*verdict.findings, *_corruption(disk)]
    if grown != replayed:
        wrong.append("the replay of the log gives another digest")
    if activity.keeps and found.digest != digest:
        wrong.append("the digest is not that of before")
    if waits:
        wrong.append(f"something waits for ever in {', '.join(path.suffix for path in waits)}")
    found.differing = bool(wrong)
    if found.lost:
        wrong.append(f"lost: {sorted(set(told) - said.keys()) or 'what was done'}")
    found.why = "; ".join(wrong)
    return found


def _upgraded(disk: Path, activity: Activity, digest: str) -> Iterator[str]:
    """What is wrong with the copies of before, if there must be one; what was cut short is done once more."""
    copies = list(disk.glob(f"{DATABASE}.before-*Z"))
    if activity.settled(disk) and not copies:
        yield "upgraded, and no copy of before is there"
    for number, copy in enumerate(copies):
        place = disk / f"restored-{number}"
        place.mkdir()
        shutil.copyfile(copy, place / DATABASE)
        upgrade(url(place / DATABASE))
        with opened(place, patience=None) as router:
            if digest and router.digest() != digest:
                yield "a copy of before holds something else"
    upgrade(url(disk / DATABASE))


def _said(records: Sequence[LogRecord]) -> Iterator[int]:
    """Return the numbers of the feedbacks that are stored as they were reported."""
    for record in records:
        if isinstance(record, FeedbackRecord):
            decision_key, kind = int.from_bytes(record.decision_key, "big"), _GROUPS.index(record.group)
            told = (
                {"quality": quality(decision_key)}
                if kind == 0
                else {"cost_usd": 0.01, "latency_s": float(decision_key % 4)}
            )
            if dict(record.outcomes) == told:
                yield 2 * decision_key + kind
            elif kind == 0:
                yield OTHERWISE + 2 * decision_key


def _refused(disk: Path) -> Iterator[int]:
    """The numbers of what was set aside, since it contradicts the log."""
    for path in (disk / SPOOL).glob("*.refused"):
        spool = Spool(path)
        yield from _said([decoded(payload) for payload in spool.peek(1_000)])
        spool.abandon()


def _drop_snapshots(disk: Path) -> None:
    with closing(sqlite3.connect(disk / DATABASE)) as database, database:
        database.execute("DELETE FROM br_snapshot")


def _corruption(disk: Path) -> Iterator[str]:
    with closing(sqlite3.connect(disk / DATABASE)) as database:
        for (line,) in database.execute("PRAGMA integrity_check"):
            if line != "ok":
                yield line
