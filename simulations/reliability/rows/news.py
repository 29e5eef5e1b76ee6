"""M4: a change made through one worker is visible to every other worker within a second."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from banditroute import Arm, Price, Router
from banditroute.store.sql.store import SqlStore
from banditroute.testing import engine_of, upkeep_of
from banditroute.testing.world import ARMS, FEATURES, OBJECTIVES, a_vector
from simulations.reliability.harness.row import Finding, Tick
from tests.server import own_server

PATIENCE = 30.0
PRICED = ARMS[1].name


@dataclass(frozen=True, slots=True)
class News:
    """A change: how to make it through one worker, and how to read it from another."""

    tell: Callable[[Router, int], object]
    shown: Callable[[Router], object]


def _give_feedback(router: Router, number: int) -> None:
    router.feedback(router.route(a_vector(number)).id, quality=0.5)


def _prefer(router: Router, number: int) -> None:
    router.preferences = {"quality": 1.0, "cost_usd": 1.0 / (2 + number)}


def _price(router: Router, number: int) -> None:
    router.set_price(PRICED, Price(input=1.0 + number, output=2.0))


def _arm(router: Router, number: int) -> None:
    router.add_arm(Arm(f"arm {number}"))


def _retire(router: Router, number: int) -> None:
    router.retire_arm(f"arm {number}")


NEWS: Mapping[str, News] = {
    "feedback": News(_give_feedback, lambda router: router.digest()),
    "preferences": News(_prefer, lambda router: router.preferences),
    "price": News(_price, lambda router: engine_of(router).state.arms.record(PRICED).arm.price),
    "new arm": News(_arm, lambda router: router.arms),
    "retired arm": News(_retire, lambda router: router.arms),
}


@contextmanager
def workers(url: str, count: int) -> Iterator[list[Router]]:
    """So many routers on one database, each with a store and a pulse of its own; the clock is the real one."""
    with ExitStack() as opened:
        yield [
            opened.enter_context(
                Router("news", arms=ARMS, objectives=OBJECTIVES, features=FEATURES, store=SqlStore(url))
            )
            for _ in range(count)
        ]


def until_known(news: News, teller: Router, others: Sequence[Router], number: int, patience: float) -> float:
    """Tell one router; how long it took until all others show what it shows, at most ``patience`` [s]."""
    before = news.shown(teller)
    began = time.monotonic()
    news.tell(teller, number)
    expected = news.shown(teller)
    if expected == before:
        raise RuntimeError("it was told nothing new")
    while any(news.shown(other) != expected for other in others) and time.monotonic() < began + patience:
        time.sleep(0.005)
    return time.monotonic() - began


@dataclass(frozen=True, slots=True)
class Spreading:
    """A number of rounds on each database; in each, one worker gets one change of each kind."""

    id: ClassVar[str] = "M4"
    does: ClassVar[str] = "feedback, preferences, prices, arms told to one of 3 workers, SQLite and PostgreSQL"
    asks: ClassVar[str] = "every other worker knows within 1 s"
    control: ClassVar[str] = "a worker that does not follow the log knows nothing of it"

    rounds: int = 20
    workers: int = 3
    longest_s: float = 1.0
    control_s: float = 1.0

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Tell, and look until all know."""
        urls = (f"sqlite:///{place}/news.db", own_server().new_database())
        longest = dict.fromkeys(NEWS, 0.0)
        deaf = 0
        for done, url in enumerate(urls):
            with workers(url, self.workers) as routers:
                for number in range(self.rounds):
                    teller, *others = routers[number % self.workers :] + routers[: number % self.workers]
                    for name, news in NEWS.items():
                        longest[name] = max(longest[name], until_known(news, teller, others, number, PATIENCE))
                    tick(done * self.rounds + number + 1, len(urls) * self.rounds + 1)
                deaf += self._unheard(*routers[:2])
        measured = {f"ms until {name} is known": took * 1e3 for name, took in longest.items()}
        holds = max(longest.values()) < self.longest_s
        control = {"told": len(urls) * len(NEWS), "not known": deaf}
        return Finding(measured, holds, control, deaf == len(urls) * len(NEWS))

    def _unheard(self, teller: Router, deaf: Router) -> int:
        """How much one does not know in time that does not follow."""
        assert upkeep_of(deaf) is not None
        upkeep_of(deaf).stop()
        return sum(
            until_known(news, teller, [deaf], self.rounds, self.control_s) >= self.control_s
            for news in NEWS.values()
        )
