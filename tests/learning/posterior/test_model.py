"""What a router expects is the empirical-Bayes posterior, worked out here with one solve for each line of it."""

import numpy as np
import pytest

from banditroute import Arm, LinUCB, Objective, Router
from banditroute.learning.posterior import model
from banditroute.testing import ridge_model_of

LO, HI = -2.0, 6.0
ARMS = ("a", "b", "c")
ROWS = 120


@pytest.mark.parametrize("ridge", [0.1, 1.0, 4.0])
def test_expected_is_the_closed_form(ridge: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "REFRESH_EVERY", ROWS)
    router = Router(
        "closed",
        arms=[Arm(name) for name in ARMS],
        objectives=[Objective("gain", bounds=(LO, HI))],
        policy=LinUCB(ridge=ridge),
    )
    rng = np.random.default_rng(8)
    X, served, gain = rng.uniform(-2, 2, (ROWS, 3)), rng.integers(0, 2, ROWS), rng.uniform(LO, HI, ROWS)
    for x, arm, value in zip(X, served, gain, strict=True):
        router.feedback(router.route(x).id, served_arm=ARMS[arm], gain=float(value))
    # On the grid, with the intercept.
    Z = np.column_stack([np.rint(X * 2**15) / 2**15, np.ones(ROWS)])
    y = np.rint((gain - LO) / (HI - LO) * 2**16) / 2**16
    eye = np.eye(4)
    centre = np.array([0, 0, 0, (y.sum() + 0.5) / (ROWS + 1)])
    common = centre + np.linalg.solve(Z.T @ Z + ridge * eye, Z.T @ (y - Z @ centre))
    cost, theta = 8 * 0.25**2, []
    for arm in range(3):
        A, b = Z[served == arm], y[served == arm]
        theta.append(common + np.linalg.solve(A.T @ A + ridge * eye, A.T @ (b - A @ common)))
        cost += ((b - A @ theta[arm]) ** 2).sum() + ridge * ((theta[arm] - common) ** 2).sum()
    noise = np.sqrt(cost / (8 + ROWS))
    x = np.array([0.5, -1.25, 0.75])
    z = np.append(x, 1.0)
    expected = router.route(x).expected
    for arm, name in enumerate(ARMS):
        A = Z[served == arm]
        width = noise * np.sqrt(z @ np.linalg.solve(A.T @ A + ridge * eye, z))
        assert expected[name]["gain"].mean == pytest.approx(LO + (HI - LO) * (z @ theta[arm]), abs=1e-9)
        assert expected[name]["gain"].width == pytest.approx((HI - LO) * width, abs=1e-9)


@pytest.mark.parametrize("ridge", [0.1, 1.0, 4.0])
def test_a_cold_arm_is_as_wide_as_the_vector_is_long(ridge: float) -> None:
    router = Router("cold", arms=[Arm("a", prior={"quality": 0.75}), Arm("b")], policy=LinUCB(ridge=ridge))
    x = np.array([0.5, -1.0])
    expected = router.route(x).expected
    width = 0.25 * np.linalg.norm([0.5, -1.0, 1.0]) / np.sqrt(ridge)
    assert (expected["a"]["quality"].mean, expected["b"]["quality"].mean) == (0.75, 0.5)
    assert expected["a"]["quality"].width == pytest.approx(width, abs=1e-12)
    assert expected["b"]["quality"].width == pytest.approx(width, abs=1e-12)


@pytest.mark.parametrize(("live_bytes", "live"), [(0, 1), (160, 1), (3 * 160, 3), (1 << 30, 4)])
def test_the_sums_of_live_epochs_are_bounded_in_bytes_and_merging_changes_no_total(
    live_bytes: int, live: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def life() -> Router:
        router = Router("epochs", arms=[Arm("a"), Arm("b")], features=3, objectives=[Objective("quality")], seed=1)
        rng = np.random.default_rng(3)
        for _ in range(160):
            router.feedback(router.route(rng.uniform(-1, 1, 3), key="same").id, quality=float(rng.random()))
        return router

    monkeypatch.setattr(model, "EPOCH_REQUESTS", 10)
    monkeypatch.setattr(model, "LIVE_BYTES", live_bytes)
    table = ridge_model_of(life()).table
    assert len({key.epoch for key in table.keys}) == live + 1
    monkeypatch.setattr(model, "EPOCH_REQUESTS", 10_000)
    assert all(table.totals(arm, "quality") == ridge_model_of(life()).table.totals(arm, "quality") for arm in "ab")
