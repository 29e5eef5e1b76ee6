"""One posterior, every preference: weights change while it runs, and nothing is learned again.

Run it with ``python -m examples.live_preferences``.
"""

from banditroute import Arm, Objective, Router

# What each model really is, and what the router does not know: quality, cost [USD].
MODELS = {"small": (0.70, 0.001), "medium": (0.85, 0.008), "large": (0.95, 0.040)}


def main() -> None:
    """Learn under one set of weights, then ask under others."""
    router = Router(
        "support",
        arms=[Arm(name) for name in MODELS],
        objectives=[Objective("quality"), Objective("cost_usd", goal="min", bounds=(0, 0.05))],
        preferences={"quality": 1.0, "cost_usd": 0.3},
    )
    for request in range(600):
        decision = router.route([1.0], key=f"request {request}")
        quality, cost_usd = MODELS[decision.arm]
        router.feedback(decision.id, quality=quality, cost_usd=cost_usd)
    learned = router.digest()

    def favourite(**preferences: float) -> str:
        """The arm that gets most of the traffic under the router's weights, or those of one request."""
        decision = router.route([1.0], preferences=preferences or None, key="who?")
        return max(decision.probabilities, key=decision.probabilities.__getitem__)

    print("balanced:", favourite())

    # Of one request, or one tenant.
    print("a tenant who pays for the best:", favourite(quality=1.0))
    print("a tenant who counts cents:", favourite(quality=1.0, cost_usd=2.0))

    # Of everyone, from now on, and after a restart.
    router.preferences = {"quality": 1.0, "cost_usd": 2.0}
    print("everyone, after the change:", favourite())
    print("nothing was learned again:", router.digest() == learned)


if __name__ == "__main__":
    main()
