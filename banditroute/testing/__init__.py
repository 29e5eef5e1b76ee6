"""Laws that every implementation of a protocol must keep, ours and yours.

Inherit a class of laws in a test module, write how to make the object, and pytest runs them all. For a store::

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

and for a model::

    class TestMyModel(ModelLaws):
        def model(self, objectives, features, *, intercept):
            return MyModel(objectives, features + intercept)

and for a controller::

    class TestMyController(ControllerLaws):
        def controller(self):
            return MyController(capacity=3)
"""

from banditroute.testing.controllers import ControllerLaws
from banditroute.testing.inside import (
    chooser_of,
    engine_of,
    feedback_handler_of,
    log_of,
    ridge_model_of,
    upkeep_of,
)
from banditroute.testing.models import ModelLaws
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
    "ModelLaws",
    "PolicyLaws",
    "StoreLaws",
    "a_decision",
    "a_report",
    "append",
    "chooser_of",
    "engine_of",
    "feedback_handler_of",
    "feedback_of",
    "journal",
    "log_of",
    "open_router",
    "plain",
    "reporting",
    "ridge_model_of",
    "situation",
    "summing",
    "upkeep_of",
]
