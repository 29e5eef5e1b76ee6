"""The SQL store does what the memory store does, whatever is done to both."""

import tempfile
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from banditroute.core.arms import Arm, Price
from banditroute.core.log import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    LogRecord,
    Position,
    PreferencesRecord,
    SnapshotRecord,
)
from banditroute.core.receipt import ReceiptStatus
from banditroute.core.spec import StoredRouter
from banditroute.store import MemoryStore
from banditroute.store.sql.store import SqlStore
from banditroute.testing import SPEC, a_decision, a_report, feedback_of, open_router, plain

finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
int64 = st.integers(-(2**63), 2**63 - 1)


class TwoStores(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.directory.name) / 'routing.db'}"
        self.memory = MemoryStore()
        self.sql = SqlStore(self.url)
        self.arms = ["small", "large"]
        self.decisions: list[DecisionRecord] = []
        self.told: list[FeedbackRecord] = []
        self.version = 1
        assert open_router(self.memory) == open_router(self.sql)

    def both(self, *records: LogRecord) -> None:
        fates = [fate(store.append(records)) for store in (self.memory, self.sql)]
        assert fates[0] == fates[1]

    @rule(data=st.data(), knew=st.integers(0, 3), key=st.none() | words, excluded=st.dictionaries(words, words))
    def decide(self, data: st.DataObject, knew: int, key: str | None, excluded: dict[str, str]) -> None:
        arms = tuple(self.arms)
        numbers = data.draw(st.lists(finite, min_size=len(arms) * 3, max_size=len(arms) * 3))
        record = a_decision(
            len(self.decisions) + 1,
            knew,
            arm=data.draw(st.sampled_from(arms)),
            arms=arms,
            probabilities=np.full(len(arms), 1 / len(arms)),
            mean=np.array(numbers).reshape(-1, 3),
            width=np.abs(np.array(numbers)).reshape(-1, 3),
            preferences=data.draw(st.dictionaries(words, finite, max_size=2)),
            draw_key=key,
            excluded=excluded,
        )
        self.decisions.append(record)
        self.both(record)

    @precondition(lambda self: self.decisions)
    @rule(
        data=st.data(),
        group=st.sampled_from(["quality", "response"]),
        revision=st.integers(0, 3),
        values=st.none() | st.lists(st.integers(-1, 65_537), min_size=1, max_size=2).map(tuple),
        previous=st.none() | st.just((1,)),
        outcomes=st.dictionaries(words, finite, max_size=3),
        source=st.none() | words,
    )
    def learn(self, data: st.DataObject, **changes: Any) -> None:
        """First values, amendments and retractions, most of them of something else than is stored."""
        decision = data.draw(st.sampled_from(self.decisions))
        arm = data.draw(st.sampled_from(self.arms))
        received_us = data.draw(st.integers(0, 2))
        self.told.append(feedback_of(decision, 1, arm=arm, received_us=received_us, **changes))
        self.both(self.told[-1])

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        self.both(data.draw(st.sampled_from(self.told)), data.draw(st.sampled_from(self.decisions)))

    @rule(
        number=st.integers(1, 30), quality=st.floats(-0.1, 1), amend=st.booleans(), arm=st.none() | st.just("new")
    )
    def report(self, number: int, quality: float, amend: bool, arm: str | None) -> None:
        served = arm if arm in self.arms else None
        self.both(a_report(a_decision(number), quality, amend=amend, served_arm=served))

    @rule(name=st.sampled_from(["small", "new", "ünï"]), price=st.none() | st.floats(1e-9, 5e8), since=int64)
    def change_arm(self, name: str, price: float | None, since: int) -> None:
        arm = Arm(name, price=None if price is None else Price(input=price, output=2 * price))
        if name not in self.arms:
            self.arms.append(name)
        self.both(ArmRecord(arm, "draining", "large", since, since))

    @rule(weights=st.dictionaries(words, finite, min_size=1))
    def prefer(self, weights: dict[str, float]) -> None:
        self.version += 1
        self.both(PreferencesRecord(9, weights, self.version))

    @rule(blob=st.binary(max_size=30))
    def snapshot(self, blob: bytes) -> None:
        self.both(SnapshotRecord(self.memory.end(), blob, 0))

    @rule()
    def reopen(self) -> None:
        self.memory.close()
        self.sql.close()
        self.sql = SqlStore(self.url)
        spec = replace(SPEC, policy={"again": True})
        assert comparable(open_router(self.sql, spec)) == comparable(open_router(self.memory, spec))

    @rule(after=st.builds(Position, st.integers(0, 20), st.integers(0, 20)))
    def replay(self, after: Position) -> None:
        assert plain(list(self.sql.events(after))) == plain(list(self.memory.events(after)))

    @precondition(lambda self: self.decisions)
    @rule(data=st.data())
    def look_up(self, data: st.DataObject) -> None:
        decision_key = data.draw(st.sampled_from(self.decisions)).decision_key
        assert plain(self.sql.decision(decision_key)) == plain(self.memory.decision(decision_key))

    @invariant()
    def logs_end_alike(self) -> None:
        assert self.sql.end() == self.memory.end()

    def teardown(self) -> None:
        self.sql.close()
        self.directory.cleanup()


def fate(stored: "Future[ReceiptStatus]") -> ReceiptStatus | type[BaseException]:
    error = stored.exception(timeout=30)
    return stored.result() if error is None else type(error)


def comparable(stored: StoredRouter) -> Any:
    return plain(replace(stored, arms=())), stored.arms


TestTwoStores = pytest.mark.slow(TwoStores.TestCase)
TestTwoStores.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
