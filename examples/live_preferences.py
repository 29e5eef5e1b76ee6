"""Change preferences at run time: one posterior serves all weights, and nothing is relearned.

Run it with ``python -m examples.live_preferences``.
"""

from banditroute import Arm, Objective, Router

# True quality and cost [USD] of each model; the router must learn them.
MODELS = {"small": (0.70, 0.001), "medium": (0.85, 0.008), "large": (0.95, 0.040)}


def main() -> None:
    """Learn under one set of weights, then route under others."""
    router = Router(
        "support",
        arms=[Arm(name) for name in MODELS],
        objectives=[Objective("quality"), Objective("cost_usd", goal="min", scale=0.05)],
        preferences={"quality": 1.0, "cost_usd": 0.3},
    )
    for request in range(600):
        decision = router.route([1.0], key=f"request {request}")
        quality, cost_usd = MODELS[decision.arm]
        router.feedback(decision.id, quality=quality, cost_usd=cost_usd)
    learned = router.digest()

    def favourite(**preferences: float) -> str:
        """Return the most probable arm, under the router's weights or under those of one request."""
        decision = router.route([1.0], preferences=preferences or None, key="favourite")
        return max(decision.probabilities, key=decision.probabilities.__getitem__)

    print("balanced:", favourite())

    # Preferences for one request, for example per tenant.
    print("a tenant who pays for the best:", favourite(quality=1.0))
    print("a tenant who counts cents:", favourite(quality=1.0, cost_usd=2.0))

    # Preferences for all requests from now on, also after a restart.
    router.preferences = {"quality": 1.0, "cost_usd": 2.0}
    print("all tenants, after the change:", favourite())
    print("nothing was learned again:", router.digest() == learned)


if __name__ == "__main__":
    main()
