"""Features that are rounded to 0 are counted and named."""

from pathlib import Path

import numpy as np

from banditroute import Arm, Router
from banditroute.evaluation import Workload


def test_a_router_counts_them_by_name() -> None:
    router = Router("svc", arms=[Arm("a"), Arm("b")], features=["length", "ratio", "code"])
    router.route([0.5, 1e-6, 0.0])
    router.route_many([[1e-7, 2**-16, 1.0], [0.0, -(2**-16) * 1.01, 2e-6]])
    router.would_choose([1e-7, 1e-7, 1e-7])
    assert router.health().vanished_features == {"length": 1, "ratio": 2, "code": 1}


def test_without_names_they_are_counted_by_index() -> None:
    router = Router("svc", arms=[Arm("a"), Arm("b")])
    assert router.health().vanished_features == {}
    router.route([0.5, 1e-6])
    assert router.health().vanished_features == {"1": 1}


def test_a_workload_notes_them(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    lines = ["x_0,x_1,quality__a,quality__b"]
    lines += [f"{0.5 + number},{number * 1e-6},0.5,0.75" for number in range(20)]
    path.write_text("\n".join(lines), "utf-8")
    (note,) = Workload.read(path).notes
    assert note.startswith("feature x_1: 15 of 20 values are not 0 and rounded to 0, since they are below 1.5e-5")
    np.save(tmp_path / "x.npy", np.full((20, 3), 1e-9))
    (note,) = Workload.read(path, features=tmp_path / "x.npy").notes
    assert note.startswith("feature 0 (counted from 0): 20 of 20")
    assert note.endswith("so are values of 2 other features")


def test_other_workloads_have_no_such_note() -> None:
    assert Workload.bundled().notes == ()
