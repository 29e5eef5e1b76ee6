import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from banditroute.core.objectives import Objectives
from banditroute.errors import InvalidArgumentError
from banditroute.evaluation import (
    Comparison,
    Workload,
    comparison_table,
    replay,
)
from banditroute.policies import Fixed, Uniform
from tests.evaluation.comparisons import COST, by_hand
from tests.evaluation.tables import PREFERENCES, small_workload

SHARED = Path(os.environ.get("BANDITROUTE_SHARED", Path(__file__).parents[4] / "shared" / "data"))


def test_measures_by_hand() -> None:
    compared = by_hand(COST)
    assert compared.values("quality", "second").tolist() == pytest.approx(
        [(0.2 + 0.6 + 0 + 1) / 4, (1 + 0 + 0.6 + 0.2) / 4]
    )
    assert compared.values("utility", "first").tolist() == pytest.approx([1.2, 1.2])
    assert compared.values("regret", "first").tolist() == pytest.approx([2 * (0.8 + 0.2)] * 2)
    np.testing.assert_allclose(compared.regret_curve("first"), 2 * np.array([[0.8, 1, 1, 1], [0, 0, 0.2, 1]]))
    assert compared.values("cost_usd", "second").tolist() == [2.0, 2.0]
    assert compared.share("second") == {"a": 0.5, "b": 0.5}
    assert compared.difference("cost_usd", "second") == (1.0, 1.0, 1.0)
    assert compared.difference("cost_usd", "first", "second") == (-1.0, -1.0, -1.0)


def test_mixture_by_hand() -> None:
    gap = by_hand(COST).against_mixture("second")
    assert gap is not None
    assert gap.shares == {"a": 1.0, "b": 0.0}
    assert gap.quality.mean == pytest.approx(0.45 - 0.6)
    assert gap.utility.mean == pytest.approx(2 * (0.45 - 0.6))
    later = by_hand(COST).against_mixture("second", part="second half")
    assert later is not None
    # First seed, requests 2 and 3: a is better and cheaper. Second seed, requests 1 and 0: b is better, and the
    # cost of the policy pays for b on half of the traffic.
    assert later.quality.mean == pytest.approx(np.mean([0.5 - 0.9, 0.4 - (0.3 + 0.8) / 2]))


def test_mixture_is_not_available_without_costs() -> None:
    assert by_hand().against_mixture("first") is None
    assert "n/a" in str(comparison_table(by_hand()))
    assert by_hand().to_dict()["policies"]["first"]["against_mixture"] is None


def test_a_fixed_arm_on_the_frontier_is_its_own_mixture() -> None:
    compared = replay(small_workload(), {"f": Fixed("small")}, preferences=PREFERENCES, seeds=3)
    gap = compared.against_mixture("f")
    assert gap is not None
    assert gap.shares["small"] == pytest.approx(1.0)
    assert gap.quality.mean == pytest.approx(0.0, abs=1e-12)


def test_baselines_by_hand() -> None:
    found = {baseline.name: baseline for baseline in by_hand(COST).baselines}
    assert list(found) == ["best single arm", "cheapest arm", "uniform", "oracle"]
    assert found["best single arm"].note == found["cheapest arm"].note == "a"
    assert found["uniform"].values == pytest.approx(
        {"utility": 1.15, "regret": 2.2, "quality": 0.575, "cost_usd": 2.0}
    )
    assert found["oracle"].values == pytest.approx(
        {"utility": 1.7, "regret": 0.0, "quality": 0.85, "cost_usd": 2.0}
    )


def test_requests_with_gaps_are_left_out_of_every_figure() -> None:
    nan = math.nan
    compared = by_hand([[1.0, 3.0], [nan, 3.0], [1.0, nan], [nan, nan]])
    # Only the first of four requests has no gap, and every figure is of that one.
    assert compared.is_complete.tolist() == [True, False, False, False]
    for policy in ("first", "second"):
        arm = compared.chosen[compared.policies.index(policy), 0][compared.rows[0] == 0][0]
        assert compared.values("cost_usd", policy)[0] == [1.0, 3.0][arm]
    assert [baseline.values["cost_usd"] for baseline in compared.baselines][-1] in (1.0, 3.0)
    assert "nan" not in str(comparison_table(compared))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="unknown measure 'speed'"):
        by_hand().interval("speed", "first")
    with pytest.raises(InvalidArgumentError, match="no policy 'third'"):
        by_hand().share("third")
    with pytest.raises(InvalidArgumentError, match="no policy 'third'"):
        by_hand().values("regret", "third")


@pytest.mark.parametrize("seeds", [1, 2])
def test_dict_is_json_without_nan(seeds: int) -> None:
    data = json.loads(json.dumps(by_hand(COST, seeds).to_dict(), allow_nan=False))
    for measure in ("utility", "quality", "cost_usd", "regret"):
        assert set(data["policies"]["second"][measure]) == {"mean", "low", "high"}
    assert data["objectives"] == [{"name": "quality", "goal": "max", "bounds": [0.0, 2.0], "scale": None}]
    assert data["baselines"]["oracle"]["quality"] == pytest.approx(0.85)


@pytest.mark.parametrize(
    ("name", "best", "uniform"), [("paretobandit4", 0.9172, 0.8314), ("routerbench11", 0.7531, 0.5974)]
)
def test_recorded_workloads_give_the_known_baselines(name: str, best: float, uniform: float) -> None:
    path = SHARED / name / f"{name}.parquet"
    if not path.is_file():
        pytest.skip("the recorded workloads are not beside this checkout; BANDITROUTE_SHARED says where they are")
    workload = Workload.read(path, features=path.with_suffix(".pca32.npy"))
    compared = replay(
        workload.take(slice(0, 50)), {"u": Uniform()}, preferences={"quality": 1, "cost_usd": 0.3}, seeds=1
    )
    found = {b.name: b.values["utility"] for b in whole(workload, compared).baselines}
    assert found["best single arm"] == pytest.approx(best, abs=5e-5)
    assert found["uniform"] == pytest.approx(uniform, abs=5e-5)


def whole(workload: Workload, part: Comparison) -> Comparison:
    """Return a comparison with the baselines of a whole workload, without replaying it."""
    from banditroute.evaluation import infer_objectives

    return Comparison(
        workload=workload,
        objectives=Objectives(infer_objectives(workload, part.preferences)),
        preferences=part.preferences,
        policies=part.policies,
        seeds=part.seeds,
        rows=part.rows,
        chosen=part.chosen,
        propensity=part.propensity,
    )
