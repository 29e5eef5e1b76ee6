"""Target controllers, kept on average: shares of traffic, latencies, outcomes, and a baseline's quality."""

from banditroute.controllers.targets.average import Average
from banditroute.controllers.targets.indicator import Latency, Within
from banditroute.controllers.targets.per_cohort import PerCohort
from banditroute.controllers.targets.quality_floor import QualityFloor
from banditroute.controllers.targets.shares import Shares

__all__ = ["Average", "Latency", "PerCohort", "QualityFloor", "Shares", "Within"]
