"""The laws of policies."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from banditroute.core.arrays import FloatArray
from banditroute.core.objectives import Objective, Objectives
from banditroute.core.prediction import LazyPrediction, Prediction
from banditroute.core.request import Request
from banditroute.core.situation import Situation
from banditroute.policies.base import DEFAULT_RIDGE, Policy

SUM_ROUNDING = 1e-12


def situation(seed: int, arms: int, objectives: int = 3, **changes: Any) -> Situation:
    """A situation like those in which a router chooses; the same seed gives the same."""
    rng = np.random.default_rng(seed)
    eligible = rng.random(arms) < 0.7
    eligible[rng.integers(arms)] = True
    weights = rng.random(objectives) * np.where(np.arange(objectives) % 2, -1.0, 1.0)
    made = Situation(
        arms=tuple(f"arm {i}" for i in range(arms)),
        eligible=eligible,
        prediction=Prediction.exact(
            rng.random((arms, objectives)),
            rng.random((arms, objectives)) * 10.0 ** rng.integers(-4, 1, size=(arms, 1)),
        ),
        weights=weights,
        plays=rng.integers(0, 12, size=arms),
        objectives=Objectives([Objective(f"objective_{j}", bounds=(0, 1)) for j in range(objectives)]),
        request=Request({}, weights, {}, None, None, None, now_us=0),
    )
    known = np.minimum(made.plays, rng.integers(0, 12, size=arms))
    return replace(made, count_outcomes=lambda: known, **changes)


def believing(given: Situation, *, mean: FloatArray | None = None, width: FloatArray | None = None) -> Situation:
    """The same situation with other means or widths, of shape (arms, objectives)."""
    mean = given.mean if mean is None else mean
    return replace(given, prediction=Prediction.exact(mean, given.width if width is None else width))


def permuted(given: Situation, order: np.ndarray) -> Situation:
    """The same arms in another order."""
    known = None if given.count_outcomes is None else given.count_outcomes()
    return replace(
        believing(given, mean=given.mean[order], width=given.width[order]),
        arms=tuple(given.arms[i] for i in order),
        eligible=given.eligible[order],
        plays=given.plays[order],
        count_outcomes=None if known is None else lambda: known[order],
    )


class PolicyLaws:
    """What every :class:`~banditroute.policies.Policy` keeps.

    Attributes:
        policy: The policy under test; an attribute of the inheriting class.
        scale_free: Whether only the ratios of the preferences matter to it.
    """

    policy: Policy
    scale_free: bool = True

    def prepared(self, given: Situation) -> Situation:
        """``given``, changed so that this policy can choose in it."""
        return given

    def probabilities(self, given: Situation) -> FloatArray:
        """The probabilities, checked to be a distribution over the eligible arms."""
        found = self.policy.probabilities(given)
        assert found.shape == given.eligible.shape
        assert np.isfinite(found).all()
        assert (found >= 0).all()
        assert abs(found.sum() - 1) <= SUM_ROUNDING
        assert not found[~given.eligible].any()
        return found

    def situations(self) -> list[Situation]:
        """Ordinary situations, of one to twelve arms."""
        return [self.prepared(situation(seed, 1 + seed % 12, 1 + seed % 4)) for seed in range(36)]

    def test_a_declared_ridge_is_a_finite_number_above_zero(self) -> None:
        """Or there is no posterior."""
        assert 0 < getattr(self.policy, "ridge", DEFAULT_RIDGE) < np.inf

    def test_probabilities_are_a_distribution_over_the_eligible_arms(self) -> None:
        """Wherever it is asked."""
        for given in self.situations():
            self.probabilities(given)

    def test_the_same_situation_gives_the_same_bits(self) -> None:
        """A policy has no state and no randomness."""
        for given in self.situations():
            first = self.probabilities(given).tobytes()
            self.probabilities(self.situations()[0])
            assert self.probabilities(given).tobytes() == first

    def test_nothing_is_changed(self) -> None:
        """The situation is the router's."""
        for given in self.situations():
            before = _bytes(given)
            self.probabilities(given)
            assert _bytes(given) == before

    def test_permuting_arms_permutes_probabilities(self) -> None:
        """No arm is preferred for its place."""
        for seed, given in enumerate(self.situations()):
            order = np.random.default_rng(seed).permutation(len(given.arms))
            moved = self.probabilities(permuted(given, order))
            np.testing.assert_allclose(moved, self.probabilities(given)[order], rtol=0, atol=1e-12)

    @pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
    def test_widths_that_are_worked_out_on_demand_change_nothing(self, spread: float) -> None:
        """With many arms a policy sees bounds, and must ask for every width that matters to it."""
        for seed in range(40):
            made = self.prepared(situation(seed, 2 + seed % 12, 1 + seed % 4))
            rng = np.random.default_rng([seed, 1])
            roots, limit = rng.random((len(made.arms), 1)) * spread, spread * (1 + rng.random())
            noise = rng.random((1, len(made.weights)))

            def work_out(arms: Sequence[int] | None, roots: FloatArray = roots) -> FloatArray:
                return roots.copy() if arms is None else roots[list(arms)]

            mean = made.mean.round(int(rng.integers(1, 4)))
            exact = replace(made, prediction=Prediction(mean, roots, noise))
            lazy = replace(made, prediction=LazyPrediction(mean, limit, noise, work_out))
            np.testing.assert_allclose(self.probabilities(lazy), self.probabilities(exact), rtol=0, atol=1e-12)

    def test_equal_arms_share(self) -> None:
        """Arms of which the same is known have the same chance."""
        for given in self.situations():
            count = len(given.arms)
            same = believing(
                replace(given, plays=np.repeat(given.plays[:1], count), count_outcomes=None),
                mean=np.repeat(given.mean[:1], count, axis=0),
                width=np.repeat(given.width[:1], count, axis=0),
            )
            self.check_equal_arms(same, self.probabilities(same)[same.eligible])

    def check_equal_arms(self, given: Situation, found: FloatArray) -> None:
        """Override it for a policy that refers to arms by name."""
        np.testing.assert_allclose(found, 1 / np.count_nonzero(given.eligible), rtol=0, atol=1e-12)

    def test_one_eligible_arm_is_certain(self) -> None:
        """However new or bad it is."""
        for seed in range(8):
            eligible = np.arange(8) == seed
            given = self.prepared(situation(seed, 8, eligible=eligible))
            alone = replace(given, eligible=given.eligible & (given.eligible.cumsum() == 1))
            assert abs(self.probabilities(alone).max() - 1) <= SUM_ROUNDING

    @pytest.mark.parametrize("factor", [2.0**-30, 2.0**20, 1e-9, 3.0])
    def test_only_the_ratios_of_preferences_matter(self, factor: float) -> None:
        """Weights are never normalised, so their size must not matter either."""
        if not self.scale_free:
            pytest.skip("the policy declares that the size of the weights matters")
        for given in self.situations():
            scaled = replace(given, weights=given.weights * factor)
            np.testing.assert_allclose(self.probabilities(scaled), self.probabilities(given), rtol=0, atol=1e-9)

    @pytest.mark.parametrize("arms", [1, 2, 300])
    @pytest.mark.parametrize("width", [0.0, 1e-300, 1e-16, 1e6])
    def test_extremes_stay_finite(self, arms: int, width: float) -> None:
        """No arm known, all arms known, and both mixed."""
        given = self.prepared(situation(arms, arms))
        widths = np.full_like(given.width, width)
        mixed = np.where(np.arange(arms)[:, np.newaxis] % 2, given.width, widths)
        flat = np.zeros_like(given.mean)
        with np.errstate(all="raise", under="ignore"):
            for extreme in (
                believing(given, width=widths),
                believing(given, width=mixed),
                believing(given, width=widths, mean=flat),
                believing(given, width=mixed, mean=given.mean * 1e6),
                believing(replace(given, weights=given.weights * 1e-12), width=mixed),
            ):
                self.probabilities(extreme)


def _bytes(given: Situation) -> list[object]:
    values = [getattr(given, field.name) for field in fields(given)] + [given.mean, given.width]
    return [value.tobytes() if isinstance(value, np.ndarray) else value for value in values]
