"""Models come and go, and prices change, while traffic flows; nothing that was learned is reset.

Run it with ``python -m examples.add_and_retire``.
"""

from collections import Counter

from banditroute import Arm, LinUCB, Objective, Price, Router
from banditroute.errors import NoEligibleArmError

QUALITY = {"old": 0.70, "premium": 0.80, "new": 0.85}


def serve(router: Router, day: str, count: int = 200) -> Counter[str]:
    """A day's traffic: how many requests each arm served."""
    served: Counter[str] = Counter()
    for request in range(count):
        decision = router.route([1.0], key=f"{day} {request}")
        router.feedback(decision.id, quality=QUALITY[decision.arm], prompt_tokens=1_000, output_tokens=500)
        served[decision.arm] += 1
    return served


def main() -> None:
    """Four days in the life of a router."""
    router = Router(
        "support",
        arms=[
            Arm("old", price=Price(input=1.0, output=2.0)),  # [USD per million tokens]
            Arm("premium", price=Price(input=20.0, output=80.0)),
        ],
        objectives=[Objective("quality"), Objective("cost_usd", goal="min", bounds=(0, 0.1))],
        preferences={"quality": 1.0, "cost_usd": 0.5},
        # One feature and no noise: a small ridge lets each outcome count for more.
        policy=LinUCB(ridge=1.0),
    )
    print("monday, premium is not worth its price:", serve(router, "monday").most_common(1)[0][0])

    # Its tokens were learned, not its dollars: the new price acts on the very next request.
    router.set_price("premium", Price(input=1.0, output=4.0))
    print("tuesday, premium costs a twentieth:", serve(router, "tuesday").most_common(1)[0][0])

    router.add_arm(Arm("new", price=Price(input=0.5, output=1.0)))
    served = serve(router, "wednesday")
    print("wednesday, a better one arrives:", served.most_common(1)[0][0])

    # No new traffic for the old one; feedback that is still on its way would be learned.
    router.drain_arm("old")
    print("thursday, old is drained and serves:", serve(router, "thursday")["old"])
    router.retire_arm("old", successor="new")
    print("who still asks for old alone gets:", router.route([1.0], allowed=["old"]).arm)

    router.drain_arm("new")
    try:
        router.route([1.0], allowed=["new"])
    except NoEligibleArmError as error:
        print("no arm left:", error)


if __name__ == "__main__":
    main()
