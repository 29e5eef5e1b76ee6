"""Rollout controllers: the incumbent decides, the router decides, or both in known shares."""

from banditroute.controllers.rollout.apprentice import Apprentice
from banditroute.controllers.rollout.holdout import Holdout
from banditroute.controllers.rollout.incumbent import Incumbent
from banditroute.controllers.rollout.lift import Lift
from banditroute.controllers.rollout.shadow import Shadow

__all__ = ["Apprentice", "Holdout", "Incumbent", "Lift", "Shadow"]
