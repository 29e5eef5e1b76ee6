"""F1: whatever callers pass, they get an answer or one of our errors, and a refusal changes nothing."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from banditroute import Arm, Objective, Price, Router
from banditroute.core.health import StoreHealth
from banditroute.core.log import DecisionRecord, FeedbackRecord, LogRecord, Position
from banditroute.core.receipt import ReceiptStatus
from banditroute.core.spec import StoredRouter
from banditroute.errors import BanditRouteError, InvalidOutcomeError
from banditroute.store import START, MemoryStore, Store
from banditroute.store.sql.store import SqlStore
from banditroute.testing import engine_of
from banditroute.testing.world import OBJECTIVES, Clock, a_router, url
from simulations.reliability.harness import awkward
from simulations.reliability.harness.awkward import Dice
from simulations.reliability.harness.row import Finding, Tick

LONGEST_MESSAGE = 300
GOOD_VECTORS = tuple([x / 7, -x / 9, 0.5] for x in range(8))
_LATEST = 40


class Counting:
    """A store that passes everything on to another one, and counts the records.

    Attributes:
        records: How many were appended.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.records = 0

    def open(self, *arguments: Any, **settings: Any) -> StoredRouter:
        """Open the other one."""
        return self._store.open(*arguments, **settings)

    @property
    def backlog(self) -> int:
        """That of the other one."""
        return self._store.backlog

    @property
    def is_local(self) -> bool:
        """As the other one."""
        return self._store.is_local

    @property
    def is_shared(self) -> bool:
        """As the other one."""
        return self._store.is_shared

    def append(self, records: Sequence[LogRecord]) -> "Future[ReceiptStatus]":
        """Count."""
        self.records += len(records)
        return self._store.append(records)

    def flush(self) -> None:
        """Flush the other one."""
        self._store.flush()

    def end(self) -> Position:
        """That of the other one."""
        return self._store.end()

    def events(
        self, after: Position = START, up_to: Position | None = None, *, others: bool = False
    ) -> Iterator[DecisionRecord | FeedbackRecord]:
        """Those of the other one."""
        return self._store.events(after, up_to, others=others)

    def changed(self, revision: int) -> StoredRouter | None:
        """As the other one."""
        return self._store.changed(revision)

    def decisions_missing_outcome(self, group: str, *, since_us: int) -> Sequence[tuple[int, bytes]]:
        """As the other one."""
        return self._store.decisions_missing_outcome(group, since_us=since_us)

    def decisions_with_source(self, source: str) -> Sequence[bytes]:
        """As the other one."""
        return self._store.decisions_with_source(source)

    def erase(self, bodies: Sequence[bytes]) -> None:
        """As the other one."""
        self._store.erase(bodies)

    def health(self) -> StoreHealth:
        """That of the other one."""
        return self._store.health()

    def decision(self, body: bytes) -> tuple[DecisionRecord, tuple[FeedbackRecord, ...]] | None:
        """That of the other one."""
        return self._store.decision(body)

    def close(self) -> None:
        """Close the other one."""
        self._store.close()


class Lax(Objective):
    """The negative control: a check that NaN, which compares false with everything, passes."""

    def checked(self, value: object) -> float:
        """Refuse what is below or above, and nothing else."""
        number: float = value  # type: ignore[assignment]
        if number < self.bounds[0] or number > self.bounds[1]:
            raise InvalidOutcomeError(f"outcome {self.name!r} = {number:g} is out of bounds")
        return number


@dataclass(slots=True)
class Fuzzed:
    """What came of many calls.

    Attributes:
        accepted, refused: How many were answered, and how many refused by an error of our tree.
        escaped: Call and error → how often an error outside the tree came, or a fault was held back.
        changed: Call → how often a refusal changed the state, the log, the arms or the preferences.
        messages: Call → how often an error was not one short line.
        unstored: Records that were accepted, and that the store then could not keep.
    """

    accepted: int = 0
    refused: int = 0
    escaped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    unstored: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.escaped or self.changed or self.messages or self.unstored)


@dataclass(frozen=True, slots=True)
class Calls:
    """So many calls of a router, half of their arguments awkward."""

    id: ClassVar[str] = "F1"
    does: ClassVar[str] = (
        "fuzzed calls of every method: types, shapes, NaN, ±inf, denormals, 2^63, surrogates, NUL, 1 MB"
    )
    asks: ClassVar[str] = "0 errors outside the tree, 0 changes by a refusal, 0 accepted and not storable"
    control: ClassVar[str] = "`if r < lo or r > hi: raise` lets NaN in"

    calls: int = 10_000
    control_calls: int = 2_000
    seed: int = 21

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Fuzz a router on SQLite, then one with a lax check."""
        target = url(place / "fuzzed.db")
        found, digest = self.fuzzed(SqlStore(target), self.calls, tick)
        with a_router(target, preferences=None, arms=[Arm("small")]) as reopened:
            differs = int(reopened.digest() != digest)
        measured: dict[str, float | str] = {
            "accepted": found.accepted,
            "refused": found.refused,
            "outside the tree": found.escaped.total(),
            "changes by a refusal": found.changed.total(),
            "not storable": found.unstored,
            "messages that are no short line": found.messages.total(),
            "digests differ after reopening": differs,
        }
        for what in (found.escaped, found.changed, found.messages):
            measured |= {f"× {name}": count for name, count in what.most_common(5)}
        lax = tuple(Lax(o.name, goal=o.goal, bounds=o.bounds, group=o.group) for o in OBJECTIVES)
        with warnings.catch_warnings(action="ignore"):
            control, _ = self.fuzzed(MemoryStore(), self.control_calls, lambda *_: None, objectives=lax)
        let_in = control.escaped.total() + control.changed.total()
        return Finding(measured, found.clean and not differs, {"escaped or let in": let_in}, let_in > 0)

    def fuzzed(self, store: Store, calls: int, tick: Tick, **changes: Any) -> tuple[Fuzzed, str]:
        """What came of so many calls, and the digest at their end."""
        counting, clock, found = Counting(store), Clock(), Fuzzed()
        router = a_router(counting, clock=clock, **changes)
        fuzzer = Fuzzer(router, Dice(self.seed, awkward=0.4))
        router.route(GOOD_VECTORS[0])
        before = _fingerprint(router, counting)
        for number in range(calls):
            clock.now += 0.25
            name, call = fuzzer.a_call()
            try:
                call()
                found.accepted += 1
                before = _fingerprint(router, counting)
            except BanditRouteError as error:
                found.refused += 1
                found.messages[name] += not _is_short_line(str(error))
            except Exception as error:  # noqa: BLE001  (which is what is looked for)
                found.escaped[f"{name}: {type(error).__name__}"] += 1
            after = _fingerprint(router, counting)
            found.escaped[f"{name}: held back"] += after[2][-1] - before[2][-1]
            found.changed[name] += after != before
            before = after
            tick(number + 1, calls)
        digest = router.digest()
        router.close()
        found.unstored = router.health().lost
        found.escaped, found.changed, found.messages = (+found.escaped, +found.changed, +found.messages)
        return found, digest


def _fingerprint(router: Router, store: Counting) -> tuple[str, int, tuple[int, ...], Any, Any]:
    # Not of health(), which asks the database.
    position, faults = engine_of(router).state.position, engine_of(router).faults.faults
    return router.digest(), store.records, (*position, faults), router.arms, router.preferences


def _is_short_line(message: str) -> bool:
    return 0 < len(message) <= LONGEST_MESSAGE and message.isprintable()


class Fuzzer:
    """Makes up calls of one router."""

    def __init__(self, router: Router, dice: Dice) -> None:
        self._router = router
        self._dice = dice
        self._ids = [router.route(GOOD_VECTORS[0]).id]
        self._calls: tuple[Callable[[], object], ...] = (
            self._route, self._route, self._route_many, self._feedback, self._feedback, self._feedback,
            self._prefer, self._add_arm, self._set_price, self._drain, self._retire, self._why,
        )  # fmt: skip

    def a_call(self) -> tuple[str, Callable[[], object]]:
        """A call that was not yet made, and its name."""
        call = self._dice.of(self._calls)
        return call.__name__.strip("_"), call

    def _terms(self) -> dict[str, Any]:
        dice, terms = self._dice, dict[str, Any]()
        if dice.maybe(0.2):
            names = [dice.some(("small", "large"), awkward.TEXTS) for _ in range(2)]
            terms["allowed"] = dice.some((names, tuple(names), names[:1]), awkward.TEXTS)
        if dice.maybe(0.2):
            terms["preferences"] = dice.some(({"quality": 1.0}, {"quality": 1, "cost_usd": 0.5}), awkward.MAPPINGS)
        if dice.maybe(0.2):
            terms["max_cost_usd"] = dice.some((1.0, 10, None), awkward.NUMBERS)
        return terms

    def _route(self) -> None:
        dice, terms = self._dice, self._terms()
        if dice.maybe(0.2):
            terms["prompt_tokens"] = dice.some((10, 2000, None), awkward.NUMBERS)
        for name in ("key", "session", "cohort"):
            if dice.maybe(0.15):
                terms[name] = dice.some(("request 7", None), awkward.TEXTS)
        if dice.maybe(0.1):
            terms["incumbent"] = dice.some(("small", None), awkward.TEXTS)
        decision = self._router.route(dice.some(GOOD_VECTORS, awkward.VECTORS), **terms)
        self._ids = [*self._ids[-_LATEST:], decision.id]

    def _route_many(self) -> None:
        batch: Any = [self._dice.some(GOOD_VECTORS, awkward.VECTORS) for _ in range(2)]
        self._router.route_many(self._dice.some((batch, GOOD_VECTORS), awkward.VECTORS), **self._terms())

    def _feedback(self) -> None:
        dice, given = self._dice, dict[str, Any]()
        if dice.maybe(0.7):
            given["quality"] = dice.some((0.0, 0.25, 1, True), awkward.NUMBERS)
        if dice.maybe(0.5):
            given["latency_s"] = dice.some((0.0, 2.5, 40), awkward.NUMBERS)
            given["cost_usd"] = dice.some((0.0, 0.01, 1), awkward.NUMBERS)
        if dice.maybe(0.2):
            given["prompt_tokens"] = dice.some((10, 2000.0), awkward.NUMBERS)
            given["output_tokens"] = dice.some((10, 2000.0), awkward.NUMBERS)
        if dice.maybe(0.2):
            given["served_arm"] = dice.some(("small", "large", None), awkward.TEXTS)
        if dice.maybe(0.3):
            given["source"] = dice.some(("judge", None), awkward.TEXTS)
        if dice.maybe(0.05):
            given[dice.of(("speed", "x" * 1000, "\ud800", "a\nb", ""))] = 0.5
        identity = dice.some(self._ids, awkward.TEXTS)
        self._router.feedback(identity, amend=dice.some((True, False), awkward.NUMBERS), **given)

    def _prefer(self) -> None:
        good = ({"quality": 1.0, "cost_usd": 0.4}, {"quality": 1.0, "latency_s": 0.1})
        self._router.preferences = self._dice.some(good, awkward.MAPPINGS)

    def _add_arm(self) -> None:
        dice = self._dice
        name = dice.some(tuple(f"new {number}" for number in range(8)), awkward.TEXTS)
        prior = dice.some(({}, {"quality": 0.5}), awkward.MAPPINGS)
        limit = dice.some((None, 100), awkward.NUMBERS)
        self._router.add_arm(
            dice.some((Arm(name, price=self._price(), max_output_tokens=limit, prior=prior),), awkward.TEXTS)
        )

    def _set_price(self) -> None:
        arm, when = self._an_arm(), self._dice.some((None,), awkward.TIMES)
        self._router.set_price(arm, self._price(), effective_at=when)

    def _price(self) -> Any:
        dice = self._dice
        price = Price(input=dice.some((0.5, 2), awkward.NUMBERS), output=dice.some((0, 8.0), awkward.NUMBERS))
        return dice.some((price,), awkward.NUMBERS)

    def _drain(self) -> None:
        self._router.drain_arm(self._an_arm())

    def _retire(self) -> None:
        successor = self._dice.some((None, "small", "large"), awkward.TEXTS)
        self._router.retire_arm(self._an_arm(), successor=successor)

    def _an_arm(self) -> Any:
        # Never one of the first two, or soon nothing would be left to choose from.
        return self._dice.some(("plain", *(f"new {number}" for number in range(8))), awkward.TEXTS)

    def _why(self) -> None:
        str(self._router.why(self._dice.some(self._ids, awkward.TEXTS)))
