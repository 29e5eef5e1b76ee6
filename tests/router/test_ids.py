"""Ids are a router's own, and outlive a change of its secret."""

from pathlib import Path
from typing import Any

import pytest

from banditroute.errors import InvalidArgumentError, InvalidDecisionIdError
from simulations.reliability.world import SECRET, a_router, a_vector, bodies, url

NEW = bytes(reversed(range(32)))


def test_a_secret_is_changed_without_losing_an_id() -> None:
    old = a_router(secret=SECRET).route(a_vector(1)).id
    rotated = a_router(secret=[NEW, SECRET], ids=bodies(1))
    assert rotated.route(a_vector(1)).id != old
    assert rotated.feedback(old, quality=0.5).status == "recorded"
    done = a_router(secret=NEW, ids=bodies(1))
    issued = done.route(a_vector(1)).id
    assert rotated._ids.body(issued) == bodies(1)()
    with pytest.raises(InvalidDecisionIdError, match=r"^not a decision id issued by this router$"):
        done.feedback(old, quality=0.5)


def test_a_configured_secret_stays_out_of_the_store_which_keeps_one_of_its_own(tmp_path: Path) -> None:
    for name, secret in {"given": SECRET, "made": None}.items():
        router = a_router(url(tmp_path / f"{name}.db"), secret=secret)
        issued = router.route(a_vector(1)).id
        router.close()
        content = b"".join(path.read_bytes() for path in tmp_path.glob(f"{name}.db*"))
        assert SECRET not in content
        with a_router(url(tmp_path / f"{name}.db"), secret=secret, preferences=None) as reopened:
            assert reopened.feedback(issued, quality=0.5).wait(30).status == "recorded"
    with (
        a_router(url(tmp_path / "given.db"), secret=None, preferences=None) as other,
        pytest.raises(InvalidDecisionIdError),
    ):
        other.feedback(issued, quality=0.5)


@pytest.mark.parametrize("other", [{"tenant": "somebody else"}, {"secret": NEW}])
def test_an_id_of_another_router_is_refused(other: dict[str, Any]) -> None:
    foreign = a_router(**other).route(a_vector(1)).id
    router = a_router()
    router.route(a_vector(1))
    with pytest.raises(InvalidDecisionIdError):
        router.feedback(foreign, quality=0.5)


@pytest.mark.parametrize("secret", [b"short", [], [SECRET, b"short"], "text of thirty-two characters, ok"])
def test_a_secret_is_long(secret: object) -> None:
    with pytest.raises(InvalidArgumentError, match="secret must be at least 32 bytes"):
        a_router(secret=secret)
