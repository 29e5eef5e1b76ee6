"""Onboard new models: one that proves bad is ruled out, and one succeeds an old model.

Run it with ``python -m examples.welcome_arms``.
"""

import numpy as np

from banditroute import Arm, LinUCB, Router
from banditroute.controllers import Onboarding

WORTH = {"v1": 0.8, "other": 0.6, "poor": 0.3, "v2": 0.85}


def main() -> None:
    """Start with two arms, then add a third and a fourth."""
    onboarding = Onboarding(pulls=20, over=200)
    rng, pulls = np.random.default_rng(6), dict.fromkeys(WORTH, 0)
    arms = [Arm("v1"), Arm("other")]
    with Router("arms", arms=arms, policy=LinUCB(), controllers=[onboarding], secret=bytes(32)) as router:

        def serve(requests: int) -> None:
            for _ in range(requests):
                decision = router.route([1.0])
                pulls[decision.arm] += 1
                quality = WORTH[decision.arm] + 0.1 * rng.standard_normal()
                router.feedback(decision.id, quality=float(np.clip(quality, 0, 1)))

        serve(400)
        router.add_arm(Arm("poor"))
        serve(400)
        facts = router.health().controllers["onboarding"]["poor"]
        print(f"poor was ruled out: {facts['ruled_out']}, after {facts['pulls']} of 20 forced pulls")

        router.add_arm(Arm("v2"))
        router.retire_arm("v1", successor="v2", n_eff=30)
        serve(1)
        expected = router.route([1.0]).expected["v2"]["quality"].mean
        print(f"v2 starts from the posterior of v1: {abs(expected - WORTH['v1']) < 0.1}")
        serve(200)
        print(f"and serves at once: {pulls['v2'] > 150}")


if __name__ == "__main__":
    main()
