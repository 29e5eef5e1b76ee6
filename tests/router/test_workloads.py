"""On recorded workloads the router stays above what it is known to reach."""

from pathlib import Path

import pytest

from banditroute import LinUCB
from banditroute.evaluation import Workload, replay


@pytest.mark.parametrize(("name", "least"), [("paretobandit4", 0.905), ("routerbench11", 0.72)])
def test_utility_stays_where_it_was(shared: Path, name: str, least: float) -> None:
    path = shared / name / f"{name}.parquet"
    workload = Workload.read(path, features=path.with_suffix(".pca32.npy"))
    compared = replay(workload, {"LinUCB": LinUCB()}, preferences={"quality": 1, "cost_usd": 0.3}, seeds=2)
    assert compared.values("utility", "LinUCB").min() > least
