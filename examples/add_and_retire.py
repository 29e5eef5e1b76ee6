"""Add, drain and retire models and change prices under traffic, without resetting what was learned.

Run it with ``python -m examples.add_and_retire``.
"""

from collections import Counter

from banditroute import Arm, LinUCB, Objective, Price, Router
from banditroute.errors import NoEligibleArmError

QUALITY = {"old": 0.70, "expensive": 0.80, "new": 0.85}


def serve(router: Router, day: str, count: int = 200) -> Counter[str]:
    """Serve the requests of a day, and return arm → number of requests."""
    served: Counter[str] = Counter()
    for request in range(count):
        decision = router.route([1.0], key=f"{day} {request}")
        router.feedback(decision.id, quality=QUALITY[decision.arm], prompt_tokens=1_000, output_tokens=500)
        served[decision.arm] += 1
    return served


def main() -> None:
    """Run a router for four days."""
    router = Router(
        "support",
        arms=[
            Arm("old", price=Price(input=1.0, output=2.0)),  # [USD per million tokens]
            Arm("expensive", price=Price(input=20.0, output=80.0)),
        ],
        objectives=[Objective("quality"), Objective("cost_usd", goal="min", scale=0.1)],
        preferences={"quality": 1.0, "cost_usd": 0.5},
        # One feature and no noise: a small ridge lets each outcome count for more.
        policy=LinUCB(ridge=1.0),
    )
    print("monday, expensive is not worth its price:", serve(router, "monday").most_common(1)[0][0])

    # The router learned token counts, not dollars, so the new price applies from the next request on.
    router.set_price("expensive", Price(input=1.0, output=4.0))
    print("tuesday, expensive costs a twentieth:", serve(router, "tuesday").most_common(1)[0][0])

    router.add_arm(Arm("new", price=Price(input=0.5, output=1.0)))
    served = serve(router, "wednesday")
    print("wednesday, a better one arrives:", served.most_common(1)[0][0])

    # A drained arm gets no new requests; its late feedback is still learned.
    router.drain_arm("old")
    print("thursday, old is drained and serves:", serve(router, "thursday")["old"])
    router.retire_arm("old", successor="new")
    print("a request that allows only old gets:", router.route([1.0], allowed=["old"]).arm)

    router.drain_arm("new")
    try:
        router.route([1.0], allowed=["new"])
    except NoEligibleArmError as error:
        print("no arm left:", error)


if __name__ == "__main__":
    main()
