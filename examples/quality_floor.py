"""Try new models while the mean quality stays at 95 % of the old model's or more.

Run it with ``python -m examples.quality_floor``.
"""

import random

from banditroute import Arm, Router
from banditroute.controllers import QualityFloor

QUALITY = {"trusted": 0.80, "promising": 0.90, "poor": 0.20}
REQUESTS = 2000
AT_LEAST = 0.95


def main() -> None:
    """Start without data: at first both new models look as good as the trusted one."""
    world = random.Random(2)  # noqa: S311  # a simulation
    floor = QualityFloor("trusted", at_least=AT_LEAST)
    served: list[str] = []
    reached, least = 0.0, float("inf")
    arms = [Arm(name) for name in QUALITY]
    with Router("careful", arms=arms, controllers=[floor], default_arm="trusted") as router:
        for number in range(REQUESTS):
            decision = router.route([world.random()], key=f"request {number}")
            served.append(decision.arm)
            reached += QUALITY[decision.arm]
            least = min(least, reached / (QUALITY["trusted"] * (number + 1)))
            router.feedback(decision.id, quality=float(world.random() < QUALITY[decision.arm]))
            if decision.mode == "held" and served.count("trusted") == 1:
                print("at first there is no surplus:", str(router.why(decision.id)).splitlines()[0])
    print(f"in the first hundred requests others serve {sum(arm != 'trusted' for arm in served[:100])}")
    print(f"in the last hundred the promising one leads: {served[-100:].count('promising') > 50}")
    print(f"never below the floor: {least >= AT_LEAST}")


if __name__ == "__main__":
    main()
