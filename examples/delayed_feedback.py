"""Report feedback in parts, late, twice, with a correction, and across a restart.

Run it with ``python -m examples.delayed_feedback``.
"""

import tempfile
from pathlib import Path

from banditroute import Arm, Objective, Price, Router
from banditroute.errors import FeedbackConflictError


def open_router(folder: str) -> Router:
    """Open the router; each time it continues from the state in its store."""
    return Router(
        "support",
        arms=[
            Arm("small", price=Price(input=0.15, output=0.60)),  # [USD per million tokens]
            Arm("large", price=Price(input=2.50, output=10.00)),
        ],
        objectives=[
            Objective("quality"),
            Objective("cost_usd", goal="min", scale=0.05),
            Objective("latency_s", goal="min", scale=30),
        ],
        preferences={"quality": 1.0, "cost_usd": 0.4},
        store=f"sqlite:///{Path(folder) / 'routing.db'}",
    )


def main() -> None:
    """Report the outcomes of one decision in a realistic order."""
    with tempfile.TemporaryDirectory() as folder:
        with open_router(folder) as router:
            decision = router.route([0.3, 0.0, 1.0], key="ticket 4711")
            # Token counts and latency arrive with the response. The cost is computed from the arm's price.
            receipt = router.feedback(decision.id, prompt_tokens=1_200, output_tokens=300, latency_s=2.5)
            print("with the response:", receipt.wait(timeout=30).status)
            digest = router.digest()

        with open_router(folder) as router:
            print("after a restart, bit for bit the same:", router.digest() == digest)
            print("from the judge, a day later:", router.feedback(decision.id, quality=0.9).status)
            print("the judge's queue delivers it again:", router.feedback(decision.id, quality=0.9).status)
            try:
                router.feedback(decision.id, quality=0.2)
            except FeedbackConflictError as error:
                print("other values are refused:", error)
            print("unless amended:", router.feedback(decision.id, quality=0.2, amend=True).status)

            # The chosen arm timed out, and the next one in the ranking served: its outcome is learned.
            failed = router.route([0.1, 1.0, 0.0], key="ticket 4712")
            router.feedback(failed.id, served_arm=failed.ranking[1], quality=0.7)
            print("a fallback served:", "served by" in str(router.why(failed.id)))


if __name__ == "__main__":
    main()
