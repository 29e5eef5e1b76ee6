"""Route around the outage of a provider, with a circuit breaker on reported availability.

Run it with ``python -m examples.survive_outages``.
"""

from banditroute import Arm, LinUCB, Objective, Router
from banditroute.controllers import CircuitBreaker

# Availability is an objective without a preference: it is reported, but not weighed against quality.
OBJECTIVES = [Objective("quality"), Objective("available")]
WORTH = {"best": 0.9, "spare": 0.6}
DOWN = range(300, 500)


class Clock:
    """A clock that advances one second per request."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the time [s since the epoch]."""
        return self.now


def main() -> None:
    """Route through an outage of 200 seconds, and probe the failed arm every ten seconds."""
    clock, breaker = Clock(), CircuitBreaker(failures=3, cool_down_s=10)
    arms, preferences = [Arm(name) for name in WORTH], {"quality": 1.0}
    failed, back = 0, None
    with Router(
        "outage",
        arms=arms,
        objectives=OBJECTIVES,
        policy=LinUCB(ridge=1.0),
        preferences=preferences,
        controllers=[breaker],
        clock=clock,
    ) as router:
        for second in range(600):
            clock.now += 1.0
            if second % 10 == 0:
                for arm in breaker.open:
                    ping = router.route([1.0], allowed=[arm])
                    router.feedback(ping.id, available=float(second not in DOWN))
            decision = router.route([1.0])
            if decision.arm == "best" and second in DOWN:
                failed += 1
                router.feedback(decision.id, available=0)
                router.feedback(decision.id, served_arm="spare", quality=WORTH["spare"])
                continue
            if decision.arm == "best" and back is None and second >= DOWN.stop:
                back = second - DOWN.stop
            router.feedback(decision.id, available=1, quality=WORTH[decision.arm])
        print(f"down for {len(DOWN)} requests: {failed} failed calls")
        print(f"back after {back} requests")
        (outage,) = router.health().controllers["health"]["outages"]
        print(f"outage of {outage['arm']}: {(outage['until_us'] - outage['since_us']) / 1e6:.0f} s")


if __name__ == "__main__":
    main()
