import pytest

from banditroute import Arm, Router
from banditroute.errors import InvalidArgumentError


def test_ids_that_are_too_short_are_refused_before_they_are_issued() -> None:
    router = Router("short", arms=[Arm("a")], ids=lambda: b"short")
    with pytest.raises(InvalidArgumentError, match="ids must give 16 bytes"):
        router.route([1.0])
    assert router.health().n_decisions == 0


def test_an_arm_is_no_list_of_arms() -> None:
    with pytest.raises(InvalidArgumentError, match="in a sequence"):
        Router("one", arms=Arm("a"))  # type: ignore[arg-type]


def test_an_arm_cannot_succeed_itself() -> None:
    router = Router("heirs", arms=[Arm("a"), Arm("b")])
    with pytest.raises(InvalidArgumentError, match="its own successor"):
        router.retire_arm("a", successor="a")
    assert router.arms == {"a": "active", "b": "active"}
