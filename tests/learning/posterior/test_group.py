import numpy as np

from banditroute.core.arrays import FEATURE_UNIT, OUTCOME_UNIT, from_feature_row
from banditroute.learning import ExactSums
from banditroute.learning.posterior.group import PRIOR_NOISE, PRIOR_ROWS, GroupPosterior
from tests.learning.rows import grid_rows

DIMENSION, OUTCOMES, RIDGE = 5, 2, 3.0


def group_of(arms: int) -> GroupPosterior:
    group = GroupPosterior("group", range(OUTCOMES), DIMENSION, intercept=True, ridge=RIDGE)
    for _ in range(arms):
        group.add_arms([{}])
    return group


def observe(group: GroupPosterior, seed: int, count: int) -> list[int]:
    """Learn rows for the first two arms in turn; return the pooled number of rows after each."""
    known = []
    rows, values = grid_rows(seed, count, DIMENSION, OUTCOMES)
    for number, (row, value) in enumerate(zip(rows, values.tolist(), strict=True)):
        group.observe(number % 2, from_feature_row(row), row, tuple(value))
        known.append(group.pool.n)
    return known


def test_the_common_model_learns_at_powers_of_2_then_every_64_rows() -> None:
    known = observe(group_of(2), 0, 200)
    assert sorted(set(known)) == [1, 2, 4, 8, 16, 32, 64, 128, 192]
    assert [known[n - 1] for n in (1, 2, 64, 128, 192)] == [1, 2, 64, 128, 192]


def test_arms_that_are_added_put_it_off() -> None:
    group = group_of(2)
    observe(group, 0, 130)
    for _ in range(63):
        group.add_arms([{}])
    # 65 arms: every 128 rows. What was due at 192 is due at 256.
    assert observe(group, 1, 126)[-2:] == [128, 256]


def test_an_amended_arm_leaves_what_is_known_of_the_others_alone() -> None:
    amended, untouched = group_of(2), group_of(2)
    for group in (amended, untouched):
        observe(group, 2, 13)
    rows, values = grid_rows(2, 13, DIMENSION, OUTCOMES)
    first, pooled = ExactSums(DIMENSION, OUTCOMES), ExactSums(DIMENSION, OUTCOMES)
    first.add(rows[::2], values[::2])
    pooled.add(rows, values)
    # Five of the rows were still pending when the arm was rebuilt.
    amended.rebuild(0, first, pooled)
    untouched.settle()
    # Private: no caller needs how many rows wait, nor the noise between its updates.
    assert not amended._pending
    assert (amended.cross == untouched.cross).all()
    assert (amended.squares == untouched.squares).all()
    assert np.allclose(amended._noise(), untouched._noise(), rtol=1e-9)


def test_the_noise_is_the_root_of_the_mean_ridge_cost() -> None:
    group = group_of(3)
    observe(group, 3, 64)
    rows, values = grid_rows(3, 64, DIMENSION, OUTCOMES)
    X, Y = rows * FEATURE_UNIT, values * OUTCOME_UNIT
    cost = np.zeros(OUTCOMES)
    for arm in (0, 1):
        # Private: the prior mean, which depends on all arms; the formula is checked given it.
        x, y, prior = X[arm::2], Y[arm::2], group._prior(arm)
        theta = prior + np.linalg.solve(RIDGE * np.eye(DIMENSION) + x.T @ x, x.T @ (y - x @ prior.T)).T
        cost += ((y - x @ theta.T) ** 2).sum(axis=0) + RIDGE * ((theta - prior) ** 2).sum(axis=1)
    expected = np.sqrt((PRIOR_ROWS * PRIOR_NOISE**2 + cost) / (PRIOR_ROWS + 64))
    assert np.allclose(group.noise, expected, rtol=1e-9)
