from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from banditroute.store.diagnosis import Finding, Level, diagnose, of_clocks, of_file_system, of_spools, of_sqlite
from banditroute.store.setup import init


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
    near, far = tmp_path / "near", tmp_path / "far away"
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"disk / ext4 rw 0 0\nserver:/x {str(far).replace(' ', chr(92) + '040')} nfs4 rw 0 0\n"
        f"server:/y {near} cifs rw 0 0\ndisk {near} xfs rw 0 0\n",
        encoding="utf-8",
    )
    levels = {place: of_file_system(place / "routing.db", mounts).level for place in (near, far, tmp_path)}
    assert levels == {near: "ok", far: "error", tmp_path: "ok"}
    assert of_file_system(near, tmp_path / "none").level == "ok"


@pytest.mark.parametrize(("skew", "level"), [(0.5, "ok"), (-3.0, "warning"), (61.0, "error"), (-61.0, "error")])
def test_clocks(skew: float, level: Level) -> None:
    assert of_clocks(skew).level == level


def test_spools_that_were_left_behind(tmp_path: Path) -> None:
    assert of_spools(None).level == of_spools(tmp_path / "none").level == of_spools(tmp_path).level == "ok"
    (tmp_path / "a-1.spool").write_bytes(b"12345")
    assert "1 spool files (5 bytes) wait" in of_spools(tmp_path).says
    (tmp_path / "a-2.refused").touch()
    assert "1 spool files hold records that contradicted the log" in of_spools(tmp_path).says


def test_a_damaged_file_and_one_without_tables(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all" * 100)
    (tmp_path / "empty.db").touch()
    (wrong,) = errors(diagnose(f"sqlite:///{tmp_path}/text.db"))
    assert "file is not a database" in wrong.says
    (wrong,) = errors(diagnose(f"sqlite:///{tmp_path}/empty.db"))
    assert wrong.advice == "run 'banditroute db init'"


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
