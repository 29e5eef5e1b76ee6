"""Who decides: the incumbent, the router, or both in known shares."""

from banditroute.controllers.modes.apprentice import Apprentice
from banditroute.controllers.modes.holdout import Holdout
from banditroute.controllers.modes.incumbent import Incumbent
from banditroute.controllers.modes.lift import Lift
from banditroute.controllers.modes.shadow import Shadow

__all__ = ["Apprentice", "Holdout", "Incumbent", "Lift", "Shadow"]
