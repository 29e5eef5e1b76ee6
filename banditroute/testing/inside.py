"""The parts of a router, for tests that inspect or disturb one; applications do not need them."""

from banditroute.learning import OutcomeModel
from banditroute.router.choice import Chooser
from banditroute.router.engine import Engine
from banditroute.router.feedback import FeedbackHandler
from banditroute.router.router import Router
from banditroute.router.upkeep import Upkeep
from banditroute.router.worker_log import WorkerLog


def engine_of(router: Router) -> Engine:
    """The state of a router, and what chooses and learns in memory."""
    return router._engine


def log_of(router: Router) -> WorkerLog:
    """The store of a router, its ids and its recent decisions."""
    return router._log


def chooser_of(router: Router) -> Chooser:
    """The object that makes the choices."""
    return router._chooser


def feedback_handler_of(router: Router) -> FeedbackHandler:
    """What learns reports and closes windows."""
    return router._feedback


def ridge_model_of(router: Router) -> OutcomeModel:
    """What a router has learned, where its model is the ridge model."""
    model = router._engine.state.model
    assert isinstance(model, OutcomeModel)
    return model


def upkeep_of(router: Router) -> Upkeep:
    """The thread that follows the log."""
    return router._upkeep
