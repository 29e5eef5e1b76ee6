"""The spools of a router in a directory."""

import logging
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from banditroute.errors import StoreUnavailableError
from banditroute.store.spool.directory import Spools
from banditroute.store.spool.file import Spool


def counter() -> Callable[[], bytes]:
    numbers = iter(range(100))
    return lambda: next(numbers).to_bytes(16, "big")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spools(directory: Path) -> Spools:
    return Spools(directory, tenant="", router="support", token=counter())


def adopted(spools: Spools) -> Iterator[list[bytes]]:
    for spool in spools.orphans():
        yield spool.peek(9)
        spool.abandon()


def test_nothing_is_created_before_it_is_needed(directory: Path, spools: Spools) -> None:
    assert list(spools.orphans()) == []
    assert not directory.exists()
    spools.new().close()
    assert list(directory.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_the_directory_is_its_owners_alone(directory: Path, spools: Spools) -> None:
    spools.new().close()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_the_next_who_looks_takes_over_what_the_dead_left_oldest_first(spools: Spools) -> None:
    dead, living = [spools.new() for _ in range(3)], spools.new()
    for number, spool in enumerate([*dead, living]):
        spool.append([b"%d" % number])
    for spool in dead:
        spool.abandon()
    assert list(adopted(spools)) == [[b"0"], [b"1"], [b"2"]]
    held = list(spools.orphans())
    assert len(held) == 3
    assert list(spools.orphans()) == []
    for spool in (*held, living):
        spool.abandon()


def test_routers_and_tenants_do_not_see_each_others(directory: Path) -> None:
    """Neither by their names, nor by names that look alike when put together."""
    names = [("", "support"), ("", "sales"), ("a", "support"), ("asup", "port"), ("", "*"), ("\ud800", "")]
    all_spools = [Spools(directory, tenant=tenant, router=router) for tenant, router in names]
    for number, spools in enumerate(all_spools):
        spool = spools.new()
        spool.append([b"%d" % number])
        spool.close()
    assert [list(adopted(spools)) for spools in all_spools] == [[[b"%d" % n]] for n in range(len(names))]


def test_refused_records_are_not_adopted_until_their_file_is_renamed(spools: Spools) -> None:
    spool = spools.new(refused=True)
    spool.append([b"refused"])
    spool.close()
    assert list(adopted(spools)) == []
    spool.path.rename(spool.path.with_suffix(".spool"))
    assert list(adopted(spools)) == [[b"refused"]]


def test_a_new_spool_that_another_process_took_over_gets_another_name(
    spools: Spools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file exists for a moment before it is locked."""
    taken: list[Spool] = []
    original = Spool.__init__

    def robbed(self: Spool, path: Path, *, limit_bytes: int) -> None:
        if not taken:
            thief = Spool.__new__(Spool)
            taken.append(thief)
            original(thief, path, limit_bytes=limit_bytes)
        original(self, path, limit_bytes=limit_bytes)

    monkeypatch.setattr(Spool, "__init__", robbed)
    spool = spools.new()
    assert spool.path != taken[0].path
    for each in (spool, *taken):
        each.close()


def test_a_file_of_another_version_is_left_unchanged_and_logged_once(
    spools: Spools, caplog: pytest.LogCaptureFixture
) -> None:
    spool = spools.new()
    spool.append([b"a"])
    spool.close()
    content = spool.path.read_bytes().replace(b"BRSPOOL\x01", b"BRSPOOL\x02")
    spool.path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "banditroute"):
        assert list(spools.orphans()) == list(spools.orphans()) == []
    assert [record.getMessage() for record in caplog.records] == [
        f"spool file {spool.path.name!r} is left unchanged: {spool.path.name!r} is not a spool of this version"
    ]
    assert spool.path.read_bytes() == content


def test_a_place_where_no_directory_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spools = Spools(tmp_path / "file", tenant="", router="support")
    assert list(spools.orphans()) == []
    with pytest.raises(StoreUnavailableError, match=r"spool directory 'file' cannot be used \(File exists\)"):
        spools.new()
    with pytest.raises(StoreUnavailableError, match=r"'deeper' cannot be used \(Not a directory\)"):
        Spools(tmp_path / "file" / "deeper", tenant="", router="support").new()


def test_names_that_are_always_taken_are_given_up(directory: Path) -> None:
    asked: list[None] = []

    def token() -> bytes:
        asked.append(None)
        return bytes(16)

    spools = Spools(directory, tenant="", router="support", token=token)
    taken = spools.new()
    with pytest.raises(StoreUnavailableError):
        spools.new()
    assert len(asked) == 6
    taken.close()


def test_the_directories_above_are_made_too(directory: Path) -> None:
    spools = Spools(directory / "of" / "routers", tenant="", router="support")
    assert spools.usable()
    assert (directory / "of" / "routers").is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_the_first_worker_of_a_host_stores_the_secret_of_all(directory: Path, spools: Spools) -> None:
    directory.mkdir(mode=0o700)
    first, second, third = (bytes([number] * 32) for number in (1, 2, 3))
    assert spools.secret(first) == first
    assert spools.secret(second) == first
    (stored,) = directory.glob("*.secret")
    stored.chmod(0o644)
    assert spools.secret(second) == second
    stored.chmod(0o600)
    stored.write_bytes(b"short")
    assert spools.secret(third) == third
    assert not list(directory.glob("*.part"))
