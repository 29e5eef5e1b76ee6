"""Tables and frames of a comparison."""

import pytest

from banditroute.errors import InvalidArgumentError
from banditroute.evaluation import (
    Workload,
    comparison_frame,
    comparison_table,
    replay,
)
from banditroute.policies import Fixed
from tests.evaluation.comparisons import COST, by_hand
from tests.evaluation.tables import PREFERENCES, small_workload


def test_table_shows_every_baseline_and_html_escapes() -> None:
    text = str(comparison_table(by_hand(COST)))
    for word in (
        "first",
        "second",
        "best single arm",
        "cheapest arm",
        "uniform",
        "oracle",
        "best static mixture at second's cost",
    ):
        assert word in text
    workload = small_workload(6)
    odd = Workload(arms=("<b>", "m", "l"), features=workload.features, outcomes=workload.outcomes)
    compared = replay(odd, {"<i>": Fixed("<b>")}, preferences=PREFERENCES, seeds=1)
    page = comparison_table(compared)._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert "<i>" not in page


def test_frames() -> None:
    frame = comparison_frame(by_hand(COST))
    assert frame["name"].tolist() == ["first", "second", "best single arm", "cheapest arm", "uniform", "oracle"]
    assert frame["share__a"][1] == 0.5
    assert comparison_frame(by_hand(COST), "pyarrow").num_rows == 6
    with pytest.raises(InvalidArgumentError, match="backend = 'excel'"):
        comparison_frame(by_hand(COST), "excel")  # type: ignore[arg-type]
