"""The engine: the parts of a router that choose and learn in memory, without a log."""

import threading
import time
from collections.abc import Callable, Sequence
from importlib import import_module

from banditroute.controllers import Controller
from banditroute.core.objectives import Objectives
from banditroute.core.runtime.faults import FaultBarrier
from banditroute.core.spec import RouterSpec
from banditroute.core.validation import require_callable
from banditroute.errors import RouterClosedError
from banditroute.features.space import FeatureSpace
from banditroute.policies import Policy
from banditroute.router.requests import RequestBuilder
from banditroute.router.state.state import State


class Engine:
    """A router without its log: a simulation uses it alone, a live router also logs what it does.

    The parts of the router depend on the engine, never the other way round. ``lock`` must be held whenever the
    state is read or changed, and never while waiting for a store (see :mod:`.follower` for the order of all
    locks).

    Args:
        spec: Shape of the router; the number of features may be fixed later.
        policy: The policy that chooses.
        controllers: Controllers that constrain or price the choice, the outermost first.
        clock: Returns the time [s since the epoch].

    Attributes:
        objectives: The router's objectives, in order.
        state: The learned state, a fold of the log.
        requests: Builds checked requests.
        space: Checks contexts and rounds them to the grid.
        faults: Holds back and counts internal faults.
        lock: Guards the state.
        is_closed: Whether the router was closed; set with the lock held.
    """

    def __init__(
        self,
        spec: RouterSpec,
        policy: Policy,
        *,
        controllers: Sequence[Controller] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        # Loading it takes longer than a thousand decisions, so it is loaded here and not by the first request.
        import_module("scipy.linalg.blas")
        self.spec = spec
        self.policy = policy
        self.objectives = Objectives(spec.objectives)
        require_callable("clock", clock)
        self.clock = clock
        self.lock = threading.RLock()
        self.is_closed = False
        self.faults = FaultBarrier()
        self.state = State(self.objectives, policy, controllers=controllers, source_caps=spec.source_caps)
        self.requests = RequestBuilder(self.objectives, self.state.arms)
        self.space = FeatureSpace(spec)

    def require_open(self) -> None:
        """Raise RouterClosedError if the router was closed; call it with the lock held."""
        if self.is_closed:
            raise RouterClosedError(f"router {self.spec.name!r} is closed; open another one")

    def now_us(self) -> int:
        """Return the time of the router's clock [us since the epoch]."""
        return int(self.clock() * 1e6)

    def set_spec(self, spec: RouterSpec) -> None:
        """Set the shape, and create the model if it fixes the number of features."""
        is_first = self.spec.dimension is None or self.state.model is None
        self.spec = spec
        self.space.set_spec(spec)
        if is_first and spec.dimension is not None:
            self.state.fix_dimension(spec)
