"""Roll out in steps: shadow the existing rule, take a share of its traffic, go live with a holdout.

Each step opens the same store with another controller; what was learned is kept. Run it with
``python -m examples.begin_in_the_shadow``.
"""

import random
import tempfile

from banditroute import Arm, Router
from banditroute.controllers import Apprentice, Controller, Holdout, Shadow

QUALITY = {"old": (0.4, 0.6), "code": (0.9, 0.2), "talk": (0.2, 0.9)}


def serve(folder: str, controller: Controller, world: random.Random, requests: int) -> list[str]:
    """Open the router with this controller, route requests of two kinds, and return the arms that served."""
    served = []
    arms = [Arm(name) for name in QUALITY]
    with Router("careful start", arms=arms, store=f"sqlite:///{folder}/r.db", controllers=[controller]) as router:
        known = router.health().n_feedback
        for number in range(requests):
            kind = world.randrange(2)
            decision = router.route([float(kind)], key=f"{controller.name} {number}")
            served.append(decision.arm)
            router.feedback(decision.id, quality=float(world.random() < QUALITY[decision.arm][kind]))
        share = served.count("old") / requests
        print(f"{controller.name}: {known} outcomes known at the start, old serves {share:.0%}")
    return served


def main() -> None:
    """Run the three steps: shadow, apprentice, live with a holdout."""
    world = random.Random(6)  # noqa: S311  # a simulation
    with tempfile.TemporaryDirectory() as folder:
        shadow = Shadow("old")
        serve(folder, shadow, world, 200)
        print(f"the shadow agreed with the rule on some requests: {0 < shadow.agreement < 1}")
        apprentice = Apprentice("old", share=0.4)
        serve(folder, apprentice, world, 1000)
        print(f"the apprentice was promoted: {apprentice.promoted}")
        holdout = Holdout(0.2, incumbent="old")
        serve(folder, holdout, world, 1000)
        lift = holdout.lift()["quality"]
        print(f"the lift is above 0 with confidence: {lift.low > 0}")


if __name__ == "__main__":
    main()
