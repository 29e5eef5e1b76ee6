"""A life in SQL beside the same life in memory: whatever is done to both, both say the same."""

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import create_engine, text

from banditroute import Arm, Price, Router
from banditroute.core.ids import DecisionIds
from banditroute.errors import BanditRouteError
from banditroute.router.log_check import agrees, fold_of
from banditroute.store import MemoryStore, Store
from banditroute.store.maintenance.compact import compact
from banditroute.store.sql.store import SqlStore
from banditroute.testing import engine_of, log_of, upkeep_of
from banditroute.testing.world import FEATURES, Clock, a_router, bodies

PATIENCE = 30.0
HOUR, DAY = 3_600.0, 86_400.0
FOREIGN = DecisionIds([b"somebody else's secret, 32 bytes"], "", "world")


class DivergenceError(AssertionError):
    """What was done, and what came of it in SQL and in memory."""


class Life:
    """Some workers on one database, and one router in memory that does not stop; all get the same calls.

    Args:
        url: Of an empty database.
        workers: How many there are on it.
        seed: Of everything that happens.
    """

    def __init__(self, url: str, *, workers: int, seed: int) -> None:
        self._url = url
        self._random = random.Random(seed)  # noqa: S311  (what happens is no secret)
        self._clock = Clock()
        self._next_body = bodies()
        self._body = b""
        self._ids: list[tuple[str, int]] = []
        self._horizon_us = 0
        self._new_arms = 0
        self._erased = False
        self._kept = MemoryStore()
        self._memory = self._open(self._kept)
        self._workers = [self._open(SqlStore(url)) for _ in range(workers)]

    def _open(self, store: Store) -> Router:
        # A new id is for both, and the stored preferences win over those of the constructor.
        changes: dict[str, Any] = {"preferences": None} if self._ids else {}
        router = a_router(store, clock=self._clock, ids=lambda: self._body, **changes)
        if upkeep_of(router) is not None:
            # News come when they are asked for, so that a life is a function of its seed.
            upkeep_of(router).stop()
        return router

    def step(self) -> None:
        """Let something happen.

        Raises:
            DivergenceError: if SQL and memory do not agree on what came of it.
        """
        # Never quite still: the same said at the very same moment is said once.
        self._clock.now += 0.001
        happens = self._random.choices(list(_EVENTS), list(_EVENTS.values()))[0]
        happens(self)
        for worker in self._workers:
            worker.flush()
        for worker in self._workers:
            worker.sync()
        self._agree(happens.__name__, lambda router: _state(router), *self._workers)

    def close(self) -> None:
        """End it."""
        for worker in self._workers:
            worker.close()

    def both(self, doing: str, call: Callable[[Router], object]) -> object:
        """Do it with one of the workers and with the router in memory; what came of it there."""
        return self._agree(doing, call, self._random.choice(self._workers))

    def _agree(self, doing: str, call: Callable[[Router], object], *workers: Router) -> object:
        expected = _outcome(self._memory, call)
        for worker in workers:
            found = _outcome(worker, call)
            if found != expected:
                raise DivergenceError(f"{doing}: {found!r} in SQL, {expected!r} in memory")
        return expected

    def _one_id(self) -> str | None:
        """A decision that is young enough to be still there."""
        young = [identity for identity, made in self._ids if made > self._horizon_us]
        # Most feedback is on what was decided lately.
        last = young[-6:] if self._random.random() < 0.7 else young
        return self._random.choice(last) if last else None

    # ---------------------------------------------------------------------------------------------- what happens

    def route(self) -> None:
        """A request, perhaps with wishes of its own."""
        self._body = self._next_body()
        x = [self._random.uniform(-1, 1) for _ in range(FEATURES)]
        wishes: dict[str, Any] = {}
        if self._random.random() < 0.2:
            wishes["preferences"] = {"quality": 1.0, "latency_s": self._random.random()}
        if self._random.random() < 0.2:
            wishes["allowed"] = self._random.sample(sorted(self._memory.arms), 2)
        if self._random.random() < 0.1:
            wishes["key"] = f"key {self._random.randrange(5)}"
        made = self.both(f"route {wishes}", lambda router: router.route(x, **wishes).id)
        if isinstance(made, str):
            self._ids.append((made, engine_of(self._memory).now_us()))
            self._agree("why", lambda router: router.why(made).to_dict(), self._last_teller(made))

    def _last_teller(self, made: str) -> Router:
        """A worker that knows of a decision now."""
        return next(worker for worker in self._workers if _remembers(worker, made))

    def tell(self) -> None:
        """Feedback: first, again, other, amended, of another arm, by somebody."""
        identity = self._one_id()
        if identity is None:
            return
        said: dict[str, Any] = {"quality": self._random.choice([0.0, 0.25, 0.7, 1.0])}
        if self._random.random() < 0.4:
            said = {
                "cost_usd": self._random.choice([0.001, 0.02, 0.08]),
                "latency_s": self._random.choice([1, 7.5]),
            }
        how: dict[str, Any] = {"amend": self._random.random() < 0.3}
        if self._random.random() < 0.2:
            how["source"] = self._random.choice(["judge", "user"])
        if self._random.random() < 0.1:
            how["served_arm"] = self._random.choice(sorted(self._memory.arms))
        self.both(f"tell {said} {how}", lambda router: _told(router, identity, **said, **how))

    def tell_wrong(self) -> None:
        """Feedback that must be refused: forged, foreign, partial, out of range."""
        identity = self._one_id()
        if identity is None:
            return
        wrong: tuple[tuple[str, dict[str, float]], ...] = (
            (identity[:-1] + ("A" if identity[-1] != "A" else "B"), {"quality": 0.5}),
            (FOREIGN.issue(self._next_body()), {"quality": 0.5}),
            (identity, {"cost_usd": 0.01}),
            (identity, {"quality": 1.5}),
            (identity, {"taste": 0.5}),
        )
        refused, said = self._random.choice(wrong)
        self.both(f"tell wrongly {said}", lambda router: _told(router, refused, **said))

    def look(self) -> None:
        """Ask why."""
        if identity := self._one_id():
            self.both("why", lambda router: router.why(identity).to_dict())

    def operate(self) -> None:
        """Change what stands."""
        active = [name for name, status in self._memory.arms.items() if status == "active"]
        arm, number = self._random.choice(sorted(self._memory.arms)), self._random.randint(1, 9)
        self._new_arms += 1
        new = Arm(f"new {self._new_arms}", price=Price(input=number, output=1.0), prior={"quality": number / 10})
        changes: list[Callable[[Router], object]] = [
            lambda router: setattr(router, "preferences", {"quality": 1.0, "cost_usd": number / 10}),
            lambda router: router.set_price(arm, Price(input=number, output=2.0 * number)),
        ]
        if len(active) < 6:
            changes.append(lambda router: router.add_arm(new))
        if len(active) > 2:
            changes.append(lambda router: router.drain_arm(active[0]))
            changes.append(lambda router: router.retire_arm(active[-1], successor=active[0], n_eff=number))
        self.both("operate", self._random.choice(changes))

    def wait(self) -> None:
        """The clock jumps."""
        self._clock.now += self._random.choice([HOUR, -HOUR, DAY])

    def forget(self) -> None:
        """One decision, or what one source said as long as all of it is there."""
        if not self._horizon_us and self._random.random() < 0.3:
            self.both("forget a source", lambda router: router.forget(source="judge"))
        elif (identity := self._one_id()) and all(_remembers(worker, identity) for worker in self._workers):
            # What a worker learned long ago and reads as erased it cannot take out before it is opened again.
            forgotten = self.both("forget", lambda router: router.forget(decisions=[identity]))
            self._erased = True
            if forgotten == 0:
                # The log does not tell other workers of it, who would go on with what they know.
                self._ids = [each for each in self._ids if each[0] != identity]

    def reopen(self) -> None:
        """All workers are closed, or die, perhaps with all snapshots; others come."""
        count = len(self._workers)
        if self._erased:
            # A log in which something is blank tells of another way to the same sums.
            self._memory.close()
            self._memory, self._erased = self._open(self._kept), False
        for worker in self._workers:
            worker.close() if self._random.random() < 0.5 else _die(worker)
        if not self._horizon_us and self._random.random() < 0.5:
            engine = create_engine(self._url)
            with engine.begin() as connection:
                connection.execute(text("DELETE FROM br_snapshot"))
            engine.dispose()
        self._workers = [self._open(SqlStore(self._url)) for _ in range(count)]

    def compact(self) -> None:
        """What is older than a day is let go, up to a snapshot."""
        compact(self._url, fold_of, agrees, older_than_days=1, now_us=int(self._clock.now * 1e6))
        for worker in self._workers:
            worker.sync()
        self._horizon_us = log_of(self._workers[0]).recent.horizon_us


_EVENTS: Mapping[Callable[[Life], None], float] = {
    Life.route: 6,
    Life.tell: 8,
    Life.tell_wrong: 1,
    Life.look: 1,
    Life.operate: 1.5,
    Life.wait: 1,
    Life.forget: 0.5,
    Life.reopen: 0.7,
    Life.compact: 0.3,
}
"""What may happen, and how often beside the others."""


def _outcome(router: Router, call: Callable[[Router], object]) -> object:
    try:
        return call(router)
    except BanditRouteError as error:
        return type(error).__name__, str(error)


def _told(router: Router, identity: str, **said: Any) -> str:
    return router.feedback(identity, **said).wait(PATIENCE).status


def _remembers(worker: Router, identity: str) -> bool:
    return log_of(worker).recent.get(log_of(worker).keys.key(identity)) is not None


def _state(router: Router) -> object:
    """All that two routers must agree on."""
    state = engine_of(router).state
    return router.digest(), state.position, state.plays.tolist(), router.arms, router.preferences


def _die(worker: Router) -> None:
    """End as a process does that is killed: nothing is said to the database."""
    store = log_of(worker).store
    assert isinstance(store, SqlStore)
    assert store.worker is not None
    with suppress(BanditRouteError):
        store.worker.stop()
    store._finalizer.detach()
    store.database.dispose()
