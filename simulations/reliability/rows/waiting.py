"""A2: an event loop goes on while the database never answers."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from banditroute import Router
from simulations.reliability.harness.quiet import quiet
from simulations.reliability.harness.row import Finding, Tick
from simulations.reliability.rows.outage import DIMENSION, a_worker
from tests.server import own_server


@dataclass(frozen=True, slots=True)
class Waiting:
    """So many requests at a time, each with feedback that is awaited, while the server is stopped."""

    id: ClassVar[str] = "A2"
    does: ClassVar[str] = "asyncio: requests and awaited receipts while the server is stopped and never answers"
    asks: ClassVar[str] = "0 errors, every receipt comes, the event loop never blocked > 20 ms"
    control: ClassVar[str] = "waiting for a receipt in the loop blocks it"

    requests: int = 200
    longest_ms: float = 20.0
    least_blocked_ms: float = 20.0

    @quiet()
    def measure(self, place: Path, tick: Tick) -> Finding:
        """Once with `await`, once without."""
        server = own_server()
        url = server.new_database()
        router = a_worker(url, place / "spool")
        try:
            # What is done for the first request only is not what is looked for.
            router.feedback(router.route([0.0] * DIMENSION).id, quality=0.5).wait(30)
            with server.hanging():
                done, blocked = asyncio.run(self._served(router))
            tick(1, 2)
            # A record that is spooled at once delays no caller; the control tests when the server stops.
            while router.health().state != "healthy":
                time.sleep(0.05)
            with server.hanging():
                _, control = asyncio.run(self._blocking(router))
        finally:
            router.close()
        measured = {"receipts": done, "missing": self.requests - done, "blocked at most [ms]": blocked * 1e3}
        holds = done == self.requests and blocked * 1e3 <= self.longest_ms
        return Finding(measured, holds, {"blocked [ms]": control * 1e3}, control * 1e3 > self.least_blocked_ms)

    async def _served(self, router: Router) -> tuple[int, float]:
        watch = asyncio.create_task(_longest_pause())

        async def one(number: int) -> None:
            await asyncio.sleep(0.005 * number)
            decision = router.route([number / self.requests] * DIMENSION)
            await router.feedback(decision.id, quality=0.5)

        await asyncio.sleep(0)
        done = await asyncio.gather(*(one(number) for number in range(self.requests)), return_exceptions=True)
        watch.cancel()
        pause = await watch
        return sum(each is None for each in done), pause

    async def _blocking(self, router: Router) -> tuple[int, float]:
        watch = asyncio.create_task(_longest_pause())
        await asyncio.sleep(0.05)
        decision = router.route([0.5] * DIMENSION)
        router.feedback(decision.id, quality=0.5).wait(30)
        await asyncio.sleep(0.05)
        watch.cancel()
        return 1, await watch


async def _longest_pause() -> float:
    """How long the loop kept a task waiting beyond what it asked for, at most, until it is cancelled [s]."""
    longest = 0.0
    try:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.002)
            longest = max(longest, time.monotonic() - before - 0.002)
    except asyncio.CancelledError:
        return longest
