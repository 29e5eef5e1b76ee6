"""What a router knows at this moment, all of it a fold of the log."""

from banditroute.router.state.arms import Roster
from banditroute.router.state.cost_bounds import cost_ceilings
from banditroute.router.state.recent import Entry, Ledger
from banditroute.router.state.resume import resume
from banditroute.router.state.sources import Sources
from banditroute.router.state.state import State

__all__ = ["Entry", "Ledger", "Roster", "Sources", "State", "cost_ceilings", "resume"]
