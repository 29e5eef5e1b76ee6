"""What a router knows at this moment, all of it a fold of the log."""

from banditroute.state.costs import cost_ceilings
from banditroute.state.ledger import Entry, Ledger
from banditroute.state.resume import resume
from banditroute.state.roster import Roster
from banditroute.state.sources import Sources
from banditroute.state.state import State

__all__ = ["Entry", "Ledger", "Roster", "Sources", "State", "cost_ceilings", "resume"]
