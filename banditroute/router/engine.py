"""The engine: a router without its log; everything that is needed to choose and learn in memory."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from banditroute.controllers import Controller
from banditroute.core.objectives import Objectives
from banditroute.core.runtime.faults import FaultBarrier
from banditroute.core.spec import RouterSpec
from banditroute.features.space import FeatureSpace
from banditroute.policies import Policy
from banditroute.router.requests import RequestBuilder
from banditroute.router.state.state import State


class Engine:
    """One router without its log: a simulation drives it alone, a live router writes down what it does.

    It knows none of the router's parts; they take it. ``lock`` is held whenever its state is read or changed, and
    never while a store is waited for.

    Args:
        spec: Shape of the router; the number of features may be fixed later.
        policy: How to choose.
        controllers: What constrains or prices the choice, the outermost first.
        source_caps: As in :class:`~banditroute.Router`.
        feature_names: Names of the features, if contexts may be mappings.
        clock: Gives the time [s since the epoch].

    Attributes:
        objectives: Those of the router, in order.
        state: What is known, a fold of the log.
        requests: Builds checked requests.
        space: Checks contexts and rounds them to the grid.
        faults: Holds back and counts internal faults.
    """

    def __init__(
        self,
        spec: RouterSpec,
        policy: Policy,
        *,
        controllers: Sequence[Controller] = (),
        source_caps: Mapping[str, float] | None = None,
        feature_names: Sequence[str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.spec = spec
        self.policy = policy
        self.objectives = Objectives(spec.objectives)
        self.clock = clock
        self.lock = threading.RLock()
        self.faults = FaultBarrier()
        self.state = State(self.objectives, policy, controllers=controllers, source_caps=source_caps)
        self.requests = RequestBuilder(self.objectives, self.state.arms)
        self.space = FeatureSpace(spec, feature_names)

    def now_us(self) -> int:
        """The time by the router's clock [us since the epoch]."""
        return int(self.clock() * 1e6)

    def set_spec(self, spec: RouterSpec) -> None:
        """Take over a shape, and start to learn if it fixes the number of features."""
        is_first = self.spec.dimension is None or self.state.model is None
        self.spec, self.space.dimension = spec, spec.dimension
        if is_first and spec.dimension is not None:
            self.state.fix_dimension(spec)
