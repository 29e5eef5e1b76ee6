"""Shadow, apprentice and holdout: who decides, what is on the record, and what the lift is."""

from typing import Any

import numpy as np
import pytest

from banditroute import Fixed
from banditroute.controllers import Apprentice, Holdout, Shadow
from banditroute.errors import InvalidArgumentError
from banditroute.learning.confidence import stitched_boundary
from tests.controllers.lives import Life, a_situation, certain, without


def mostly_a(given: Any) -> Any:
    """0.75 on a, the rest on b."""
    return np.array([0.75, 0.25, *[0.0] * (len(given.arms) - 2)])


def test_a_shadow_lets_the_incumbent_act() -> None:
    shadow = Shadow("b")
    life = Life(shadow, mostly_a)
    record = life.step(a_situation("abc"))
    assert record.probabilities.tolist() == [0.0, 1.0, 0.0]
    assert record.effects["shadow"] == {
        "would": {"a": 0.75, "b": 0.25, "c": 0.0},
        "agreement": 0.0,
        "mode": "shadow",
    }
    assert shadow.agreement == 0.25
    named = Shadow()
    assert named.control(a_situation("abc", incumbent="c"), mostly_a).tolist() == [0.0, 0.0, 1.0]
    assert Shadow(Fixed("c")).control(a_situation("abc"), mostly_a).tolist() == [0.0, 0.0, 1.0]


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


def test_a_holdout_is_a_mixture() -> None:
    holdout = Holdout(0.2, incumbent="c")
    given = a_situation("abc")
    assert holdout.control(given, mostly_a) == pytest.approx([0.6, 0.2, 0.2])
    assert holdout.effects(given) == {
        "incumbent_share": 0.2,
        "policy": {"a": 0.75, "b": 0.25},
        "incumbent": {"c": 1.0},
    }


def test_a_lift_by_hand() -> None:
    """Weights (p − h) / π: of a .75 / .6, of c −1 / .2; outcomes less the mean of those before, at first ½."""
    holdout = Holdout(0.2, incumbent="c")
    life = Life(holdout, mostly_a)
    first, second = (life.step(a_situation("abc"), arm=arm) for arm in "ac")
    life.report(first, quality=1.0)
    life.report(second, quality=0.75)
    terms = [1.25 * 0.5, -5.0 * (0.75 - 1.0)]
    lift = holdout.lift()["quality"]
    assert lift.mean == pytest.approx(sum(terms) / 2)
    half = stitched_boundary(sum(t * t for t in terms), scale=5.0, error=0.025) / 2
    assert (lift.low, lift.high) == pytest.approx((lift.mean - half, lift.mean + half))
    assert lift.reports == 2
    life.report(second, previous=True, quality=1.0)
    assert holdout.lift()["quality"].mean == pytest.approx(terms[0] / 2)
    life.report(second, cost_usd=1.0)
    assert holdout.lift()["quality"].reports == 2


def test_operators_are_told() -> None:
    holdout = Holdout(0.2, incumbent="c")
    assert holdout.report() == {"lift": {"quality": {"mean": 0.0, "reports": 0}}}
    life = Life(holdout, mostly_a)
    life.report(life.step(a_situation("abc"), arm="a"), quality=1.0)
    lift = holdout.lift()["quality"]
    told = {"mean": lift.mean, "low": lift.low, "high": lift.high, "reports": 1}
    assert holdout.report() == {"lift": {"quality": told}}
    assert Apprentice("c").report()["promoted"] is False
    assert Shadow("c").report() == {"agreement": 0.0, "requests": 0}


def test_where_both_do_the_same_nothing_is_added() -> None:
    holdout = Holdout(0.2, incumbent="a")
    life = Life(holdout, lambda given: certain(given, "a"))
    for quality in (0.2, 0.9, 0.5):
        life.report(life.step(a_situation("abc")), quality=quality)
    assert holdout.lift()["quality"].mean == 0.0


def lifted(controller: Any, *, requests: int = 1500, seed: int = 0, late: int = 7) -> Life:
    """The router's a yields .7, the incumbent's c .4."""
    rng = np.random.default_rng([seed, 1])
    life = Life(controller, mostly_a, seed=seed)
    chances = {"a": 0.7, "b": 0.7, "c": 0.4}
    waiting = []
    for number in range(requests):
        waiting.append(life.step(a_situation("abc", session=f"talk {number // 3}")))
        if len(waiting) > late:
            record = waiting.pop(0)
            life.report(record, quality=float(rng.random() < chances[record.arm]))
    return life


@pytest.mark.parametrize("by", ["request", "session"])
def test_the_lift_is_found(by: Any) -> None:
    inside, means = 0, []
    for seed in range(8):
        holdout = Holdout(0.3, incumbent="c", by=by)
        lifted(holdout, seed=seed)
        lift = holdout.lift()["quality"]
        inside += lift.low <= 0.3 <= lift.high
        means.append(lift.mean)
    assert inside == 8
    assert np.mean(means) == pytest.approx(0.3, abs=0.04)


def test_control_without_weights_the_lift_is_not_found() -> None:
    """The plain difference to what all requests yielded is diluted."""
    life = lifted(Holdout(0.3, incumbent="c"))
    share = np.mean([d.arm == "c" for d in life.decisions])
    assert share * 0.3 < 0.12


def test_sessions_stay_on_their_side() -> None:
    holdout = Holdout(0.25, incumbent="c", by="session")
    life = lifted(holdout)
    sides: dict[str | None, set[str]] = {}
    for record in life.decisions:
        facts = record.effects["holdout"]
        sides.setdefault(record.session, set()).add(facts["side"])
        assert facts["incumbent_share"] == float(facts["side"] == "incumbent")
        expected = [0.0, 0.0, 1.0] if facts["side"] == "incumbent" else [0.75, 0.25, 0.0]
        assert record.probabilities.tolist() == expected
    assert all(len(side) == 1 for side in sides.values())
    held = np.mean([side == {"incumbent"} for side in sides.values()])
    assert 0.2 < held < 0.3
    assert holdout.is_held("talk 0") == (sides["talk 0"] == {"incumbent"})


def test_without_a_session_a_key_says_the_side_and_without_both_it_is_a_mixture() -> None:
    holdout = Holdout(0.25, incumbent="c", by="session")
    given = a_situation("abc")
    assert holdout.control(given, mostly_a)[2] == 0.25
    assert "side" not in holdout.effects(given)


def test_an_apprentice_is_promoted_by_its_lift() -> None:
    apprentice = Apprentice("c", share=0.3)
    life = lifted(apprentice)
    assert apprentice.promoted
    modes = [record.effects["apprentice"].get("mode", "live") for record in life.decisions]
    assert 200 < modes.index("live") < 1400
    assert set(modes[modes.index("live") :]) == {"live"}
    assert life.decisions[0].probabilities == pytest.approx([0.225, 0.075, 0.7])
    assert life.decisions[-1].probabilities.tolist() == [0.75, 0.25, 0.0]


def test_control_an_apprentice_that_does_no_better_is_not() -> None:
    for seed in range(5):
        apprentice = Apprentice("b", share=0.3)
        lifted(apprentice, seed=seed, requests=800)
        assert not apprentice.promoted


def test_an_apprentice_is_promoted_by_agreement() -> None:
    """Without any feedback, when the lower bound of the overlap, here always ¾, is above what is asked for."""
    apprentice = Apprentice("a", share=0.2, agreement=0.6)
    life = Life(apprentice, mostly_a)
    while not apprentice.promoted:
        life.step(a_situation("abc"))
    count = len(life.decisions)
    assert apprentice.agreement == pytest.approx(0.75)
    guesses = 0.75**2  # of the first request, of which nothing was guessed
    assert 0.75 - stitched_boundary(guesses, scale=1.0, error=0.025) / count >= 0.6
    assert 0.75 - stitched_boundary(guesses, scale=1.0, error=0.025) / (count - 1) < 0.6


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
