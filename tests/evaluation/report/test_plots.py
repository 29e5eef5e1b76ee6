"""Plots of a comparison, and the extras that they need."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from banditroute import Uniform
from banditroute.errors import InvalidArgumentError, MissingDependencyError
from banditroute.evaluation import (
    Comparison,
    Workload,
    comparison_frame,
    frontier_plot,
    overview_plot,
    regret_plot,
    replay,
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


def labels_of(axes: Axes) -> list[Annotation]:
    return [each for each in axes.get_children() if isinstance(each, Annotation)]


@pytest.mark.parametrize("arms", [2, 5, 12, 40])
def test_no_label_is_printed_over_another(arms: int) -> None:
    """Arms of nearly the same cost and quality, and one far away."""
    rng = np.random.default_rng(arms)
    quality = np.clip(0.8 + 0.01 * rng.normal(size=(6, arms)), 0, 1)
    cost = np.abs(0.002 + 0.0001 * rng.normal(size=(6, arms)))
    cost[:, 0], quality[:, 0] = 0.04, 0.95
    workload = Workload(
        name="crowded",
        features=rng.normal(size=(6, 2)),
        arms=tuple(f"provider/a-model-with-a-long-name-{arm}" for arm in range(arms)),
        outcomes={"quality": quality, "cost_usd": cost},
    )
    comparison = replay(workload, {"uniform": Uniform()}, preferences={"quality": 1.0, "cost_usd": 0.3}, seeds=2)
    (axes,) = frontier_plot(comparison).axes
    labels = labels_of(axes)
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in labels]
    assert labels
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    frame = axes.get_window_extent()
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)


@pytest.mark.parametrize("draw", [overview_plot, regret_plot, frontier_plot, traffic_plot])
def test_each_figure_names_its_workload_seeds_and_preferences(draw: Callable[[Comparison], Figure]) -> None:
    text = draw(by_hand(COST, 2)).get_suptitle().replace("\n", " ")
    for part in ("workload: 4 requests, 2 arms", "preferences quality 4", "2 seeds", "95% intervals"):
        assert part in text
    assert "1 seed, so there are no intervals" in draw(by_hand(COST, 1)).get_suptitle().replace("\n", " ")
