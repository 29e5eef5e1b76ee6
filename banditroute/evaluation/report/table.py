"""A comparison as a table (text or HTML) and as a data frame."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.core.objectives import Objective
from banditroute.core.validation import require_one_of
from banditroute.errors import MissingDependencyError
from banditroute.evaluation.metrics.baselines import mean_of_arms
from banditroute.evaluation.metrics.interval import Interval
from banditroute.evaluation.report.comparison import Comparison

_THOUSAND = 1000
_ARMS_SHOWN = 2
_BACKENDS = ("pandas", "polars", "pyarrow")
Backend: TypeAlias = Literal["pandas", "polars", "pyarrow"]


@dataclass(frozen=True, slots=True)
class Table:
    """A comparison laid out in cells; ``print`` shows it as text, and a notebook as HTML.

    Attributes:
        title: Workload, preferences and units of utility.
        header: Names of the columns.
        policies: One row of cells per policy.
        baselines: One row of cells per baseline and mixture.
        notes: Lines that compare the policies with the mixtures, and with the first policy.
    """

    title: str
    header: Sequence[str]
    policies: Sequence[Sequence[str]]
    baselines: Sequence[Sequence[str]]
    notes: Sequence[str]

    def __str__(self) -> str:
        rows = (self.header, *self.policies, *self.baselines)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        lines = [self.title, "", _line(self.header, widths), rule]
        lines += [_line(row, widths) for row in self.policies]
        lines += [rule, *(_line(row, widths) for row in self.baselines), "", *self.notes]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in self.header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in (*self.policies, *self.baselines)
        )
        notes = "<br>".join(map(html.escape, self.notes))
        return (
            f"<table><caption>{html.escape(self.title)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{notes}</p>"
        )


def comparison_table(comparison: Comparison) -> Table:
    """Lay out a comparison as a table: one row per policy, baseline, and mixture at the cost of a policy."""
    header, policies, baselines = _cells(comparison)
    return Table(_title(comparison), header, policies, baselines, _notes(comparison))


def comparison_frame(comparison: Comparison, backend: Backend = "pandas") -> Any:
    """Return a frame of the library named ``backend``, with one row for each policy and each baseline.

    Raises:
        InvalidArgumentError: if the backend is not one of those.
        MissingDependencyError: if that library or narwhals is not installed.
    """
    require_one_of("backend", backend, _BACKENDS)
    try:
        import narwhals

        return narwhals.from_dict(_columns(comparison), backend=backend).to_native()
    except ImportError:
        raise MissingDependencyError(
            f"comparison_frame needs narwhals and {backend}: pip install 'banditroute[frames]' {backend}"
        ) from None


def _columns(comparison: Comparison) -> dict[str, list[Any]]:
    names = [*comparison.policies, *(baseline.name for baseline in comparison.baselines)]
    kinds = ["policy"] * len(comparison.policies) + ["baseline"] * len(comparison.baselines)
    columns: dict[str, list[Any]] = {"name": names, "kind": kinds}
    for measure in comparison.measures:
        intervals = [comparison.interval(measure, name) for name in comparison.policies]
        intervals += [Interval(b.values[measure], math.nan, math.nan) for b in comparison.baselines]
        columns[measure] = [interval.mean for interval in intervals]
        columns[f"{measure}_low"] = [interval.low for interval in intervals]
        columns[f"{measure}_high"] = [interval.high for interval in intervals]
    for arm in comparison.arms:
        shares = [comparison.share(name)[arm] for name in comparison.policies]
        columns[f"share__{arm}"] = [*shares, *([math.nan] * len(comparison.baselines))]
    return columns


def _unit(objective: Objective) -> str:
    low, high = objective.bounds
    if objective.is_resource and low == 0:
        return f"{objective.name} {high:.4g}"
    return f"{objective.name} from {low:g} to {high:.4g}"


def _title(comparison: Comparison) -> str:
    prefer = ", ".join(f"{name}={weight:g}" for name, weight in comparison.preferences.items())
    units = ", ".join(map(_unit, comparison.objectives))
    arms = f"{len(comparison.arms)} arms, {_count(len(comparison.seeds), 'seed')}"
    lines = [
        f"{comparison.workload.name}: {len(comparison.workload)} requests, {arms}",
        f"preferences {prefer}; one unit of utility is {units}",
        *comparison.workload.notes,
    ]
    gaps = len(comparison.workload) - int(comparison.is_complete.sum())
    if gaps:
        lines.append(
            f"{_count(gaps, 'request')} with gaps are left out of all figures; they were routed and learned"
        )
    return "\n".join(lines)


def _cells(comparison: Comparison) -> tuple[list[str], list[list[str]], list[list[str]]]:
    metrics = list(comparison.workload.outcomes)
    header = ["", "utility", *(_heading(metric) for metric in metrics), "regret", "arms"]
    policies = [
        [
            name,
            _signed(comparison.interval("utility", name), digits=4),
            *(_number(metric, comparison.interval(metric, name).mean) for metric in metrics),
            _signed(comparison.interval("regret", name), digits=1),
            _shares(comparison.share(name)),
        ]
        for name in comparison.policies
    ]
    baselines = [
        [
            baseline.name,
            f"{baseline.values['utility']:.4f}",
            *(_number(metric, baseline.values[metric]) for metric in metrics),
            f"{baseline.values['regret']:.1f}",
            baseline.note,
        ]
        for baseline in comparison.baselines
    ]
    return header, policies, [*baselines, *_mixtures(comparison, metrics)]


def _mixtures(comparison: Comparison, metrics: list[str]) -> list[list[str]]:
    """Return the rows of the best static mixtures at the cost of each policy, where there is one."""
    rows = []
    for name in comparison.policies:
        gap = comparison.against_mixture(name)
        if gap is not None:
            shares = np.array([gap.shares[arm] for arm in comparison.arms])
            utility = comparison.interval("utility", name).mean - gap.utility.mean
            regret = int(comparison.is_complete.sum()) * (comparison.baselines[-1].values["utility"] - utility)
            means = [_static_mean(shares, comparison.outcomes[metric]) for metric in metrics]
            shown = [_number(metric, mean) for metric, mean in zip(metrics, means, strict=True)]
            label = f"best static mixture at {name}'s cost"
            rows.append([label, f"{utility:.4f}", *shown, f"{regret:.1f}", _shares(gap.shares)])
    return rows


def _static_mean(shares: FloatArray, cells: FloatArray) -> float:
    return float(shares[shares > 0] @ mean_of_arms(cells)[shares > 0])


def _notes(comparison: Comparison) -> list[str]:
    lines = ["against the best static mixture of arms at the same cost (quality; 95% paired over seeds)"]
    width = max(map(len, comparison.policies))
    for name in comparison.policies:
        whole = comparison.against_mixture(name)
        later = comparison.against_mixture(name, part="second half")
        text = "n/a" if whole is None else _range(whole.quality)
        half = "n/a" if later is None else _range(later.quality)
        lines.append(f"  {name:{width}}  {text}   second half {half}")
    if len(comparison.policies) > 1:
        first = comparison.policies[0]
        lines.append(f"against {first} (utility; 95% paired over seeds)")
        lines += [
            f"  {name:{width}}  {_range(comparison.difference('utility', name))}"
            for name in comparison.policies[1:]
        ]
    return lines


def _heading(metric: str) -> str:
    return "$ / 1000 requests" if metric == "cost_usd" else metric


def _number(metric: str, value: float) -> str:
    if math.isnan(value):
        return "n/a"
    return f"{value * _THOUSAND:.3f}" if metric == "cost_usd" else f"{value:.4g}"


def _signed(interval: Interval, *, digits: int) -> str:
    if math.isnan(interval.mean):
        return "n/a"
    return f"{interval.mean:.{digits}f}" + ("" if math.isnan(interval.low) else f" ± {interval.half:.{digits}f}")


def _range(interval: Interval) -> str:
    if math.isnan(interval.mean):
        return "n/a"
    bounds = "" if math.isnan(interval.low) else f" [{interval.low:+.4f}, {interval.high:+.4f}]"
    return f"{interval.mean:+.4f}{bounds}"


def _shares(shares: Mapping[str, float]) -> str:
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    shown = [f"{arm} {share:.0%}" for arm, share in ranked[:_ARMS_SHOWN] if share >= 0.005]
    rest = sum(share for _, share in ranked[_ARMS_SHOWN:])
    return ", ".join(shown) + (f", others {rest:.0%}" if rest >= 0.005 else "")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *middle = zip(cells[:-1], widths[:-1], strict=True)
    aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in middle), cells[-1]]
    return "  ".join(aligned).rstrip()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
