"""S2: what belongs to one tenant does not move another one's router."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from sqlalchemy import Engine, event

from banditroute import Router
from banditroute.core.ids import KEY_BYTES, TAG_BYTES, DecisionIds, random_key
from banditroute.errors import BanditRouteError, InvalidDecisionIdError
from banditroute.testing.world import a_router, a_vector, url
from simulations.reliability.harness.row import Finding, Tick


class TenantBlind(DecisionIds):
    """The negative control: tags that do not know whose ids they are."""

    def __init__(self, secrets: Sequence[bytes], _tenant: str, router: str) -> None:
        super().__init__(secrets, "", router)


@dataclass(slots=True)
class Tries:
    """What came of feedback with the ids of another tenant.

    Attributes:
        accepted: How often the tag was.
        queries: Statements that the database saw.
        messages: Every message there was, those for malformed ids included.
        changed: Whether the other tenant's sums or counts are others.
        seconds: Of processor time for foreign ids, and for malformed ones.
    """

    accepted: int = 0
    queries: int = 0
    messages: set[str] = field(default_factory=set)
    changed: bool = False
    seconds: tuple[float, float] = (0.0, 0.0)

    @property
    def time_ratio(self) -> float:
        """Foreign ids over malformed ones."""
        return self.seconds[0] / self.seconds[1]


@dataclass(frozen=True, slots=True)
class Tenants:
    """So many tries; both tenants have a router of the same name, in one database, under one secret."""

    id: ClassVar[str] = "S2"
    does: ClassVar[str] = "feedback with the ids of another tenant: same database, same router name, same secret"
    asks: ClassVar[str] = "0 accepted, 0 queries, one message; as quick as a malformed id ± 20 %"
    control: ClassVar[str] = "tags without the tenant are accepted, and searched for"

    tries: int = 10_000
    most_ratio: float = 1.2

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Try with our tags, then with blind ones."""
        ours = self._tries(place / "ours.db", tick)
        with mock.patch("banditroute.router.decision_keys.DecisionIds", TenantBlind):
            blind = self._tries(place / "blind.db", lambda *_: None)
        measured: dict[str, float | str] = {
            "tries": self.tries,
            "accepted": ours.accepted,
            "queries": ours.queries,
            "messages": len(ours.messages),
            "× the time of a malformed id": ours.time_ratio,
        }
        clean = not (ours.accepted or ours.queries or ours.changed) and len(ours.messages) == 1
        timely = 1 / self.most_ratio <= ours.time_ratio <= self.most_ratio
        control = {"accepted": blind.accepted, "queries": blind.queries}
        return Finding(measured, clean and timely, control, blind.accepted > 0 and blind.queries > 0)

    def _tries(self, path: Path, tick: Tick) -> Tries:
        found = Tries()
        with a_router(url(path), tenant="ann", ids=random_key) as ann, a_router(url(path), tenant="bob") as bob:
            bob.feedback(bob.route(a_vector(0)).id, quality=0.5)
            bob.flush()
            before = bob.digest(), bob.health()
            foreign = [ann.route(a_vector(number % 50)).id for number in range(self.tries)]
            malformed = [DecisionIds([bytes(32)], "", "").issue(random_key()) for _ in foreign]
            assert len(foreign[0]) == len(malformed[0]) > KEY_BYTES + TAG_BYTES
            ann.flush()
            with _queries(found):
                found.seconds = _in_turns(bob, foreign, malformed, found, tick)
            found.changed = (bob.digest(), bob.health()) != before
        return found


def _in_turns(
    bob: Router, foreign: list[str], malformed: list[str], found: Tries, tick: Tick
) -> tuple[float, float]:
    """Try both kinds of id in turns; the processor time of each."""
    spent = {True: 0.0, False: 0.0}
    for number in range(0, len(foreign), 100):
        for is_foreign, ids in ((True, foreign), (False, malformed)):
            began = time.process_time()
            for identity in ids[number : number + 100]:
                try:
                    bob.feedback(identity, quality=0.25)
                    found.accepted += 1
                except InvalidDecisionIdError as error:
                    found.messages.add(str(error))
                except BanditRouteError:
                    # The tag was taken, and only the search was in vain.
                    found.accepted += 1
            spent[is_foreign] += time.process_time() - began
        tick(number + 100, len(foreign))
    return spent[True], spent[False]


@contextmanager
def _queries(found: Tries) -> Iterator[None]:
    """Count the statements of this thread; those that follow the log come and go."""
    here = threading.get_ident()

    def count(*_: Any) -> None:
        found.queries += threading.get_ident() == here

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", count)
