"""Verification: sequence numbers without gaps, checksums, and sums equal to those of the log."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import Column, Connection, Row, func, select

from banditroute.core.log import Position, StateKey
from banditroute.core.spec import RouterSpec
from banditroute.errors import BanditRouteError, InvalidArgumentError
from banditroute.store.base import Fold
from banditroute.store.maintenance.views import looking_at
from banditroute.store.schema import tables
from banditroute.store.sql.base_sums import bases
from banditroute.store.sql.encode import REFUSED, to_spec
from banditroute.store.sql.read import arm_ids, compacted, decision_chunks, feedback_chunks, log_end
from banditroute.store.sql.rows import OnSkip, SkippedRows, readable


@dataclass(frozen=True, slots=True)
class Verdict:
    """The findings on one router.

    Attributes:
        name, tenant: Whose.
        replayed: How many feedbacks were folded again.
        compared: How many sums were compared with them, bit for bit.
        compacted: How far the log was gone; the sums of that are taken as they are.
        findings: One sentence for each thing that is wrong.
    """

    name: str
    tenant: str
    replayed: int
    compared: int
    compacted: Position
    findings: tuple[str, ...]


def verify(
    url: str, fold_for: Callable[[RouterSpec], Fold], *, router: str | None = None, tenant: str = ""
) -> list[Verdict]:
    """Replay the log of one router, or of all, and compare the stored sums with it; reads only.

    Raises:
        InvalidArgumentError: if there is no such database or router.
        SchemaVersionError: if its schema is not this library's.
    """
    with looking_at(url) as database, database.read("cannot verify") as connection:
        database.hold_still(connection)
        table = tables.router
        rows = connection.execute(select(table).order_by(table.c.tenant, table.c.name)).all()
        chosen = [row for row in rows if router is None or (row.tenant, row.name) == (tenant, router)]
        if router is not None and not chosen:
            raise InvalidArgumentError(f"no router {router!r} in this database")
        return [_verdict(connection, row, fold_for) for row in chosen]


def replayed(
    connection: Connection,
    router_id: int,
    fold: Fold,
    behind: int,
    up_to: int,
    on_skip: OnSkip | None = None,
) -> tuple[dict[StateKey, bytes], int]:
    """Return the sums at feedback ``up_to`` (base sums plus the log after ``behind``), and the number of rows.

    Raises:
        SnapshotCorruptError: if the base sums are damaged.
    """
    blobs, count = bases(connection, router_id), 0
    for chunk in feedback_chunks(connection, router_id, behind, up_to, on_skip):
        rows = readable(chunk)
        touched = {StateKey(row.arm, row.group, row.epoch) for row in rows}
        blobs.update(fold({key: blobs[key] for key in touched if key in blobs}, rows))
        count += len(chunk)
    return blobs, count


def _verdict(connection: Connection, row: Row[Any], fold_for: Callable[[RouterSpec], Fold]) -> Verdict:
    router_id = row.router_id
    gone, end = compacted(connection, router_id), log_end(connection, router_id)
    findings = [
        *_gaps(connection, router_id, tables.decision.c.decided, gone.n_decisions, end.n_decisions, "decisions"),
        *_gaps(connection, router_id, tables.feedback.c.learned, gone.n_feedback, end.n_feedback, "feedback"),
        *_folds(connection, router_id, end.n_feedback),
        *_snapshots(connection, router_id, gone),
        *_refused(connection, router_id),
    ]
    skipped = SkippedRows(findings.append)
    for _ in decision_chunks(connection, router_id, gone.n_decisions, end.n_decisions, skipped):
        pass
    stored, broken = _sums(connection, router_id)
    findings += [f"the sums of {_named(key)} fail their checksum; the next fold rebuilds them" for key in broken]
    count = 0
    try:
        fold = fold_for(to_spec(row.tenant, row.name, row.dimension, row.spec))
        replay, count = replayed(connection, router_id, fold, gone.n_feedback, end.n_feedback, skipped)
    except BanditRouteError as error:
        findings.append(f"the log cannot be replayed: {error}")
    else:
        findings += _differences(stored, replay)
    return Verdict(row.name, row.tenant, count, len(stored), gone, tuple(findings))


def _gaps(
    connection: Connection, router_id: int, number: Column[Any], behind: int, end: int, what: str
) -> Iterator[str]:
    table = number.table.c
    here = (table.router_id == router_id) & (number > behind)
    count, least = connection.execute(select(func.count(), func.min(number)).where(here)).one()
    if count == end - behind and least in (behind + 1, None):
        return
    # The index gives the numbers in order; only the first gap is reported.
    expected = behind + 1
    for found in connection.execute(select(number).where(here).order_by(number)).scalars():
        if found != expected:
            break
        expected += 1
    yield f"the numbers of {what} have a gap: {expected} is missing ({end - behind - count} in all)"


def _folds(connection: Connection, router_id: int, learned: int) -> Iterator[str]:
    fold = tables.fold.c
    rows = connection.execute(
        select(fold.fold_no, fold.first_seq, fold.last_seq)
        .where(fold.router_id == router_id)
        .order_by(fold.fold_no)
    ).all()
    for before, after in pairwise([(0, 0, 0), *rows]):
        if after[0] != before[0] + 1 or after[1] != before[2] + 1:
            yield f"the ledger of folds has a gap: after fold {before[0]} comes {after[0]}, from number {after[1]}"
            return
    last = rows[-1].last_seq if rows else 0
    if last != learned:
        yield f"the ledger of folds ends at number {last}, the feedback at {learned}"


def _snapshots(connection: Connection, router_id: int, gone: Position) -> Iterator[str]:
    snapshot = tables.snapshot.c
    good = 0
    for row in connection.execute(select(tables.snapshot).where(snapshot.router_id == router_id)):
        if hashlib.sha256(row.blob).digest() != row.sha256:
            yield f"the snapshot at feedback {row.learned} fails its checksum"
        else:
            good += row.learned >= gone.n_feedback and row.decided >= gone.n_decisions
    if gone.n_decisions and not good:
        yield "the log is compacted and no snapshot is valid: the router cannot be opened; restore a backup"


def _refused(connection: Connection, router_id: int) -> Iterator[str]:
    feedback = tables.feedback.c
    query = select(feedback.learned).where(feedback.router_id == router_id, feedback.kind == REFUSED)
    for number in connection.execute(query.order_by(feedback.learned)).scalars():
        yield f"feedback number {number} could not be learned when it arrived, and is skipped"


def _sums(connection: Connection, router_id: int) -> tuple[dict[StateKey, bytes], list[StateKey]]:
    names = arm_ids(connection, router_id).names
    stored: dict[StateKey, bytes] = {}
    broken = []
    for row in connection.execute(select(tables.state).where(tables.state.c.router_id == router_id)):
        key = StateKey(names[row.arm_id], row.objective_group, row.epoch)
        if hashlib.sha256(row.blob).digest() != row.sha256:
            broken.append(key)
        stored[key] = row.blob
    return stored, broken


def _differences(stored: Mapping[StateKey, bytes], replay: Mapping[StateKey, bytes]) -> Iterator[str]:
    for key in sorted(stored.keys() | replay.keys()):
        if key not in replay:
            yield f"the log has no feedback of {_named(key)}, but sums are stored"
        elif key not in stored:
            yield f"the sums of {_named(key)} are missing"
        elif stored[key] != replay[key]:
            yield f"the sums of {_named(key)} differ from the replay of the log"


def _named(key: StateKey) -> str:
    return f"arm {key.arm!r}, group {key.group!r}, epoch {key.epoch}"
