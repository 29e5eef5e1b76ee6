"""LinUCB works out few widths, and chooses as if it knew all of them."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banditroute.core.arrays import FloatArray
from banditroute.core.log import StateKey
from banditroute.core.objectives import Objective, Objectives
from banditroute.core.prediction import Prediction
from banditroute.core.request import Request
from banditroute.core.situation import Situation
from banditroute.learning import ArmStart, Example, OutcomeModel
from banditroute.learning.posterior import ridge
from banditroute.policies import Exploration, LinUCB

OBJECTIVES = Objectives(
    [Objective("quality"), Objective("cost_usd", goal="min"), Objective("taste", group="response")]
)
ONE_GROUP = Objectives([Objective("quality", group="all"), Objective("taste", group="all")])
FEATURES = 4
NEVER = 10**9


@pytest.fixture(autouse=True, scope="module", params=[(NEVER, 0), (1, NEVER)], ids=["packed", "factored"])
def _lazy(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        factored_from, packed_from = request.param
        patched.setattr(ridge, "_FACTORED_FROM", factored_from)
        patched.setattr(ridge, "_PACKED_FROM", packed_from)
        patched.setattr(ridge, "_LAZY_FROM", 0)
        yield


def a_model(objectives: Objectives, seed: int, arms: int, lam: float) -> OutcomeModel:
    """Arms that were seen not at all to often; some of them have seen the same, so that they tie."""
    rng = np.random.default_rng(seed)
    model = OutcomeModel(objectives, FEATURES, intercept=True, ridge=lam)
    kinds = rng.integers(0, arms, size=arms)
    for arm in range(arms):
        model.add_arms({f"arm {arm}": ArmStart()})
    for arm, kind in enumerate(kinds.tolist()):
        rows = np.random.default_rng([seed, kind])
        for _ in range(int(rows.integers(0, 25))):
            row = rows.integers(-(2**15), 2**15, size=FEATURES + 1).astype(np.int32)
            row[-1] = 2**15
            for group, positions in objectives.groups.items():
                values = tuple(rows.integers(0, 2**16, size=len(positions)).tolist())
                model.learn(Example(StateKey(f"arm {arm}", group, 0), row, values))
    return model


def a_situation(objectives: Objectives, seed: int, prediction: Prediction) -> Situation:
    """Weights of both signs, arms that may not serve, and now and then penalties."""
    rng = np.random.default_rng([seed, 2])
    arms = len(prediction.mean)
    weights = rng.normal(size=len(objectives)).round(1)
    eligible = rng.random(arms) < rng.choice([0.6, 1.0])
    eligible[rng.integers(arms)] = True
    return Situation(
        arms=tuple(f"arm {i}" for i in range(arms)),
        eligible=eligible,
        prediction=prediction,
        weights=weights,
        plays=rng.integers(0, 12, size=arms),
        objectives=objectives,
        request=Request({}, weights, {}, None, None, None, now_us=0),
        penalty=None if rng.random() < 0.5 else rng.random(arms).round(1) * 0.3,
    )


class Both:
    """The same situation twice: with widths on demand, and with all of them worked out before."""

    def __init__(self, objectives: Objectives, seed: int, arms: int, lam: float) -> None:
        model, rng = a_model(objectives, seed, arms, lam), np.random.default_rng([seed, 1])
        x = np.append(rng.uniform(-2, 2, FEATURES).round(2), 1.0)
        factors = rng.choice(np.array([0.0, 0.5, 1.0, 3.0]), size=arms) if rng.random() < 0.5 else None
        predictions = [model.predict(x) for _ in range(2)]
        for prediction in predictions:
            assert not prediction.is_exact
            if factors is not None:
                prediction.scale(1, factors)
        predictions[1].compute_all()
        self.lazy, self.exact = (a_situation(objectives, seed, prediction) for prediction in predictions)


def agree(policy: LinUCB, both: Both) -> None:
    expected = policy.probabilities(both.exact)
    np.testing.assert_allclose(policy.probabilities(both.lazy), expected, rtol=0, atol=1e-12)
    # Asked again, by another controller for instance: the same bits.
    assert policy.score(both.lazy).tobytes() == policy.score(both.lazy).tobytes()
    assert (both.lazy.prediction.width_bound >= both.exact.width * (1 - 1e-9)).all()


@settings(max_examples=150, deadline=None)
@given(
    objectives=st.sampled_from([OBJECTIVES, ONE_GROUP]),
    seed=st.integers(0, 2**32),
    arms=st.integers(1, 14),
    lam=st.sampled_from([0.5, 4.0, 32.0]),
    alpha=st.sampled_from([0.0, 0.1, 0.5, 1.5, 20.0]),
)
def test_the_same_arm_wins_as_with_all_widths(
    objectives: Objectives, seed: int, arms: int, lam: float, alpha: float
) -> None:
    agree(LinUCB(alpha=alpha, exploration=Exploration(floor=0.1)), Both(objectives, seed, arms, lam))


def test_control_bounds_alone_choose_otherwise() -> None:
    class Bounds(LinUCB):
        def score(self, situation: Situation) -> FloatArray:
            return situation.utility() + self.alpha * situation.prediction.weighted(abs(situation.weights))

    def agree_everywhere(policy: LinUCB) -> None:
        for seed in range(20):
            agree(policy, Both(OBJECTIVES, seed, 12, 4.0))

    agree_everywhere(LinUCB(alpha=1.5))
    with pytest.raises(AssertionError):
        agree_everywhere(Bounds(alpha=1.5))


def test_few_widths_are_worked_out() -> None:
    policy, asked, arms = LinUCB(alpha=0.3), 0, 14
    for seed in range(40):
        situation = Both(ONE_GROUP, seed, arms, 4.0).lazy
        situation = replace(situation, eligible=np.ones(arms, dtype=np.bool_))
        policy.probabilities(situation)
        width_bound = situation.prediction.width_bound[:, 0]
        asked += int((width_bound < width_bound.max() * (1 - 1e-9)).sum())
    assert 0 < asked < 0.5 * 40 * arms


def test_all_widths_can_be_computed() -> None:
    both = Both(OBJECTIVES, 3, 9, 4.0)
    LinUCB().probabilities(both.lazy)
    np.testing.assert_allclose(both.lazy.utility_width(), both.exact.utility_width(), rtol=1e-12)
    np.testing.assert_allclose(both.lazy.width, both.exact.width, rtol=1e-12)
    assert both.lazy.prediction.is_exact
