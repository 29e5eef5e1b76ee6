"""Laws: what every implementation of a protocol must keep, ours and yours.

Inherit a class of laws in a test module, say how to make the thing, and pytest runs them all. For a store::

    class TestMyStore(StoreLaws):
        def open_new(self, tmp_path):
            return MyStore(tmp_path)

        def reopen(self, store, tmp_path):
            return MyStore(tmp_path)

        def another(self, tmp_path):
            return MyStore(tmp_path)          # leave it out if two workers cannot share a log

and for a policy::

    class TestMyPolicy(PolicyLaws):
        policy = MyPolicy(alpha=0.7)

and for a controller::

    class TestMyController(ControllerLaws):
        def controller(self):
            return MyController(capacity=3)
"""

from banditroute.testing.controllers import ControllerLaws
from banditroute.testing.policies import PolicyLaws, situation
from banditroute.testing.records import (
    ARMS,
    PREFERENCES,
    SECRET,
    SPEC,
    a_decision,
    a_report,
    append,
    feedback_of,
    journal,
    open_router,
    plain,
    reporting,
    summing,
)
from banditroute.testing.stores import StoreLaws

__all__ = [
    "ARMS",
    "PREFERENCES",
    "SECRET",
    "SPEC",
    "ControllerLaws",
    "PolicyLaws",
    "StoreLaws",
    "a_decision",
    "a_report",
    "append",
    "feedback_of",
    "journal",
    "open_router",
    "plain",
    "reporting",
    "situation",
    "summing",
]
