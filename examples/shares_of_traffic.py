"""Guarantee an arm a share of traffic, and limit shares for each cohort of customers.

Run it with ``python -m examples.shares_of_traffic``.
"""

from banditroute import Arm, Router
from banditroute.controllers import PerCohort, Shares

REQUESTS = 1200
COHORTS = ("free", "paying")


def quality(arm: str, hard: bool) -> float:
    """Return the quality of an arm; the partner's model is good only at easy requests."""
    return {"own": 0.9, "partner": 0.4 if hard else 0.85, "old": 0.5}[arm]


def serve(controllers: list[Shares | PerCohort]) -> dict[tuple[str, bool, str], int]:
    """Route requests, half of them hard; return (cohort, hard, arm) → number of requests."""
    arms = [Arm(name) for name in ("own", "partner", "old")]
    counts: dict[tuple[str, bool, str], int] = {}
    with Router("shares", arms=arms, controllers=controllers) as router:
        for number in range(REQUESTS):
            hard, cohort = number % 2 == 0, COHORTS[number % 3 == 0]
            decision = router.route([float(hard)], cohort=cohort, key=f"request {number}")
            router.feedback(decision.id, quality=quality(decision.arm, hard))
            where = (cohort, hard, decision.arm)
            counts[where] = counts.get(where, 0) + 1
    return counts


def share(counts: dict[tuple[str, bool, str], int], arm: str, cohort: str | None = None) -> float:
    """Return the share of an arm in all requests, or in those of a cohort."""
    mine = {where: count for where, count in counts.items() if cohort in (None, where[0])}
    return sum(count for where, count in mine.items() if where[2] == arm) / sum(mine.values())


def main() -> None:
    """Set a minimum for a partner, a maximum for an old model, and a maximum within each cohort."""
    counts = serve([Shares(min={"partner": 0.25}, max={"old": 0.02})])
    hard = sum(count for where, count in counts.items() if where[1] and where[2] == "partner")
    all_of_it = sum(count for where, count in counts.items() if where[2] == "partner")
    print(f"the partner serves a quarter: {share(counts, 'partner') >= 0.245}")
    print(f"and nearly all of that is easy: {hard / all_of_it < 0.15}")
    print(f"the old model serves at most a fiftieth: {share(counts, 'old') <= 0.025}")
    counts = serve([PerCohort(lambda: Shares(max={"own": 0.6}))])
    kept = [share(counts, "own", cohort) <= 0.62 for cohort in COHORTS]
    print(f"own at most 60 % of each cohort: {all(kept)}")


if __name__ == "__main__":
    main()
