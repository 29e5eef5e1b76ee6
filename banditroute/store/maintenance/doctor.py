"""Diagnosis: conditions of a database and its surroundings that could lose or corrupt a log."""

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from sqlalchemy import Connection, Table, func, select, text

from banditroute.errors import BanditRouteError, SchemaVersionError
from banditroute.store.databases.base import Database
from banditroute.store.databases.sqlite import Sqlite
from banditroute.store.databases.url import database_at, default_spool
from banditroute.store.schema import tables
from banditroute.store.schema.version import check_version, found_version
from banditroute.store.sql.encode import REFUSED

Level: TypeAlias = Literal["ok", "warning", "error"]

SKEW_S, BAD_SKEW_S = 2.0, 60.0
"""Difference between the clocks of host and database that gives a warning, and an error [s]."""

_MOUNTS = Path("/proc/self/mounts")
_REMOTE = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs"}
    | {"lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        level: ``"ok"``, ``"warning"`` for a problem that may come, ``"error"`` for a present problem.
        subject: What was checked.
        says: The result, in one sentence.
        advice: The remedy; empty for ``"ok"``.
    """

    level: Level
    subject: str
    says: str
    advice: str = ""


def diagnose(
    url: str,
    *,
    spool: Path | None = None,
    now: Callable[[], float] = time.time,
    sqlite_version: tuple[int, ...] = sqlite3.sqlite_version_info,
    mounts: Path = _MOUNTS,
) -> list[Finding]:
    """Run all checks; changes nothing.

    ``spool`` is the spool directory of the routers, if it is not the default one.

    Raises:
        InvalidArgumentError: for a URL that names no supported database, or no file.
    """
    database = database_at(url)
    database.must_exist()
    findings = []
    if isinstance(database, Sqlite):
        findings += [of_sqlite(sqlite_version), of_file_system(database.path, mounts)]
    try:
        findings += _of_content(database, now)
    except BanditRouteError as error:
        findings.append(Finding("error", "database", str(error), "make it reachable and readable for this user"))
    finally:
        database.dispose()
    return [*findings, of_spools(default_spool(url) if spool is None else spool)]


def of_sqlite(version: Sequence[int]) -> Finding:
    """Check for the bug of some SQLite versions that loses commits when a write-ahead log is reset."""
    number = ".".join(map(str, version[:3]))
    release = tuple(version[:3])
    repaired = release >= (3, 51, 3) or (3, 50, 7) <= release < (3, 51, 0) or (3, 44, 6) <= release < (3, 45, 0)
    if release < (3, 7, 0) or repaired:
        return Finding("ok", "SQLite", f"SQLite {number} does not have the WAL-reset bug")
    return Finding(
        "warning",
        "SQLite",
        f"SQLite {number} has the WAL-reset bug (3.7.0 to 3.51.2): two processes that write and checkpoint at the "
        "same time may, very rarely, corrupt the file",
        "use SQLite 3.51.3 or newer (or 3.50.7, 3.44.6), one process, or PostgreSQL",
    )


def of_file_system(path: Path, mounts: Path = _MOUNTS) -> Finding:
    """Check that a file is on a file system where the locks of SQLite work."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return Finding("ok", "file system", "unknown: this system does not list its file systems")
    here = path.resolve()
    kinds = [(Path(_unescaped(mount)), kind) for _, mount, kind, *_ in (line.split(" ") for line in lines if line)]
    around = [(len(mount.parts), kind) for mount, kind in kinds if here.is_relative_to(mount)]
    # Of two file systems mounted at one path, the later one is visible.
    kind = max(enumerate(around), key=lambda each: (each[1][0], each[0]), default=(0, (0, "unknown")))[1][1]
    if kind in _REMOTE:
        return Finding(
            "error",
            "file system",
            f"the file is on a network file system ({kind}), where SQLite's locks do not work",
            "move it to a local disk, or use PostgreSQL",
        )
    return Finding("ok", "file system", f"the file is on a local file system ({kind})")


def of_spools(directory: Path | None) -> Finding:
    """Check for spool files that wait to be replayed."""
    waiting = _files(directory, "*.spool")
    refused = _files(directory, "*.refused")
    if refused:
        return Finding(
            "warning",
            "spool",
            f"{len(refused)} spool files contain records that contradicted the log",
            "rename them to .spool to replay them again, or delete them",
        )
    if waiting:
        return Finding(
            "warning",
            "spool",
            f"{len(waiting)} spool files ({sum(file.stat().st_size for file in waiting)} bytes) wait, unless a "
            "running router is replaying them",
            "open their router once on this host",
        )
    return Finding("ok", "spool", "no spool file waits")


def _of_content(database: Database, now: Callable[[], float]) -> Iterator[Finding]:
    with database.read("cannot diagnose") as connection:
        if isinstance(database, Sqlite):
            yield _of_pages(connection)
        else:
            yield from _of_server(connection, now)
        finding = _of_schema(connection)
        yield finding
        if finding.level == "ok":
            yield from _of_rows(connection)


def _of_pages(connection: Connection) -> Finding:
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found == "ok":
        return Finding("ok", "pages", "SQLite reports all pages valid")
    return Finding("error", "pages", f"SQLite reports a damaged file ({found})", "restore a backup")


def _of_server(connection: Connection, now: Callable[[], float]) -> Iterator[Finding]:
    lossy: dict[str, tuple[Level, str]] = {
        "fsync": ("error", "a crash may corrupt the database"),
        "full_page_writes": ("warning", "a crash may corrupt the database"),
        "synchronous_commit": ("warning", "a crash may lose acknowledged feedback"),
    }
    for name, (level, harm) in lossy.items():
        value = connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one()
        if value == "off":
            yield Finding(level, name, f"PostgreSQL runs with {name}=off: {harm}", f"set {name}=on")
        else:
            yield Finding("ok", name, f"PostgreSQL runs with {name}={value}")
    server_s = float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
    yield of_clocks(now() - server_s)


def of_clocks(skew_s: float) -> Finding:
    """Check that host and database have the same time."""
    if abs(skew_s) <= SKEW_S:
        return Finding("ok", "clock", "the clocks of this host and the database agree")
    level: Level = "error" if abs(skew_s) > BAD_SKEW_S else "warning"
    return Finding(
        level,
        "clock",
        f"this host's clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the database's",
        "synchronise both; windows, prices and retention use the host's clock",
    )


def _of_schema(connection: Connection) -> Finding:
    version = found_version(connection)
    if version is None:
        return Finding(
            "error", "schema", "the database has no tables of this library", "run 'banditroute db init'"
        )
    try:
        check_version(version)
    except SchemaVersionError as error:
        advice = "run 'banditroute db upgrade'" if error.code == "schema.old" else "upgrade banditroute"
        return Finding("error", "schema", str(error), advice)
    return Finding("ok", "schema", f"the schema is at version {version}, as this library needs")


def _of_rows(connection: Connection) -> Iterator[Finding]:
    sums, base = _damaged(connection, tables.state), _damaged(connection, tables.base)
    snapshots = _damaged(connection, tables.snapshot)
    if base:
        yield Finding(
            "error",
            "checksums",
            f"{base} base sums of compacted logs fail their checksum",
            "restore a backup: their log was compacted",
        )
    if sums:
        yield Finding(
            "error", "checksums", f"{sums} stored sums fail their checksum", "run 'banditroute db verify'"
        )
    if snapshots:
        yield Finding(
            "warning",
            "checksums",
            f"{snapshots} snapshots fail their checksum, and are skipped",
            "check the disk; run 'banditroute db verify'",
        )
    if not (base or sums or snapshots):
        yield Finding("ok", "checksums", "the checksums of all sums and snapshots are valid")
    feedback = tables.feedback.c
    refused = connection.scalar(select(func.count()).where(feedback.kind == REFUSED)) or 0
    if refused:
        yield Finding(
            "warning",
            "corrupted rows",
            f"{refused} feedbacks could not be learned when they arrived, and are skipped",
            "find the program that wrote them; 'banditroute db verify' lists them",
        )
    orphans = select(func.count()).where(
        feedback.learned.is_(None),
        ~select(tables.decision.c.decision_id).where(tables.with_decision).exists(),
    )
    reports = select(func.count()).select_from(tables.report)
    lost = (connection.scalar(orphans) or 0) + (connection.scalar(reports) or 0)
    if lost:
        yield Finding(
            "warning",
            "orphans",
            f"{lost} feedbacks wait for decisions that are not stored",
            "replay the spools of the hosts that made these decisions",
        )
    else:
        yield Finding("ok", "orphans", "no feedback waits for a missing decision")


def _damaged(connection: Connection, table: Table) -> int:
    rows = connection.execute(select(table.c.blob, table.c.sha256))
    return sum(hashlib.sha256(row.blob).digest() != row.sha256 for row in rows)


def _files(directory: Path | None, pattern: str) -> list[Path]:
    return [] if directory is None or not directory.is_dir() else sorted(directory.glob(pattern))


def _unescaped(mount: str) -> str:
    """Decode the octal escapes of blanks in mount points."""
    return mount.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
