from copy import deepcopy

import numpy as np
import pytest

from banditroute.core.arrays import FloatArray, IntArray, RowArray
from banditroute.errors import InvalidArgumentError
from banditroute.learning import ExactSums, RidgePosterior
from banditroute.learning.posterior import ridge
from banditroute.learning.posterior.backends.factored import LowRankBackend
from banditroute.learning.posterior.backends.packed import PackedBackend
from banditroute.learning.posterior.backends.stacked import DenseBackend
from tests.learning.rows import as_floats, grid_rows

ARMS, DIMENSION, OUTCOMES = 5, 13, 3
NEVER = 10**9
FORMS = {
    "stacked": (DenseBackend, NEVER, NEVER),
    "packed": (PackedBackend, NEVER, 0),
    "factored": (LowRankBackend, 1, NEVER),
}


@pytest.fixture(params=sorted(FORMS))
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type:
    kind, factored_from, packed_from = FORMS[request.param]
    monkeypatch.setattr(ridge, "_FACTORED_FROM", factored_from)
    monkeypatch.setattr(ridge, "_PACKED_FROM", packed_from)
    return kind


def closed_form(
    x: FloatArray, y: FloatArray, lam: float, prior: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Theta, V and the ridge cost, by least squares on rows that carry the prior; nothing of the library."""
    d = x.shape[1]
    V = lam * np.eye(d) + x.T @ x
    theta = prior + np.linalg.solve(V, x.T @ (y - x @ prior.T)).T
    cost = ((y - x @ theta.T) ** 2).sum(axis=0) + lam * ((theta - prior) ** 2).sum(axis=1)
    return theta, V, cost


def priors(seed: int, arms: int = ARMS) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(arms, OUTCOMES, DIMENSION))


def experience(counts: tuple[int, ...] = (0, 1, 4, 30, 400)) -> list[tuple[RowArray, IntArray]]:
    return [grid_rows(seed, count, DIMENSION, OUTCOMES) for seed, count in enumerate(counts)]


def summed(rows: RowArray, values: IntArray) -> ExactSums:
    sums = ExactSums(DIMENSION, OUTCOMES)
    sums.add(rows, values)
    return sums


def built(lam: float, means: FloatArray) -> RidgePosterior:
    posterior = RidgePosterior(DIMENSION, OUTCOMES, lam)
    for number, mean in enumerate(means):
        assert posterior.add_arm(mean) == number
    return posterior


def check(posterior: RidgePosterior, data: list[tuple[RowArray, IntArray]], lam: float, means: FloatArray) -> None:
    contexts = np.random.default_rng(9).normal(size=(7, DIMENSION))
    many_means, many_leverages = posterior.predict_many(contexts)
    assert many_means.shape == (7, len(data), OUTCOMES)
    assert many_leverages.shape == (7, len(data))
    for t, context in enumerate(contexts):
        found, leverages = posterior.predict(context)
        np.testing.assert_allclose(many_means[t], found, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(many_leverages[t], leverages, rtol=1e-9)
        np.testing.assert_allclose(posterior.means(context), found, rtol=1e-10, atol=1e-10)
        on_demand = posterior.leverages(context)
        for arms in ([3], [1, 0], [2, 0, 3, 1], None):
            np.testing.assert_allclose(
                on_demand(arms), leverages if arms is None else leverages[arms], rtol=1e-10, atol=1e-12
            )
        assert (leverages <= context @ context / lam * (1 + 1e-12)).all()
        for arm, (rows, values) in enumerate(data):
            theta, V, _ = closed_form(*as_floats(rows, values), lam, means[arm])
            np.testing.assert_allclose(found[arm], theta @ context, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(leverages[arm], context @ np.linalg.solve(V, context), rtol=1e-9)
            np.testing.assert_allclose(posterior.coefficients(arm), theta, rtol=1e-9, atol=1e-9)
            inverse = posterior.inverse(arm)
            np.testing.assert_allclose(inverse @ V, np.eye(DIMENSION), atol=1e-9)


@pytest.mark.parametrize("lam", [0.1, 1.0, 4.0])
def test_refresh_is_the_closed_form(form: type, lam: float) -> None:
    data, old, means = experience(), priors(1), priors(2)
    posterior = built(lam, old)
    assert isinstance(posterior.backend, form)
    for arm, (rows, values) in enumerate(data):
        cost = posterior.refresh(arm, summed(rows, values), means[arm])
        expected = closed_form(*as_floats(rows, values), lam, means[arm])[2]
        np.testing.assert_allclose(cost, expected, rtol=1e-9, atol=1e-9)
        assert (cost >= 0).all()
    check(posterior, data, lam, means)


@pytest.mark.parametrize("lam", [0.1, 1.0, 4.0])
def test_row_by_row_is_the_closed_form_and_so_is_the_cost(form: type, lam: float) -> None:
    data, means = experience(), priors(2)
    posterior = built(lam, means)
    costs = np.zeros((ARMS, OUTCOMES))
    for arm, (rows, values) in enumerate(data):
        for x, y in zip(*as_floats(rows, values), strict=True):
            before, leverages = posterior.predict(x)
            errors = posterior.observe(arm, x, y)
            np.testing.assert_allclose(
                errors, (before[arm] - y) / np.sqrt(1 + leverages[arm]), rtol=1e-9, atol=1e-12
            )
            costs[arm] += errors**2
        np.testing.assert_allclose(
            costs[arm], closed_form(*as_floats(rows, values), lam, means[arm])[2], rtol=1e-9, atol=1e-9
        )
    check(posterior, data, lam, means)


def test_rows_after_a_refresh_and_an_amended_refresh(form: type) -> None:
    lam, data, means = 0.5, experience((3, 8, 2, 60, 100)), priors(2)
    posterior = built(lam, np.zeros_like(means))
    for arm, (rows, values) in enumerate(data):
        half = len(rows) // 2
        sums = summed(rows, values)
        sums.amend(rows[:half], values[:half], values[:half] // 2)
        sums.subtract(rows[half:], values[half:])
        posterior.refresh(arm, sums, means[arm])
        values[:half] //= 2
        for x, y in zip(*as_floats(rows[half:], values[half:]), strict=True):
            posterior.observe(arm, x, y)
    check(posterior, data, lam, means)


@pytest.mark.parametrize("shared", [False, True])
def test_a_new_prior_needs_no_refresh(form: type, shared: bool) -> None:
    lam, data, old, new = 2.5, experience(), priors(1), priors(2)
    posterior = built(lam, old)
    for arm, (rows, values) in enumerate(data):
        posterior.refresh(arm, summed(rows, values), old[arm])
    if shared:
        new[:] = new[0]
    posterior.reprior(new[0] if shared else new)
    check(posterior, data, lam, new)
    posterior.reprior(old)
    check(posterior, data, lam, old)


@pytest.mark.parametrize("lam", [1e-3, 0.1, 4.0, 1e3])
def test_a_cold_arm_is_as_wide_as_the_context_over_the_root_of_the_ridge(form: type, lam: float) -> None:
    posterior = built(lam, priors(1))
    x = np.random.default_rng(3).normal(size=DIMENSION)
    for arm, (rows, values) in enumerate(experience((0, 0, 0, 0, 50))):
        posterior.refresh(arm, summed(rows, values), np.zeros((OUTCOMES, DIMENSION)))
    leverages = posterior.predict(x)[1]
    np.testing.assert_allclose(np.sqrt(leverages[:4]), np.linalg.norm(x) / np.sqrt(lam), rtol=1e-13)
    assert leverages[4] < leverages[0]
    # What others start from, V⁻¹ = ridge I, is right at ridge 1 alone.
    assert not np.isclose(lam * (x @ x), leverages[0])


def test_bits_follow_from_the_arm_alone(form: type) -> None:
    """An arm that is alone and one among others, restarted at its refresh, end at the same bits."""
    data, means = experience((120, 7, 3, 31, 90)), priors(2)
    crowd, alone = built(0.7, means), built(0.7, means[:1])
    rows, values = data[0]
    crowd.refresh(0, summed(rows[:5], values[:5]), means[0])
    alone.refresh(0, summed(rows[:5], values[:5]), means[0])
    for number, (x, y) in enumerate(zip(*as_floats(rows[5:], values[5:]), strict=True)):
        for arm in range(1, ARMS):
            if number < len(data[arm][0]):
                crowd.predict(x)
                crowd.observe(arm, *(part[number] for part in as_floats(*data[arm])))
        in_crowd, by_itself = crowd.observe(0, x, y), alone.observe(0, x, y)
        assert in_crowd.tobytes() == by_itself.tobytes()
    assert crowd.coefficients(0).tobytes() == alone.coefficients(0).tobytes()
    assert crowd.inverse(0).tobytes() == alone.inverse(0).tobytes()


def test_inverses_stay_symmetric_bit_for_bit(form: type) -> None:
    posterior = built(0.3, priors(1))
    for arm, (rows, values) in enumerate(experience((2, 9, 33, 100, 301))):
        for x, y in zip(*as_floats(rows, values), strict=True):
            posterior.observe(arm, x, y)
        inverse = posterior.inverse(arm)
        assert inverse.tobytes() == inverse.T.copy().tobytes()


def test_many_stacked_arms_become_packed_ones_with_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "_PACKED_FROM", 4 * DIMENSION)
    data, means = experience((20, 3, 60)), priors(1, 3)
    posterior = built(0.4, means)
    for arm, (rows, values) in enumerate(data):
        posterior.refresh(arm, summed(rows, values), means[arm])
    assert isinstance(posterior.backend, DenseBackend)
    before = [(posterior.inverse(arm).tobytes(), posterior.coefficients(arm).tobytes()) for arm in range(3)]
    posterior.add_arm()
    assert isinstance(posterior.backend, PackedBackend)
    assert before == [
        (posterior.inverse(arm).tobytes(), posterior.coefficients(arm).tobytes()) for arm in range(3)
    ]
    check(
        posterior,
        [*data, grid_rows(0, 0, DIMENSION, OUTCOMES)],
        0.4,
        np.concatenate([means, np.zeros((1, OUTCOMES, DIMENSION))]),
    )


@pytest.mark.parametrize(
    ("arms", "dimension", "form_name"),
    [(4, 16, "DenseBackend"), (64, 64, "PackedBackend"), (2, 128, "LowRankBackend")],
)
def test_the_form_follows_the_size(arms: int, dimension: int, form_name: str) -> None:
    posterior = RidgePosterior(dimension, 1, 1.0)
    for _ in range(arms):
        posterior.add_arm()
    assert len(posterior) == arms
    assert type(posterior.backend).__name__ == form_name


def test_at_its_real_size_a_factor_becomes_a_triangle_at_half_the_rows() -> None:
    d, lam = 130, 0.1
    rows, values = grid_rows(4, 90, d, 1)
    posterior = RidgePosterior(d, 1, lam)
    posterior.add_arm()
    x, y = as_floats(rows, values)
    for n in range(90):
        posterior.observe(0, x[n], y[n])
        if n + 1 in (1, 64, 65, 90):
            theta, V, _ = closed_form(x[: n + 1], y[: n + 1], lam, np.zeros((1, d)))
            means, leverages = posterior.predict(x[0])
            np.testing.assert_allclose(leverages, x[0] @ np.linalg.solve(V, x[0]), rtol=1e-9)
            np.testing.assert_allclose(means[0], theta @ x[0], rtol=1e-9)


def test_sums_that_are_no_sums_of_rows_are_refused_and_change_nothing(form: type) -> None:
    posterior = built(0.1, priors(1))
    rows, values = experience()[3]
    posterior.refresh(0, summed(rows, values), priors(1)[0])
    before = posterior.inverse(0).tobytes(), posterior.coefficients(0).tobytes()
    negative = ExactSums(DIMENSION, OUTCOMES)
    negative.subtract(rows[:2], values[:2])
    with pytest.raises(InvalidArgumentError, match="has no posterior") as caught:
        posterior.refresh(0, negative, priors(1)[0])
    assert caught.value.code == "ridge.singular"
    assert before == (posterior.inverse(0).tobytes(), posterior.coefficients(0).tobytes())


def test_a_posterior_without_arms_predicts_nothing(form: type) -> None:
    means, leverages = RidgePosterior(DIMENSION, OUTCOMES, 1.0).predict(np.ones(DIMENSION))
    assert means.shape == (0, OUTCOMES)
    assert leverages.shape == (0,)


def test_one_feature_is_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    for factored_from, packed_from in ((NEVER, NEVER), (NEVER, 0), (1, NEVER)):
        monkeypatch.setattr(ridge, "_FACTORED_FROM", factored_from)
        monkeypatch.setattr(ridge, "_PACKED_FROM", packed_from)
        posterior = RidgePosterior(1, 1, 2.0)
        posterior.add_arm(np.array([[0.5]]))
        # V = 2 + 9 = 11; theta = 0.5 + 3 (4 - 1.5) / 11.
        errors = posterior.observe(0, np.array([3.0]), np.array([4.0]))
        np.testing.assert_allclose(errors, [-2.5 / np.sqrt(1 + 4.5)], rtol=1e-14)
        means, leverages = posterior.predict(np.array([1.0]))
        np.testing.assert_allclose(means, [[0.5 + 7.5 / 11]], rtol=1e-14)
        np.testing.assert_allclose(leverages, [1 / 11], rtol=1e-14)


def test_a_long_batch_is_predicted_in_parts_that_do_not_show(form: type) -> None:
    data, means = experience(), priors(2)
    posterior = built(0.5, means)
    for arm, (rows, values) in enumerate(data):
        posterior.refresh(arm, summed(rows, values), means[arm])
    X = np.random.default_rng(4).normal(size=(600, DIMENSION))
    all_means, leverages = posterior.predict_many(X)
    for t in (0, 255, 256, 599):
        np.testing.assert_allclose(all_means[t], posterior.predict(X[t])[0], rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(leverages[t], posterior.predict(X[t])[1], rtol=1e-10)


@pytest.mark.parametrize("lam", [0.0, -1.0, np.nan, np.inf])
def test_a_ridge_that_is_none_is_refused(lam: float) -> None:
    with pytest.raises(InvalidArgumentError, match="ridge ="):
        RidgePosterior(2, 1, lam)


def test_what_does_not_fit_is_refused() -> None:
    posterior = built(1.0, priors(1))
    with pytest.raises(InvalidArgumentError, match="sums have shape"):
        posterior.refresh(0, ExactSums(2, 1), priors(1)[0])
    with pytest.raises(InvalidArgumentError, match="prior must be finite"):
        posterior.add_arm(np.full((OUTCOMES, DIMENSION), np.nan))
    with pytest.raises(InvalidArgumentError, match="priors must be finite"):
        posterior.reprior(np.full((OUTCOMES, DIMENSION), np.inf))
    with pytest.raises(InvalidArgumentError, match="is outside"):
        RidgePosterior(0, 1, 1.0)
    with pytest.raises(InvalidArgumentError, match="is outside"):
        RidgePosterior(1, 33, 1.0)


def test_a_copy_has_the_same_bits_and_learns_apart(form: type) -> None:
    data, means = experience(), priors(3)
    posterior, whole = built(0.7, means), built(0.7, means)
    x = np.random.default_rng(8).normal(size=DIMENSION)
    for arm, (rows, values) in enumerate(data):
        for row in zip(*as_floats(rows, values), strict=True):
            posterior.observe(arm, *row)
            whole.observe(arm, *row)
    before = [part.tobytes() for part in posterior.predict(x)]
    copy = deepcopy(posterior)
    assert isinstance(copy.backend, form)
    assert [part.tobytes() for part in copy.predict(x)] == before
    copy.add_arm(means[0])
    for each in (copy, whole):
        each.observe(2, x, np.ones(OUTCOMES))
        each.refresh(3, summed(*data[3]), means[3])
    assert [part.tobytes() for part in posterior.predict(x)] == before
    for arm in range(ARMS):
        assert copy.coefficients(arm).tobytes() == whole.coefficients(arm).tobytes()
        assert copy.inverse(arm).tobytes() == whole.inverse(arm).tobytes()
