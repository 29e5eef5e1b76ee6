"""Ids are a router's own, and outlive a change of its secret."""

from pathlib import Path
from typing import Any

import pytest

from banditroute.core.ids import KEY_BYTES, DecisionIds, checked_seed, key_created_us, random_key, uniform
from banditroute.errors import InvalidArgumentError, InvalidDecisionIdError
from banditroute.testing import log_of
from banditroute.testing.world import SECRET, a_router, a_vector, bodies, url

NEW = bytes(reversed(range(32)))


def test_a_secret_is_changed_without_losing_an_id() -> None:
    old = a_router(secret=SECRET).route(a_vector(1)).id
    rotated = a_router(secret=[NEW, SECRET], ids=bodies(1))
    assert rotated.route(a_vector(1)).id != old
    assert rotated.feedback(old, quality=0.5).status == "recorded"
    done = a_router(secret=NEW, ids=bodies(1))
    issued = done.route(a_vector(1)).id
    assert log_of(rotated).keys.key(issued) == bodies(1)()
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


def test_ids_and_draws_are_those_of_every_version() -> None:
    """Others would refuse the ids that are on their way, and draw other arms from the same log."""
    ids = DecisionIds([bytes(range(32))], "acme", "summaries")
    assert ids.issue(bytes(range(16))) == "AAECAwQFBgcICQoLDA0OD-EBc8TvQiPGD6Ituw"
    assert uniform(7, b"request 1") == 0.5399669914079915
    assert uniform(-3, bytes(16)) == 0.48699731224591014


def test_no_part_of_a_scope_runs_into_the_next() -> None:
    issued = DecisionIds([SECRET], "ab", "c").issue(bytes(16))
    with pytest.raises(InvalidDecisionIdError):
        DecisionIds([SECRET], "a", "bc").key(issued)


def test_replacing_secrets_keeps_each_once() -> None:
    ids = DecisionIds([SECRET], "ab", "c")
    for _ in range(2):
        ids.replace([SECRET, NEW])
    # Private: a secret that is kept twice is only slower.
    assert len(ids._keyed) == 2
    assert ids.key(DecisionIds([NEW], "ab", "c").issue(bytes(16))) == bytes(16)
    assert ids.issue(bytes(16)) == DecisionIds([SECRET], "ab", "c").issue(bytes(16))


def test_bodies_are_in_the_order_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for time_ns in (1_700_000_000_123_999_999, 1_700_000_000_124_000_000):
        monkeypatch.setattr("time.time_ns", lambda time_ns=time_ns: time_ns)
        made.append(random_key())
    assert [key_created_us(body) for body in made] == [1_700_000_000_123_000, 1_700_000_000_124_000]
    assert made == sorted(made)
    assert {len(body) for body in made} == {KEY_BYTES}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text[:-1] + "ü",
        lambda text: text[:-1] + "*",
        lambda text: text.encode(),
    ],
)
def test_an_invalid_id_is_refused_like_a_foreign_one(change: Any) -> None:
    ids = DecisionIds([SECRET], "ab", "c")
    text = ids.issue(bytes(16))
    assert ids.key(text) == bytes(16)
    with pytest.raises(InvalidDecisionIdError, match=r"^not a decision id issued by this router$"):
        ids.key(change(text))


@pytest.mark.parametrize("seed", [True, 1.0, "1", None, 2**127, -(2**127) - 1])
def test_a_seed_has_at_most_128_bits(seed: object) -> None:
    with pytest.raises(InvalidArgumentError, match="must be an integer of at most 128 bits"):
        checked_seed(seed)
    for largest in (2**127 - 1, -(2**127)):
        checked_seed(largest)
        assert 0 <= uniform(largest, b"any") < 1
