"""Online contextual-bandit routing: choose an arm per request, learn from late and partial feedback.

>>> from banditroute import Arm, Router
>>> router = Router("support", arms=[Arm("small"), Arm("large")])
>>> decision = router.route([0.3, 0.0, 1.0])
>>> router.feedback(decision.id, quality=0.9).status
'recorded'
"""

from typing import TYPE_CHECKING, Any

from banditroute.core.arms import Arm, Price
from banditroute.core.decision import Decision, Expectation
from banditroute.core.explanation import Explanation
from banditroute.core.objectives import Objective
from banditroute.core.receipt import Receipt
from banditroute.core.windows import OutcomeWindow
from banditroute.errors import BanditRouteError
from banditroute.policies import EpsilonGreedy, Exploration, Fixed, LinTS, LinUCB, Policy, Uniform

if TYPE_CHECKING:
    from banditroute.router import FeedbackClient, Router

__all__ = [
    "Arm",
    "BanditRouteError",
    "Decision",
    "EpsilonGreedy",
    "Expectation",
    "Explanation",
    "Exploration",
    "FeedbackClient",
    "Fixed",
    "LinTS",
    "LinUCB",
    "Objective",
    "OutcomeWindow",
    "Policy",
    "Price",
    "Receipt",
    "Router",
    "Uniform",
]


def __getattr__(name: str) -> Any:
    # The names above are cheap to import. The router imports learning and storage, so it is loaded on first use.
    if name in ("FeedbackClient", "Router"):
        from banditroute import router

        return getattr(router, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
