"""Keep a budget per request over three models, and read what one more cent would be worth.

Run it with ``python -m examples.keep_a_budget``.
"""

import random

from banditroute import Arm, LinUCB, Objective, Price, Router
from banditroute.controllers import Budget

# Typical cost [USD], and quality for an easy, a middling and a hard request; the router must learn both.
MODELS = {
    "small": (0.00002, (0.95, 0.60, 0.20)),
    "medium": (0.00050, (0.95, 0.90, 0.60)),
    "large": (0.01500, (0.96, 0.93, 0.90)),
}
REQUESTS = 1_500
ALLOWED_USD = 0.002


def main() -> None:
    """Serve requests of three kinds within the budget."""
    chance = random.Random(5)  # noqa: S311  # a simulation
    budget = Budget(usd_per_request=ALLOWED_USD)
    router = Router(
        "budget",
        arms=[
            Arm(name, price=Price(input=usd * 500, output=usd * 1500), prior={"cost_usd": usd})
            for name, (usd, _) in MODELS.items()
        ],
        objectives=[Objective("quality"), Objective("cost_usd", goal="min", scale=0.05)],
        # The features determine the outcome, so a small ridge learns faster.
        policy=LinUCB(ridge=1.0),
        controllers=[budget],
        preferences={"quality": 1.0},
    )
    chosen: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for _ in range(REQUESTS):
        kind = chance.choice((0, 0, 0, 1, 1, 2))
        decision = router.route([float(kind == 0), float(kind == 1), float(kind == 2)])
        usd, quality = MODELS[decision.arm]
        router.feedback(
            decision.id,
            quality=min(max(chance.gauss(quality[kind], 0.05), 0.0), 1.0),
            cost_usd=usd * chance.uniform(0.5, 1.5),
        )
        chosen[kind].append(decision.arm)
    for kind, name in enumerate(("easy", "middling", "hard")):
        late = chosen[kind][len(chosen[kind]) // 2 :]
        print(f"{name} requests go to {max(set(late), key=late.count)}")
    mean = budget.spent["cost_usd"] / REQUESTS
    print(f"the mean request costs {mean:.3f} USD; {ALLOWED_USD:.3f} are allowed")
    print(f"one more cent a request would be worth {budget.shadow_price['cost_usd'] / 100:.2f} of quality")
    (why,) = (line for line in str(router.why(decision.id)).splitlines() if line.startswith("budget:"))
    print(f"why: {why}")


if __name__ == "__main__":
    main()
