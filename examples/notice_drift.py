"""Detect that a model became worse, and discount its past data.

Run it with ``python -m examples.notice_drift``.
"""

import numpy as np

from banditroute import Arm, LinUCB, Router
from banditroute.controllers import Drift

CHANGE = 800


def served(drift: Drift | None) -> tuple[float, Router]:
    """Return the mean quality of the 600 requests after the change, and the router."""
    controllers = [] if drift is None else [drift]
    arms = [Arm("favourite"), Arm("second")]
    router = Router("drift", arms=arms, policy=LinUCB(), controllers=controllers, secret=bytes(32), seed=1)
    rng, reached = np.random.default_rng(4), []
    for number in range(CHANGE + 600):
        decision = router.route([1.0])
        level = {"favourite": 0.9 if number < CHANGE else 0.5, "second": 0.8}[decision.arm]
        quality = float(np.clip(level + 0.1 * rng.standard_normal(), 0, 1))
        router.feedback(decision.id, quality=quality)
        reached.append(quality)
    return float(np.mean(reached[CHANGE:])), router


def main() -> None:
    """Run without the controller, then with it."""
    without, _ = served(None)
    drift = Drift()
    with_it, router = served(drift)
    (alarm, *_) = router.health().controllers["drift"]["last"]
    print(f"found: {alarm['objective']} of {alarm['arm']}, {'worse' if alarm['surprise'] < 0 else 'better'}")
    print(f"the weight of its past data is now 1/{2**drift.halvings}")
    print(f"quality after the change is better with the controller: {with_it > without + 0.02}")


if __name__ == "__main__":
    main()
