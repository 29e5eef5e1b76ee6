"""Plots of a comparison: regret over time, the cost-quality plane, the shares of traffic.

Figures are built as objects, without pyplot, so no global state changes and no display is needed.
"""

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.errors import InvalidArgumentError, MissingDependencyError
from banditroute.evaluation.metrics.baselines import frontier, mean_of_arms
from banditroute.evaluation.report.comparison import COST, QUALITY, Comparison
from banditroute.evaluation.report.labels import Point, place_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's colours, which the colour-blind can tell apart, in an order that keeps neighbours distinct.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#F0E442")
# Tol's light colours for the areas, so that no arm looks like a policy.
_AREAS = ("#77AADD", "#EE8866", "#44BB99", "#EEDD88", "#FFAABB", "#99DDFF", "#BBCC33", "#AAAA00")
_DASHES = (0, (4, 3))
_INK, _PALE = "#333333", "#9A9A9A"
_ARMS_DRAWN = 6
_POINTS = 400
_WINDOWS = 60
_DPI = 150


def overview_plot(comparison: Comparison) -> "Figure":
    """Draw all three on one figure; the cost-quality plane is left out if quality or cost is not known.

    Raises:
        MissingDependencyError: if matplotlib is not installed.
    """
    planes = _has_plane(comparison)
    figure = _figure(12.0 if planes else 8.0, 8.8, comparison)
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.25, 1.0))[:, 0]
    axes = upper.subplots(1, 1 + planes, squeeze=False)[0]
    _regret(axes[0], comparison)
    _traffic(lower, comparison)
    if planes:
        _plane(axes[1], comparison)
    return figure


def regret_plot(comparison: Comparison) -> "Figure":
    """Draw cumulative regret against the oracle: the mean over seeds, with a 95% band."""
    figure = _figure(7.2, 5.0, comparison)
    _regret(figure.subplots(), comparison)
    return figure


def frontier_plot(comparison: Comparison) -> "Figure":
    """Draw mean quality over mean cost: arms, the hull of their static mixtures, the oracle and the policies.

    Raises:
        InvalidArgumentError: if the workload has no quality or no cost.
    """
    if not _has_plane(comparison):
        raise InvalidArgumentError(
            f"{comparison.workload.name} lacks {QUALITY} or {COST}, so it has no cost-quality plane"
        )
    figure = _figure(7.2, 5.0, comparison)
    _plane(figure.subplots(), comparison)
    return figure


def traffic_plot(comparison: Comparison) -> "Figure":
    """Draw the share of each arm over the stream, one panel per policy."""
    figure = _figure(max(7.2, 3.0 * len(comparison.policies)), 4.0, comparison)
    _traffic(figure, comparison)
    return figure


def _has_plane(comparison: Comparison) -> bool:
    return {QUALITY, COST} <= comparison.workload.outcomes.keys()


def _figure(width: float, height: float, comparison: Comparison) -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("plots need matplotlib: pip install 'banditroute[plot]'") from None
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    characters = int(width * 15)
    figure.suptitle("\n".join(wrap(_caption(comparison), characters)), fontsize=8, color=_INK, x=0.01, ha="left")
    return figure


def _caption(comparison: Comparison) -> str:
    """Return the workload, the seeds, the preferences, and what the bands and bars are, in one line."""
    seeds = len(comparison.seeds)
    preferences = ", ".join(f"{name} {weight:g}" for name, weight in comparison.preferences.items())
    bands = "; bands and bars are 95% intervals over seeds" if seeds > 1 else ", so there are no intervals"
    return (
        f"{comparison.workload.name}: {len(comparison.workload)} requests, {len(comparison.arms)} arms; "
        f"preferences {preferences}; {seeds} {'seeds' if seeds > 1 else 'seed'}{bands}"
    )


def _regret(axes: "Axes", comparison: Comparison) -> None:
    requests = np.unique(np.linspace(0, len(comparison.workload) - 1, _POINTS).astype(np.int64))
    for name, colour in zip(comparison.policies, _cycle(len(comparison.policies)), strict=True):
        curves = comparison.regret_curve(name)[:, requests]
        mean = curves.mean(axis=0)
        axes.plot(requests + 1, mean, color=colour, linewidth=1.8, label=name)
        if len(curves) > 1:
            half = _half_widths(curves)
            axes.fill_between(requests + 1, mean - half, mean + half, color=colour, alpha=0.18, linewidth=0)
    best = comparison.baselines[0]
    slope = best.values["regret"] / len(comparison.workload)
    axes.plot(
        requests + 1,
        slope * (requests + 1),
        color=_PALE,
        linewidth=1.2,
        linestyle=_DASHES,
        label=f"best single arm, {best.note}",
    )
    axes.set_xlim(0, len(comparison.workload))
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    _dress(axes, "Cumulative regret", "requests", "utility lost to the per-query oracle")


def _half_widths(curves: FloatArray) -> FloatArray:
    from scipy.stats import t

    seeds = len(curves)
    quantile = float(t.ppf(0.975, seeds - 1))
    half: FloatArray = quantile * curves.std(axis=0, ddof=1) / np.sqrt(seeds)
    return half


def _plane(axes: "Axes", comparison: Comparison) -> None:
    outcomes = comparison.outcomes
    cost, quality = 1000 * mean_of_arms(outcomes[COST]), mean_of_arms(outcomes[QUALITY])
    hull = frontier(quality, cost)
    axes.set_xscale("log")
    line = _mixture_line(axes, cost[hull], quality[hull])
    axes.scatter(cost, quality, s=34, color="white", edgecolor=_INK, linewidth=1.1, zorder=3)
    oracle = comparison.baselines[-1].values
    axes.scatter(
        1000 * oracle[COST],
        oracle[QUALITY],
        s=110,
        marker="*",
        color="#E8B400",
        edgecolor=_INK,
        linewidth=0.8,
        zorder=4,
    )
    labelled = [Point("per-query oracle", 1000 * oracle[COST], oracle[QUALITY])]
    others = [arm for arm in range(len(cost)) if arm not in hull] if len(cost) <= _ARMS_DRAWN else []
    labelled += [Point(comparison.arms[arm], cost[arm], quality[arm]) for arm in (*hull, *others)]
    obstacles = [*line, *(Point("", x, y) for x, y in zip(cost.tolist(), quality.tolist(), strict=True))]
    for name, colour in zip(comparison.policies, _cycle(len(comparison.policies)), strict=True):
        x, y = comparison.interval(COST, name), comparison.interval(QUALITY, name)
        obstacles.append(Point("", 1000 * x.mean, y.mean))
        axes.errorbar(
            1000 * x.mean,
            y.mean,
            xerr=None if np.isnan(x.low) else 1000 * x.half,
            yerr=None if np.isnan(y.low) else y.half,
            fmt="o",
            markersize=7,
            color=colour,
            markeredgecolor="white",
            markeredgewidth=0.8,
            elinewidth=1.2,
            label=name,
            zorder=5,
        )
    axes.margins(x=0.12, y=0.1)
    axes.legend(frameon=False, loc="best", fontsize=9)
    _dress(axes, "Cost and quality", "mean cost per 1000 requests [USD], logarithmic", "mean quality")
    _plain_dollars(axes)
    place_labels(axes, labelled, obstacles=obstacles, colour=_INK)


def _mixture_line(axes: "Axes", cost: FloatArray, quality: FloatArray) -> list[Point]:
    """Draw the mixtures of neighbours, straight in dollars and so bent on a logarithmic axis; return points."""
    xs: list[float] = []
    ys: list[float] = []
    for i in range(len(cost) - 1):
        share = np.linspace(0, 1, 60) ** 2
        xs.extend((cost[i] + share * (cost[i + 1] - cost[i])).tolist())
        ys.extend((quality[i] + share * (quality[i + 1] - quality[i])).tolist())
    axes.plot(xs, ys, color=_PALE, linewidth=1.3, linestyle=_DASHES, label="static mixtures", zorder=2)
    return [Point("", x, y) for x, y in zip(xs, ys, strict=True)]


def _plain_dollars(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"${value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _traffic(figure: Any, comparison: Comparison) -> None:
    panels = figure.subplots(1, len(comparison.policies), sharey=True, squeeze=False)[0]
    shown = _most_used(comparison)
    colours = [*(_AREAS[i % len(_AREAS)] for i in range(len(shown))), "#D9D9D9"]
    labels = [*(comparison.arms[arm] for arm in shown), "others"]
    stacks: list[Any] = []
    for axes, name in zip(panels, comparison.policies, strict=True):
        shares, middles = _shares_over_time(comparison, name)
        rest = 1.0 - shares[shown].sum(axis=0)
        drawn = [*shares[shown], np.clip(rest, 0, 1)] if len(shown) < len(comparison.arms) else list(shares[shown])
        stacks = axes.stackplot(middles, drawn, colors=colours[: len(drawn)], linewidth=0.4, edgecolor="white")
        axes.set_xlim(middles[0], middles[-1])
        axes.set_ylim(0, 1)
        _dress(axes, name, "requests", "share of traffic" if axes is panels[0] else "")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.locator_params(axis="x", nbins=4)
    figure.legend(
        stacks,
        labels[: len(stacks)],
        loc="outside lower center",
        ncols=min(4, len(stacks)),
        frameon=False,
        fontsize=9,
    )


def _most_used(comparison: Comparison) -> list[int]:
    used = np.bincount(comparison.chosen.ravel(), minlength=len(comparison.arms))
    drawn = len(used) if len(used) <= len(_COLOURS) else _ARMS_DRAWN
    top = np.argsort(-used, kind="stable")[:drawn].tolist()
    return sorted(top)


def _shares_over_time(comparison: Comparison, policy: str) -> tuple[FloatArray, FloatArray]:
    """Share of each arm in each window, shape (arms, windows), and the middles of the windows."""
    chosen = comparison.chosen[comparison.policies.index(policy)]
    edges = np.unique(np.linspace(0, chosen.shape[1], min(_WINDOWS, chosen.shape[1]) + 1).astype(np.int64))
    counts = np.stack(
        [
            np.add.reduceat((chosen == arm).sum(axis=0), edges[:-1]).astype(np.float64)
            for arm in range(len(comparison.arms))
        ]
    )
    return counts / counts.sum(axis=0), (edges[:-1] + edges[1:]) / 2


def _cycle(count: int) -> list[str]:
    return [_COLOURS[i % len(_COLOURS)] for i in range(count)]


def _dress(axes: "Axes", title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=_INK)
    axes.set_xlabel(x, fontsize=9, color=_INK)
    axes.set_ylabel(y, fontsize=9, color=_INK)
    axes.tick_params(labelsize=8, colors=_INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_PALE)
    axes.grid(visible=True, color="#ECECEC", linewidth=0.7)
    axes.set_axisbelow(True)
