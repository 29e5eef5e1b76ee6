"""Plots of a comparison, and the extras that they need."""

from pathlib import Path

import pytest

from banditroute.errors import InvalidArgumentError, MissingDependencyError
from banditroute.evaluation import (
    comparison_frame,
    frontier_plot,
    overview_plot,
    regret_plot,
    traffic_plot,
)
from tests.evaluation.comparisons import COST, by_hand


def test_missing_extras_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("narwhals", "matplotlib.figure"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(MissingDependencyError, match="banditroute\\[frames\\]"):
        comparison_frame(by_hand())
    with pytest.raises(MissingDependencyError, match="banditroute\\[plot\\]"):
        overview_plot(by_hand())


@pytest.mark.parametrize("cost", [None, COST], ids=["without costs", "with costs"])
@pytest.mark.parametrize("seeds", [1, 2])
def test_plots_are_drawn(tmp_path: Path, cost: list[list[float]] | None, seeds: int) -> None:
    overview_plot(by_hand(cost, seeds)).savefig(tmp_path / "plot.png", dpi=30)
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


def test_plane_needs_costs_and_others_stand_alone(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="no cost-quality plane"):
        frontier_plot(by_hand())
    for draw in (regret_plot, frontier_plot, traffic_plot):
        draw(by_hand(COST)).savefig(tmp_path / "plot.png", dpi=30)
