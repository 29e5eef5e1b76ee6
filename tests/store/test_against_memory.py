"""The SQL store does what the memory store does, whatever is done to both."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from banditroute.arms import Arm, Price
from banditroute.records import (
    ArmRecord,
    DecisionRecord,
    LogRecord,
    Position,
    PreferencesRecord,
    SnapshotRecord,
    StoredRouter,
)
from banditroute.store import MemoryStore
from banditroute.store.sql import SqlStore
from banditroute.testing import SPEC, a_decision, append, feedback_of, open_router, plain

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
        self.learned = 0
        self.version = 1
        assert open_router(self.memory) == open_router(self.sql)

    def both(self, *records: LogRecord) -> None:
        append(self.memory, *records)
        append(self.sql, *records)

    @rule(data=st.data(), knew=st.integers(0, 3), key=st.none() | words, excluded=st.dictionaries(words, words))
    def decide(self, data: st.DataObject, knew: int, key: str | None, excluded: dict[str, str]) -> None:
        arms = tuple(self.arms)
        numbers = data.draw(st.lists(finite, min_size=len(arms) * 3, max_size=len(arms) * 3))
        record = a_decision(
            len(self.decisions) + 1,
            max(self.learned - knew, 0)
            if not self.decisions
            else max(self.decisions[-1].learned, self.learned - knew),
            arm=data.draw(st.sampled_from(arms)),
            arms=arms,
            probabilities=np.full(len(arms), 1 / len(arms)),
            mean=np.array(numbers).reshape(-1, 3),
            width=np.abs(np.array(numbers)).reshape(-1, 3),
            preferences=data.draw(st.dictionaries(words, finite, max_size=2)),
            key=key,
            excluded=excluded,
        )
        self.decisions.append(record)
        self.both(record)

    @precondition(lambda self: self.decisions)
    @rule(data=st.data(), values=st.none() | st.lists(int64, max_size=3).map(tuple), source=st.none() | words)
    def learn(self, data: st.DataObject, values: tuple[int, ...] | None, source: str | None) -> None:
        decision = data.draw(st.sampled_from(self.decisions))
        self.learned += 1
        outcomes = data.draw(st.dictionaries(words, finite, max_size=3))
        # The number doubles as revision, so that feedback on the same decision never clashes.
        self.both(
            feedback_of(
                decision, self.learned, revision=self.learned, values=values, outcomes=outcomes, source=source
            )
        )

    @rule(name=st.sampled_from(["small", "new", "ünï"]), price=st.none() | st.floats(0, 1e9), since=int64)
    def change_arm(self, name: str, price: float | None, since: int) -> None:
        arm = Arm(name, price=None if price is None else Price(input=price, output=2 * price))
        if name not in self.arms:
            self.arms.append(name)
        self.both(ArmRecord(arm, "draining", "large", since, since))

    @rule(weights=st.dictionaries(words, finite, min_size=1))
    def prefer(self, weights: dict[str, float]) -> None:
        self.version += 1
        self.both(PreferencesRecord(self.version, weights, self.version))

    @rule(blob=st.binary(max_size=30))
    def snapshot(self, blob: bytes) -> None:
        self.both(SnapshotRecord(Position(self.learned, len(self.decisions)), blob, 0))

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
        body = data.draw(st.sampled_from(self.decisions)).body
        assert plain(self.sql.decision(body)) == plain(self.memory.decision(body))

    @invariant()
    def logs_end_alike(self) -> None:
        assert len(list(self.sql.events())) == len(self.decisions) + self.learned

    def teardown(self) -> None:
        self.sql.close()
        self.directory.cleanup()


def comparable(stored: StoredRouter) -> Any:
    return plain(replace(stored, arms=())), stored.arms


TestTwoStores = TwoStores.TestCase
TestTwoStores.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
