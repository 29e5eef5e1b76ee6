"""Evaluate policies on recorded workloads, which the real router routes again."""

from banditroute.evaluation.metrics.baselines import best_static_mixture
from banditroute.evaluation.metrics.interval import Interval
from banditroute.evaluation.report.comparison import Baseline, Comparison, MixtureGap
from banditroute.evaluation.report.plots import frontier_plot, overview_plot, regret_plot, traffic_plot
from banditroute.evaluation.report.table import Table, comparison_frame, comparison_table
from banditroute.evaluation.simulator.candidate import Candidate
from banditroute.evaluation.simulator.delays import Delay, Exponential
from banditroute.evaluation.simulator.replay import ReplayInterrupted, replay
from banditroute.evaluation.workload.objectives import infer_objectives
from banditroute.evaluation.workload.workload import Workload

__all__ = [
    "Baseline",
    "Candidate",
    "Comparison",
    "Delay",
    "Exponential",
    "Interval",
    "MixtureGap",
    "ReplayInterrupted",
    "Table",
    "Workload",
    "best_static_mixture",
    "comparison_frame",
    "comparison_table",
    "frontier_plot",
    "infer_objectives",
    "overview_plot",
    "regret_plot",
    "replay",
    "traffic_plot",
]
