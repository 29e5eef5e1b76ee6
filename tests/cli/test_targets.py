"""``--config FILE`` in place of the URL of a database."""

from pathlib import Path

import pytest

from banditroute.cli import main
from banditroute.cli.targets import Target, target
from banditroute.core.arms import Arm
from banditroute.errors import InvalidArgumentError
from banditroute.integrations.settings import RouterSettings
from banditroute.router import Router
from tests.cli.routing import run

SECRET = "thirty-two characters and some more"  # noqa: S105


@pytest.fixture
def config(store: tuple[str, str], tmp_path: Path) -> str:
    """Return a configuration of the router in the database."""
    return written(tmp_path / "router.toml", f'name = "support"\nstore = "{store[0]}"')


def written(file: Path, lines: str) -> str:
    file.write_text(f'{lines}\n[[arms]]\nname = "small"\n[[arms]]\nname = "large"\n', encoding="utf-8")
    return str(file)


def test_status_shows_the_router_of_the_configuration(
    store: tuple[str, str], config: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with Router("other", arms=[Arm("a")], store=store[0]):
        pass
    assert [each["name"] for each in run(["status", store[0]], capsys)] == ["other", "support"]
    assert [each["name"] for each in run(["status", "--config", config], capsys)] == ["support"]
    absent = written(tmp_path / "absent.toml", f'name = "absent"\nstore = "{store[0]}"')
    assert main(["status", "--config", absent]) == 0
    assert capsys.readouterr().out == "no router 'absent' in this database\n"


def test_why_takes_the_id_alone(
    store: tuple[str, str], config: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["why", "--config", config, store[1]], capsys) == run(["why", *store], capsys)
    other = written(tmp_path / "other.toml", f'name = "other"\nstore = "{store[0]}"')
    assert main(["why", "--config", other, store[1]]) == 2
    assert "is not an id that a router of this database issued" in capsys.readouterr().err


def test_why_reads_ids_under_the_secret_of_a_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'secret.db'}"
    config = written(tmp_path / "secret.toml", f'name = "support"\nstore = "{url}"\nsecret = "{SECRET}"')
    with RouterSettings.read(config, environment={}).router() as router:
        decision = router.route([0.5, 1.0])
    assert run(["why", "--config", config, decision.id], capsys)["decision_id"] == decision.id
    assert main(["why", url, decision.id]) == 2
    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err


@pytest.mark.parametrize(
    "command", [["doctor"], ["db", "init"], ["db", "current"], ["db", "verify"], ["db", "compact"]]
)
def test_other_commands_find_the_database(
    command: list[str], store: tuple[str, str], config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, store[0]]) == 0
    expected = capsys.readouterr().out
    assert main([*command, "--config", config]) == 0
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    "command", [["status"], ["why"], ["doctor"], ["db", "init"], ["db", "upgrade"], ["db", "verify"]]
)
def test_a_command_needs_a_database(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 2
    assert "no database is named; give its URL, or --config FILE" in capsys.readouterr().err


def test_what_is_refused(store: tuple[str, str], config: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="named twice; give its URL or --config, not both"):
        target(store[0], Path(config))
    memory = Path(written(tmp_path / "memory.toml", 'name = "support"'))
    with pytest.raises(InvalidArgumentError, match="names no store; set store, or give the database URL"):
        target(None, memory)


def test_a_decision_is_named(store: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", store[0]]) == 2
    assert "no decision is named" in capsys.readouterr().err


def test_passwords_are_not_in_a_repr() -> None:
    shown = repr(Target("postgresql://me:hunter2@host/db", "support", secret=SECRET.encode()))
    assert "hunter2" not in shown
    assert SECRET not in shown
