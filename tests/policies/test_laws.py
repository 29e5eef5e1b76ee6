"""Every shipped policy keeps the laws, and each law catches a policy that breaks it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from banditroute.core.arrays import FloatArray
from banditroute.core.situation import Situation
from banditroute.errors import NoEligibleArmError
from banditroute.policies import EpsilonGreedy, Exploration, Fixed, LinTS, LinUCB, Uniform
from banditroute.policies.exploration import greedy
from banditroute.testing import PolicyLaws, situation


class TestLinUCB(PolicyLaws):
    policy = LinUCB(alpha=0.7, ridge=2.0)


class TestLinUCBWithoutExploration(PolicyLaws):
    policy = LinUCB(alpha=0.7, exploration=Exploration(floor=0, burn_in=0))


class TestLinTS(PolicyLaws):
    policy = LinTS(alpha=0.7, ridge=2.0)


class TestLinTSWithoutExploration(PolicyLaws):
    policy = LinTS(alpha=3.0, exploration=Exploration(floor=0, burn_in=0))


class TestEpsilonGreedy(PolicyLaws):
    policy = EpsilonGreedy(epsilon=0.3)


class TestUniform(PolicyLaws):
    policy = Uniform()


class TestFixed(PolicyLaws):
    policy = Fixed("arm 0")

    def prepared(self, given: Situation) -> Situation:
        eligible = given.eligible.copy()
        eligible[0] = True
        return replace(given, eligible=eligible)

    def check_equal_arms(self, given: Situation, found: FloatArray) -> None:
        assert found[0] == 1.0

    def test_refuses_where_its_arm_may_not_serve(self) -> None:
        with pytest.raises(NoEligibleArmError, match="'arm 0', which is not eligible"):
            self.policy.probabilities(situation(1, 2, eligible=np.array([False, True])))


class Broken:
    """Probabilities as a function says."""

    def __init__(self, rule: Callable[[Situation], FloatArray]) -> None:
        self.ridge = 2.0
        self._rule = rule

    def probabilities(self, situation: Situation) -> FloatArray:
        return self._rule(situation)


class Counting(Broken):
    """Remembers how often it was asked."""

    def __init__(self) -> None:
        self.ridge = 2.0
        self._asked = 0

    def probabilities(self, situation: Situation) -> FloatArray:
        self._asked += 1
        chosen = np.flatnonzero(situation.eligible)
        found: FloatArray = (np.arange(len(situation.arms)) == chosen[self._asked % len(chosen)]).astype(
            np.float64
        )
        return found


def _uniform(given: Situation) -> FloatArray:
    return given.eligible / np.count_nonzero(given.eligible)


def _first(given: Situation) -> FloatArray:
    found: FloatArray = (given.eligible & (given.eligible.cumsum() == 1)).astype(np.float64)
    return found


def _negative(given: Situation) -> FloatArray:
    found = _uniform(given)
    if np.count_nonzero(given.eligible) > 1:
        found[np.flatnonzero(given.eligible)[:2]] += (1.0, -1.0)
    return found


def _spoils(given: Situation) -> FloatArray:
    given.mean[...] = 0
    return _uniform(given)


def _trusting(given: Situation) -> FloatArray:
    score = given.utility() + given.prediction.weighted(abs(given.weights))
    return greedy(score, given)


def _absolute(given: Situation) -> FloatArray:
    return _uniform(given) if abs(given.weights).sum() > 1e-3 else _first(given)


def _unbounded(given: Situation) -> FloatArray:
    if given.eligible.sum() == 1:
        return _uniform(given)
    utility = given.utility() + given.utility_width()
    powers: FloatArray = np.exp(utility * 1e3) * given.eligible
    powers /= powers.sum()
    return powers


BROKEN = {
    "over all arms": (
        lambda given: np.full(len(given.arms), 1 / len(given.arms)),
        "test_probabilities_are_a_distribution_over_the_eligible_arms",
    ),
    "negative": (_negative, "test_probabilities_are_a_distribution_over_the_eligible_arms"),
    "too much": (
        lambda given: _uniform(given) * (1 + 1e-10),
        "test_probabilities_are_a_distribution_over_the_eligible_arms",
    ),
    "NaN": (
        lambda given: _uniform(given) * np.nan,
        "test_probabilities_are_a_distribution_over_the_eligible_arms",
    ),
    "spoils what it is given": (_spoils, "test_nothing_is_changed"),
    "takes a bound for a width": (_trusting, "test_widths_that_are_worked_out_on_demand_change_nothing"),
    "the first": (_first, "test_permuting_arms_permutes_probabilities"),
    "the first of equals": (_first, "test_equal_arms_share"),
    "leaves some unassigned": (lambda given: _uniform(given) * 0.98, "test_one_eligible_arm_is_certain"),
}


SETTINGS = {"test_widths_that_are_worked_out_on_demand_change_nothing": (1.0,)}


@pytest.mark.parametrize("name", BROKEN)
def test_each_law_catches_its_breach(name: str) -> None:
    rule, law = BROKEN[name]
    with pytest.raises(AssertionError):
        getattr(_laws_of(Broken(rule)), law)(*SETTINGS.get(law, ()))


def test_state_is_caught() -> None:
    with pytest.raises(AssertionError):
        _laws_of(Counting()).test_the_same_situation_gives_the_same_bits()


def test_absolute_weights_are_caught() -> None:
    with pytest.raises(AssertionError):
        _laws_of(Broken(_absolute)).test_only_the_ratios_of_preferences_matter(1e-9)


def test_overflow_is_caught() -> None:
    with pytest.raises((AssertionError, FloatingPointError)):
        _laws_of(Broken(_unbounded)).test_extremes_stay_finite(300, 1e6)


def test_a_ridge_of_zero_is_caught() -> None:
    policy = Broken(_uniform)
    policy.ridge = 0.0
    with pytest.raises(AssertionError):
        _laws_of(policy).test_a_declared_ridge_is_a_finite_number_above_zero()


def _laws_of(subject: Broken) -> PolicyLaws:
    laws = PolicyLaws()
    laws.policy = subject
    return laws
