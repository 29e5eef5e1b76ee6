"""Keep the 95th percentile of all latencies at two seconds, and see what is expected of every arm.

Run it with ``python -m examples.latency_target``.
"""

import random

from banditroute import Arm, Objective, Router
from banditroute.controllers import Latency

# Quality, and number of answers in a hundred that take longer than two seconds; the router must learn both.
ARMS = {"quick": (0.70, 0), "middle": (0.80, 1), "strong": (0.95, 15)}


def serve(*, target: Latency | None, requests: int = 1500) -> tuple[Router, str]:
    """Route requests; return the router and the id of the last decision."""
    world = random.Random(4)  # noqa: S311  # a simulation
    objectives = [Objective("quality"), Objective("latency_s", goal="min", scale=30)]
    arms = [Arm(name) for name in ARMS]
    controllers = [] if target is None else [target]
    router = Router(
        "support", arms=arms, objectives=objectives, preferences={"quality": 1.0}, controllers=controllers
    )
    slow, quality = 0, 0.0
    for number in range(requests):
        decision = router.route([world.random()], key=f"request {number}")
        good, slow_of_100 = ARMS[decision.arm]
        seconds = 5.0 if world.randrange(100) < slow_of_100 else 1.0
        slow += seconds > 2.0
        quality += good
        router.feedback(decision.id, quality=good, latency_s=seconds)
    print(f"quality {quality / requests:.2f}, later than two seconds {slow / requests:.1%}")
    return router, decision.id


def main() -> None:
    """Run without the target, then with it."""
    print("without a target:", end=" ")
    serve(target=None)[0].close()
    print("with a target:", end=" ")
    target = Latency(p=0.95, seconds=2.0)
    router, last = serve(target=target)
    expected = router.why(last).to_dict()["effects"]["latency"]["expected"]
    print("why: expected to be late are", ", ".join(f"{arm} {chance:.0%}" for arm, chance in expected.items()))
    print(f"within one percent of its share: {target.debt / 1500 < 0.01}")
    router.close()


if __name__ == "__main__":
    main()
