"""Evaluation: recorded workloads, replayed through the real router."""

from banditroute.evaluation.metrics.baselines import best_static_mixture
from banditroute.evaluation.metrics.interval import Interval
from banditroute.evaluation.report.comparison import Baseline, Comparison, MixtureGap
from banditroute.evaluation.simulator.candidate import Candidate
from banditroute.evaluation.simulator.delays import Delay, Exponential
from banditroute.evaluation.simulator.replay import replay
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
    "Workload",
    "best_static_mixture",
    "infer_objectives",
    "replay",
]
