"""The fault barrier: no internal fault reaches the caller."""

import logging
from types import TracebackType
from typing import ClassVar

from banditroute.errors import BanditRouteError

_log = logging.getLogger("banditroute")


class FaultBarrier:
    """A context that holds back internal faults, counts and logs them; what the caller got wrong passes.

    Attributes:
        faults: How many were held back.
        last_fault: What the last of them was.
    """

    faults_escape: ClassVar[bool] = False
    """Whether faults pass too: for tests, so that none hides behind a fallback."""

    def __init__(self) -> None:
        self.faults = 0
        self.last_fault = ""

    def __enter__(self) -> "FaultBarrier":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return self.holds(fault)

    def holds(self, fault: BaseException | None) -> bool:
        """Return whether this fault is held back, counted and logged; if not, the caller raises it.

        For ``except`` in a loop: entering a context costs more than what the loop does.
        """
        if not isinstance(fault, Exception) or isinstance(fault, BanditRouteError) or self.faults_escape:
            return False
        self.faults += 1
        self.last_fault = f"{type(fault).__name__}: {fault}"
        _log.error("an internal fault was held back", exc_info=fault)
        return True
