"""What would have happened: recorded workloads, routed again by the real Router."""

from banditroute.simulator.baselines import best_static_mixture
from banditroute.simulator.candidate import Candidate
from banditroute.simulator.comparison import Baseline, Comparison, MixtureGap
from banditroute.simulator.delays import Delay, Exponential
from banditroute.simulator.interval import Interval
from banditroute.simulator.replay import replay
from banditroute.simulator.scales import objectives_for
from banditroute.simulator.workload import Workload

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
    "objectives_for",
    "replay",
]
