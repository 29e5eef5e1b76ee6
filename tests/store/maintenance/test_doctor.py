import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from banditroute.store.maintenance.doctor import (
    Finding,
    Level,
    diagnose,
    of_clocks,
    of_file_system,
    of_spools,
    of_sqlite,
)
from banditroute.store.maintenance.setup import init
from banditroute.store.sql.store import SqlStore
from banditroute.testing import a_decision, a_report, append, feedback_of, open_router


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ((3, 6, 23), "ok"),
        ((3, 7, 0), "warning"),
        ((3, 40, 1), "warning"),
        ((3, 44, 5), "warning"),
        ((3, 44, 6), "ok"),
        ((3, 45, 0), "warning"),
        ((3, 50, 6), "warning"),
        ((3, 50, 7), "ok"),
        ((3, 51, 2), "warning"),
        ((3, 51, 3), "ok"),
        ((3, 53, 0), "ok"),
    ],
)
def test_versions_of_sqlite_with_the_reset_bug(version: tuple[int, ...], level: str) -> None:
    assert of_sqlite(version).level == level


def test_network_file_systems_are_found_by_the_longest_mount(tmp_path: Path) -> None:
    near, far, tabbed = tmp_path / "near", tmp_path / "far away", tmp_path / "a\t\\b"
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"disk / ext4 rw 0 0\nserver:/x {str(far).replace(' ', chr(92) + '040')} nfs4 rw 0 0\n"
        f"server:/y {near} cifs rw 0 0\ndisk {near} xfs rw 0 0\n"
        f"server:/z {tabbed.parent}/a\\011\\134b nfs rw 0 0\n",
        encoding="utf-8",
    )
    levels = {place: of_file_system(place / "routing.db", mounts).level for place in (near, far, tabbed, tmp_path)}
    assert levels == {near: "ok", far: "error", tabbed: "error", tmp_path: "ok"}
    assert of_file_system(near, tmp_path / "none").level == "ok"


@pytest.mark.parametrize(("skew", "level"), [(0.5, "ok"), (-3.0, "warning"), (61.0, "error"), (-61.0, "error")])
def test_clocks(skew: float, level: Level) -> None:
    assert of_clocks(skew).level == level


def test_spools_that_were_left_behind(tmp_path: Path) -> None:
    assert of_spools(None).level == of_spools(tmp_path / "none").level == of_spools(tmp_path).level == "ok"
    (tmp_path / "a-1.spool").write_bytes(b"12345")
    assert "1 spool files (5 bytes) wait" in of_spools(tmp_path).says
    assert of_spools(tmp_path).level == "warning"
    (tmp_path / "a-2.refused").touch()
    assert "1 spool files contain records that contradicted the log" in of_spools(tmp_path).says


def test_a_damaged_file_and_one_without_tables(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all" * 100)
    (tmp_path / "empty.db").touch()
    (wrong,) = errors(diagnose(f"sqlite:///{tmp_path}/text.db"))
    assert "file is not a database" in wrong.says
    (wrong,) = errors(diagnose(f"sqlite:///{tmp_path}/empty.db"))
    assert wrong.advice == "run 'banditroute db init'"


def test_damaged_pages(tmp_path: Path) -> None:
    path = tmp_path / "routing.db"
    store = SqlStore(f"sqlite:///{path}")
    open_router(store)
    for number in range(1, 200):
        store.append([a_decision(number)])
    store.close()
    content = bytearray(path.read_bytes())
    # The last pages are those of decisions; the first ones say what there is.
    content[-8_192:] = b"x" * 8_192
    path.write_bytes(content)
    found = {each.subject: each for each in diagnose(f"sqlite:///{path}")}
    assert (found["pages"].level, found["pages"].advice) == ("error", "restore a backup")
    assert found["pages"].says.startswith("SQLite reports a damaged file (")


def execute(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    with database:
        assert database.execute(statement).rowcount
    database.close()


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (
            "UPDATE br_state SET blob = x'00'",
            ("error", "checksums", "2 stored sums fail their checksum", "run 'banditroute db verify'"),
        ),
        (
            "INSERT INTO br_base SELECT router_id, arm_id, objective_group, epoch, x'00', sha256 FROM br_state",
            ("error", "checksums", "2 base sums of compacted logs fail their checksum", "restore a backup: "),
        ),
        (
            "INSERT INTO br_snapshot VALUES (1, 3, 3, x'00', zeroblob(32), 0)",
            (
                "warning",
                "checksums",
                "1 snapshots fail their checksum, and are skipped",
                "check the disk",
            ),
        ),
        (
            "UPDATE br_feedback SET kind = 'refused' WHERE learned = 1",
            (
                "warning",
                "corrupted rows",
                "1 feedbacks could not be learned when they arrived",
                "find the program",
            ),
        ),
        (
            "UPDATE br_feedback SET learned = NULL, body = zeroblob(16) WHERE learned = 2",
            ("warning", "orphans", "2 feedbacks wait for decisions that are not stored", "replay the spools"),
        ),
        (
            "UPDATE br_alembic_version SET version_num = '0000'",
            ("error", "schema", "", "run 'banditroute db upgrade'"),
        ),
        (
            "UPDATE br_alembic_version SET version_num = '9999'",
            ("error", "schema", "newer than this library", "upgrade banditroute"),
        ),
    ],
)
def test_each_damage_is_found_and_nothing_else(
    tmp_path: Path, damage: str, found: tuple[str, str, str, str]
) -> None:
    path = tmp_path / "routing.db"
    store = SqlStore(f"sqlite:///{path}")
    open_router(store)
    one, two = a_decision(1), a_decision(2)
    append(store, one, two, feedback_of(one, 1), feedback_of(two, 2))
    append(store, a_report(a_decision(3), 0.5))
    store.close()
    before = {each.subject: each for each in diagnose(f"sqlite:///{path}")}
    assert before["orphans"].says == "1 feedbacks wait for decisions that are not stored"
    assert {name: each.level for name, each in before.items() if name in ("pages", "schema", "checksums")} == {
        "pages": "ok", "schema": "ok", "checksums": "ok",
    }  # fmt: skip
    assert "corrupted rows" not in before
    execute(path, damage)
    after = {each.subject: each for each in diagnose(f"sqlite:///{path}")}
    (new,) = [each for name, each in after.items() if before.get(name) != each]
    assert (new.level, new.subject) == found[:2]
    assert found[2] in new.says
    assert (new.advice or "").startswith(found[3])


def test_a_server(postgres_url: str) -> None:
    assert init(postgres_url)
    assert not init(postgres_url)
    found = {each.subject: each.level for each in diagnose(postgres_url)}
    assert found.items() >= {"schema": "ok", "clock": "ok", "checksums": "ok", "orphans": "ok"}.items()
    name = make_url(postgres_url).database
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
        try:
            found = {each.subject: each.level for each in diagnose(postgres_url, now=lambda: 0.0)}
        finally:
            connection.exec_driver_sql(f"ALTER DATABASE {name} RESET synchronous_commit")
    engine.dispose()
    assert (found["synchronous_commit"], found["clock"]) == ("warning", "error")


def errors(findings: list[Finding]) -> list[Finding]:
    return [each for each in findings if each.level == "error"]
