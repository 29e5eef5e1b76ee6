"""Arguments of a constructor that are of the wrong kind, or raise errors of their own."""

from typing import Any

import pytest

from banditroute import Arm, LinTS, LinUCB, Router
from banditroute.controllers import Budget
from banditroute.errors import LONGEST_MESSAGE, InvalidArgumentError, InvalidContextError, UnknownArmError
from banditroute.policies import Fixed


class Hostile:
    """An object all of whose conversions raise."""

    def _fail(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("mine")

    __float__ = __index__ = __iter__ = __len__ = __bool__ = __array__ = __fspath__ = _fail


WRONG = {"object": object(), "hostile": Hostile(), "numbers": [1, 2], "float": 1.5}
ARGUMENTS = (
    *("arms", "objectives", "policy", "controllers", "preferences", "store", "spool", "features", "intercept"),
    *("seed", "default_arm", "source_caps", "secret", "tenant", "clock", "ids", "on_change", "recent_bytes"),
)


@pytest.mark.parametrize("kind", list(WRONG))
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_wrong_kind_of_argument_is_refused_in_one_sentence(argument: str, kind: str) -> None:
    arguments: dict[str, Any] = {"arms": [Arm("a"), Arm("b")], argument: WRONG[kind]}
    with pytest.raises((InvalidArgumentError, UnknownArmError)) as caught:
        Router("r", **arguments)
    assert len(str(caught.value)) <= LONGEST_MESSAGE


def test_a_context_that_raises_is_refused() -> None:
    router = Router("r", arms=[Arm("a")])
    for context in (Hostile(), [Hostile()], [0.5, Hostile()]):
        with pytest.raises(InvalidContextError):
            router.route(context)  # type: ignore[arg-type]
    assert router.health().n_decisions == 0


@pytest.mark.parametrize("policy", [LinUCB, LinTS])
def test_settings_of_a_policy_are_checked_when_it_is_made(policy: Any) -> None:
    for settings in (
        {"exploration": 0.1},
        {"exploration": None},
        {"ridge": "1"},
        {"alpha": None},
        {"ridge": True},
    ):
        with pytest.raises(InvalidArgumentError):
            policy(**settings)
    with pytest.raises(InvalidArgumentError, match="arm of Fixed"):
        Fixed(3)  # type: ignore[arg-type]


def test_controllers_are_checked() -> None:
    for wrong in (["budget"], [Budget], [None], Budget(usd_per_request=1.0)):
        with pytest.raises(InvalidArgumentError, match="controllers must be"):
            Router("r", arms=[Arm("a")], controllers=wrong)  # type: ignore[arg-type]


def test_no_message_is_long() -> None:
    router = Router("r", arms=[Arm("x" * 190 + str(number)) for number in range(500)])
    with pytest.raises(UnknownArmError) as caught:
        router.route([0.5], allowed=["none"])
    assert len(str(caught.value)) == LONGEST_MESSAGE


def test_preferences_are_read_only() -> None:
    router = Router("r", arms=[Arm("a")])
    with pytest.raises(TypeError):
        router.preferences["quality"] = 9.0  # type: ignore[index]
    assert router.preferences == {"quality": 1.0}
