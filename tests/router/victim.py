"""A process that routes and feeds back until it is killed."""

import os
from collections import deque

from banditroute import Receipt
from banditroute.core.ids import ID_CHARACTERS, random_key
from banditroute.testing.world import a_router, a_vector


def route_for_ever(url: str, acknowledge: int) -> None:
    """Write the id of each decision whose feedback is durable to the file descriptor ``acknowledge``."""
    router = a_router(url, ids=random_key)
    waiting: deque[Receipt] = deque()
    for number in range(1_000_000):
        decision = router.route(a_vector(number))
        waiting.append(router.feedback(decision.id, quality=(number % 7) / 7))
        if number % 3 == 0:
            router.feedback(decision.id, cost_usd=0.01, latency_s=1.0)
        while waiting and (waiting[0].done or len(waiting) > 200):
            receipt = waiting.popleft().wait(30)
            assert len(receipt.decision_id) == ID_CHARACTERS
            os.write(acknowledge, receipt.decision_id.encode())
