"""What a router knows at this moment, all of it a fold of the log."""

from banditroute.router.state.arms import ArmCatalogue
from banditroute.router.state.cost_bounds import cost_ceilings
from banditroute.router.state.recent import DecisionEntry, RecentDecisions
from banditroute.router.state.resume import resume
from banditroute.router.state.sources import SourceCaps
from banditroute.router.state.state import State

__all__ = ["ArmCatalogue", "DecisionEntry", "RecentDecisions", "SourceCaps", "State", "cost_ceilings", "resume"]
