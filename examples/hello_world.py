"""Hello, world: choose a model, call it, report the outcome.

Run it with ``python -m examples.hello_world``.
"""

import tempfile
from pathlib import Path

from banditroute import Arm, LinUCB, Objective, Router


def call(model: str, is_hard: bool) -> tuple[float, float]:
    """Simulate your client and your judge: return the quality of the answer and its cost [USD]."""
    if model == "large":
        return 0.95, 0.02
    return (0.3 if is_hard else 0.9), 0.001


def main() -> None:
    """Route 200 requests, half of them hard, and print what was learned."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Router(
            "support",
            arms=[Arm("small"), Arm("large")],
            objectives=[Objective("quality"), Objective("cost_usd", goal="min", scale=0.05)],
            preferences={"quality": 1.0, "cost_usd": 0.4},
            # One feature and little noise: with a small ridge the router learns faster.
            policy=LinUCB(ridge=1.0),
            store=f"sqlite:///{Path(folder) / 'routing.db'}",
        ) as router,
    ):
        for request in range(200):
            is_hard = request % 2 == 1
            # The key seeds the draw of this request, so that this program always prints the same.
            decision = router.route([float(is_hard)], key=f"request {request}")
            quality, cost_usd = call(decision.arm, is_hard)
            router.feedback(decision.id, quality=quality, cost_usd=cost_usd)

        for name, x in (("easy", [0.0]), ("hard", [1.0])):
            decision = router.route(x, key=name)
            print(f"{name} requests go to {decision.arm} (probability {decision.propensity:.2f})")
        print(router.why(decision.id))


if __name__ == "__main__":
    main()
