import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from banditroute.cli import main
from banditroute.store.schema import migrations
from banditroute.testing.world import START, World, url


@pytest.fixture
def store(tmp_path: Path) -> str:
    world = World()
    with world.open(url(tmp_path / "routing.db")) as router:
        for number in range(40):
            world.step(router, number)
            if number % 10 == 0:
                router.flush()
    return url(tmp_path / "routing.db")


def run(arguments: list[str], capsys: pytest.CaptureFixture[str], *, code: int = 0) -> Any:
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def execute(store: str, statement: str) -> None:
    database = sqlite3.connect(store.removeprefix("sqlite:///"))
    with database:
        database.execute(statement)
    database.close()


def test_init_then_current_then_upgrade(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = url(tmp_path / "new.db")
    assert main(["db", "current", store]) == 2
    assert "no database file" in capsys.readouterr().err
    for said in (
        "created the tables at schema version 0002\n",
        "nothing to do: the schema is already at version 0002\n",
    ):
        assert main(["db", "init", store]) == 0
        assert capsys.readouterr().out == said
    assert run(["db", "current", store], capsys) == {"schema": "0002", "wanted": "0002"}
    assert main(["db", "upgrade", store]) == 0
    assert capsys.readouterr().out == "nothing to do: the schema is already at version 0002\n"
    assert [path.name for path in tmp_path.iterdir()] == ["new.db"]
    assert main(["db", "verify", store]) == 0
    with World().open(store) as router:
        router.route([0.0, 0.0, 0.0])


def test_current_and_upgrade_refuse_a_database_without_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.db").touch()
    for command in ("current", "upgrade"):
        assert main(["db", command, url(tmp_path / "empty.db")]) == 2
        assert "run 'banditroute db init'" in capsys.readouterr().err


def test_upgrade_copies_the_file_first(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(store, "UPDATE br_alembic_version SET version_num = '0000'")
    ran: list[object] = []
    monkeypatch.setattr(migrations, "run", ran.append)
    assert main(["db", "upgrade", store]) == 0
    (copy,) = tmp_path.glob("routing.db.before-*")
    said = f"upgraded the schema from 0000 to 0002; a copy of the old file is {copy}\n"
    assert (capsys.readouterr().out, len(ran)) == (said, 1)
    execute(url(copy), "UPDATE br_alembic_version SET version_num = '0002'")
    assert main(["db", "verify", url(copy)]) == 0


def test_upgrade_refuses_a_newer_schema(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    execute(store, "UPDATE br_alembic_version SET version_num = '9999'")
    assert main(["db", "upgrade", store]) == 2
    assert "newer than this library" in capsys.readouterr().err
    assert run(["db", "current", store], capsys)["schema"] == "9999"


def test_verify_finds_nothing_in_an_intact_database(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = run(["db", "verify", store], capsys)
    assert (found["name"], found["findings"]) == ("world", [])
    assert found["replayed"] > 40
    assert found["compared"] >= 4
    assert main(["db", "verify", store, "--router", "world"]) == 0
    assert capsys.readouterr().out.endswith(" sums compared: OK\n")
    assert main(["db", "verify", store, "--router", "unknown"]) == 2


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            "UPDATE br_state SET blob = x'00' WHERE arm_id = 1",
            "fail their checksum; the next fold rebuilds them",
        ),
        (
            "UPDATE br_decision SET features = zeroblob(length(features)) WHERE decided = 9",
            "differ from the replay",
        ),
        ("DELETE FROM br_state WHERE arm_id = 1", "are missing"),
        (
            "UPDATE br_state SET epoch = 99 WHERE arm_id = 1",
            "epoch 99, but sums are stored",
        ),
        (
            "DELETE FROM br_feedback WHERE learned = 11",
            "the numbers of feedback have a gap: 11 is missing (1 in all)",
        ),
        (
            "DELETE FROM br_decision WHERE decided = 1",
            "the numbers of decisions have a gap: 1 is missing (1 in all)",
        ),
        ("DELETE FROM br_fold WHERE fold_no = 2", "the ledger of folds has a gap: after fold 1 comes 3"),
        (
            "DELETE FROM br_fold WHERE fold_no = (SELECT max(fold_no) FROM br_fold)",
            "the ledger of folds ends at number",
        ),
        (
            "INSERT INTO br_snapshot VALUES (1, 3, 3, x'00', zeroblob(32), 0)",
            "the snapshot at feedback 3 fails its checksum",
        ),
    ],
)
def test_verify_finds_each_damage(store: str, capsys: pytest.CaptureFixture[str], damage: str, said: str) -> None:
    execute(store, damage)
    (found,) = run(["db", "verify", store], capsys, code=1)
    assert any(said in finding for finding in found["findings"]), found["findings"]


def test_compact_counts_and_deletes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("banditroute.learning.posterior.model.REFRESH_EVERY", 16)
    world, store = World(), url(tmp_path / "routing.db")
    with world.open(store) as router:
        for number in range(60):
            world.step(router, number)
            router.sync()
    assert START < 1.75e9, "the snapshots are older than 90 days"
    (would,) = run(["db", "compact", store, "--dry-run"], capsys)
    (did,) = run(["db", "compact", store, "--older-than", "90"], capsys)
    assert did == would | {"dry_run": False}
    assert did["decisions"] > 0
    assert main(["db", "compact", store]) == 0
    assert capsys.readouterr().out == "world: 0 decisions and 0 feedbacks deleted\n"
    assert main(["db", "verify", store]) == 0
    capsys.readouterr()
    assert main(["db", "compact", store, "--older-than", "0"]) == 2


def test_doctor(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {each["subject"]: each["level"] for each in run(["doctor", store], capsys)}
    assert (
        found.items() >= {"pages": "ok", "schema": "ok", "checksums": "ok", "orphans": "ok", "spool": "ok"}.items()
    )
    execute(store, "UPDATE br_state SET blob = x'00' WHERE arm_id = 1")
    assert main(["doctor", store]) == 1
    assert "stored sums fail their checksum\n" in capsys.readouterr().out
    assert main(["doctor", url(tmp_path / "none.db")]) == 2
