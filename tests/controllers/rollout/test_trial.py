"""What shadow, apprentice and holdout have in common: no incumbent, reports for operators, wrong settings."""

from typing import Any

import pytest

from banditroute.controllers import Apprentice, Holdout, Shadow
from banditroute.errors import InvalidArgumentError
from tests.controllers.lives import Life, a_situation, without
from tests.controllers.rollout.sides import mostly_a


@pytest.mark.parametrize(
    "given",
    [a_situation("abc"), a_situation("abc", incumbent="z"), without(a_situation("abc", incumbent="c"), "c")],
)
def test_where_there_is_no_incumbent_the_router_decides(given: Any) -> None:
    for controller in (Shadow(), Apprentice(), Holdout(0.2)):
        assert controller.control(given, mostly_a).tolist() == [0.75, 0.25, 0.0]
        assert "mode" not in controller.effects(given)


def test_what_another_request_would_have_is_not_said() -> None:
    """A controller further out may answer without asking."""
    for controller in (Shadow("a"), Holdout(0.2, incumbent="a")):
        controller.control(a_situation("abc"), mostly_a)
        effects = controller.effects(a_situation("abc"))
        assert not {"would", "policy", "mode"} & set(effects)


def test_the_report_contains_the_lift() -> None:
    holdout = Holdout(0.2, incumbent="c")
    assert holdout.report() == {"lift": {"quality": {"mean": 0.0, "reports": 0}}}
    life = Life(holdout, mostly_a)
    life.report(life.step(a_situation("abc"), arm="a"), quality=1.0)
    lift = holdout.lift()["quality"]
    lift_report = {"mean": lift.mean, "low": lift.low, "high": lift.high, "reports": 1}
    assert holdout.report() == {"lift": {"quality": lift_report}}
    assert Apprentice("c").report()["promoted"] is False
    assert Shadow("c").report() == {"agreement": 0.0, "requests": 0}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: Holdout(0.6), "share = 0.6 must be a number in"),
        (lambda: Holdout(0.0), "share = 0.0 must be a number in"),
        (lambda: Holdout(by="user"), "by = 'user' must be 'request' or 'session'"),  # type: ignore[arg-type]
        (lambda: Holdout(measures={}), "must map one or more objectives to their bounds"),
        (lambda: Holdout(measures={"quality": (1.0, 0.0)}), "bounds of quality = .* the lower first"),
        (lambda: Apprentice(share=0.7), "share = 0.7 must be a number in"),
        (lambda: Apprentice(agreement=1.0), "agreement = 1.0 must be a number in"),
        (lambda: Shadow(3), "incumbent = 3 must be an arm's name"),  # type: ignore[arg-type]
        (lambda: Shadow(""), "incumbent = '' must be an arm's name"),
    ],
)
def test_wrong_settings_are_refused(wrong: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        wrong()
