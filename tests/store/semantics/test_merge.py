"""What of an arm's record stands beside what is stored."""

from typing import Any

from banditroute.core.arms import Arm
from banditroute.core.log import ArmRecord
from banditroute.store.semantics.merge import merge_arm


def test_what_is_retired_stays_so() -> None:
    def arm(status: Any, successor: str | None = None) -> ArmRecord:
        return ArmRecord(Arm("small"), status, successor, 0, 0)

    assert merge_arm(None, arm("active")) == arm("active")
    assert merge_arm(arm("draining"), arm("active")) == arm("active")
    assert merge_arm(arm("retired", "large"), arm("active", "other")) == arm("retired", "large")
    assert merge_arm(arm("retired"), arm("active", "other")) == arm("retired", "other")
