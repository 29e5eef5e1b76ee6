"""A shadow lets the incumbent act, and records what the router would have done."""

from banditroute import Fixed
from banditroute.controllers import Shadow
from tests.controllers.lives import Life, a_situation
from tests.controllers.rollout.sides import mostly_a


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
