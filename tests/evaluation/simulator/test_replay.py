from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

import banditroute.evaluation.simulator.run as simulated_run
from banditroute.core.objectives import Objective
from banditroute.errors import InvalidArgumentError, UnknownArmError, WorkloadError
from banditroute.evaluation import Comparison, Delay, ReplayInterrupted, Workload, replay
from banditroute.policies import EpsilonGreedy, Fixed, LinUCB, Policy, Uniform
from tests.evaluation.tables import PREFERENCES, small_workload


@dataclass
class Answer:
    id: str
    arm: str
    propensity: float = 1.0


@dataclass
class Recorder:
    """Replaces the router and records its calls with their times."""

    settings: dict[str, Any]
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    routed: int = 0

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.calls.append(("close",))

    def route(self, x: Sequence[float]) -> Answer:
        arm = self.settings["arms"][self.routed % len(self.settings["arms"])].name
        self.calls.append(("route", self.routed, arm, self.settings["clock"](), list(x)))
        self.routed += 1
        return Answer(str(self.routed - 1), arm)

    def feedback(self, decision_id: str, outcomes: dict[str, float]) -> None:
        self.calls.append(("feedback", int(decision_id), self.settings["clock"](), outcomes))


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    made: list[Recorder] = []

    def make(name: str, **settings: Any) -> Recorder:
        made.append(Recorder({"name": name, **settings}))
        return made[-1]

    monkeypatch.setattr(simulated_run, "Router", make)
    return made


def run(workload: Workload, **settings: Any) -> Comparison:
    # With a store the replay drives routers, without one their engine alone.
    store = lambda policy, seed: f"sqlite:///{policy}-{seed}.db"  # noqa: E731
    given = {"preferences": PREFERENCES, "seeds": 1, "order": "recorded", "store": store, **settings}
    return replay(workload, {"any": Uniform()}, **given)


def journey(recorder: Recorder) -> list[tuple[Any, ...]]:
    return [call[:2] if call[0] != "close" else call for call in recorder.calls]


def test_without_delay_everything_arrives_together_before_the_next_request(recorders: list[Recorder]) -> None:
    workload = small_workload(3)
    run(workload)
    assert journey(recorders[0]) == [
        ("route", 0),
        ("feedback", 0),
        ("route", 1),
        ("feedback", 1),
        ("route", 2),
        ("feedback", 2),
        ("close",),
    ]
    for call in recorders[0].calls:
        if call[0] == "route":
            assert call[4] == workload.features[call[1]].tolist()
        if call[0] == "feedback":
            place = call[1] % 3
            assert call[3] == {name: cells[call[1], place] for name, cells in workload.outcomes.items()}


def test_groups_arrive_when_their_delay_is_over(recorders: list[Recorder]) -> None:
    run(small_workload(4), delays={"quality": Delay(requests=1), "response": Delay(seconds=0.5)}, interval_s=0.5)
    start = recorders[0].calls[0][3]
    reports = [(c[1], c[2] - start, sorted(c[3])) for c in recorders[0].calls if c[0] == "feedback"]
    assert reports == [
        (0, 0.5, ["cost_usd"]),
        (0, 1.0, ["quality"]),
        (1, 1.0, ["cost_usd"]),
        (1, 1.5, ["quality"]),
        (2, 1.5, ["cost_usd"]),
        (2, 2.0, ["quality"]),
        (3, 2.0, ["cost_usd"]),
    ]


def test_missing_feedback_never_arrives(recorders: list[Recorder]) -> None:
    run(small_workload(300), delays={"quality": Delay(missing=0.4)})
    reports = [sorted(call[3]) for call in recorders[0].calls if call[0] == "feedback"]
    assert len(reports) == 300
    assert reports.count(["cost_usd"]) == pytest.approx(120, abs=30)
    assert {tuple(names) for names in reports} == {("cost_usd",), ("cost_usd", "quality")}


def test_an_unrecorded_cell_takes_its_whole_group_with_it(recorders: list[Recorder]) -> None:
    whole = small_workload(3)
    cost, latency = whole.outcomes["cost_usd"].copy(), np.ones((3, 3))
    cost[1, 1] = np.nan
    outcomes = {"quality": whole.outcomes["quality"], "cost_usd": cost, "latency_s": latency}
    workload = Workload(arms=whole.arms, features=whole.features, outcomes=outcomes)
    run(workload, preferences={"quality": 1.0, "cost_usd": 1.0, "latency_s": 1.0})
    reports = {call[1]: sorted(call[3]) for call in recorders[0].calls if call[0] == "feedback"}
    assert reports == {
        0: ["cost_usd", "latency_s", "quality"],
        1: ["quality"],
        2: ["cost_usd", "latency_s", "quality"],
    }


def test_router_is_given_the_seed_ids_and_a_bound_that_holds(recorders: list[Recorder]) -> None:
    base = small_workload(5)
    workload = Workload(arms=base.arms, features=base.features * 5, outcomes=base.outcomes)
    run(workload, seeds=[3, 8])
    assert [recorder.settings["seed"] for recorder in recorders] == [3, 8]
    assert [recorder.settings["store"] for recorder in recorders] == ["sqlite:///any-3.db", "sqlite:///any-8.db"]
    assert recorders[0].settings["x_max"] == 8.0
    bodies = [recorder.settings["ids"]() for recorder in recorders for _ in range(3)]
    assert len(set(bodies)) == 6
    assert {len(body) for body in bodies} == {16}


def test_seed_shuffles_and_recorded_order_does_not() -> None:
    workload = small_workload()
    shuffled = replay(workload, {"any": Uniform()}, preferences=PREFERENCES, seeds=[4])
    assert [workload.query_ids[row] for row in shuffled.rows[0]] == list(workload.shuffled(4).query_ids)
    assert run(workload).rows.tolist() == [list(range(40))]


def same(one: Comparison, other: Comparison) -> bool:
    return np.array_equal(one.chosen, other.chosen) and np.array_equal(one.propensity, other.propensity)


POLICIES: dict[str, Policy] = {"linucb": LinUCB(alpha=0.3), "greedy": EpsilonGreedy(epsilon=0.2)}


@pytest.mark.parametrize(
    "executor",
    [
        lambda: ThreadPoolExecutor(2),
        lambda: ProcessPoolExecutor(1, mp_context=get_context("spawn")),
    ],
    ids=["threads", "processes"],
)
def test_any_executor_gives_the_same(executor: Callable[[], Executor]) -> None:
    delays = {"quality": Delay(requests=3, missing=0.2)}
    alone = replay(small_workload(), POLICIES, preferences=PREFERENCES, seeds=2, delays=delays)
    with executor() as pool:
        spread = replay(small_workload(), POLICIES, preferences=PREFERENCES, seeds=2, delays=delays, executor=pool)
    assert same(alone, spread)
    assert not same(
        alone, replay(small_workload(), POLICIES, preferences=PREFERENCES, seeds=[5, 6], delays=delays)
    )


def test_policies_meet_the_same_draws() -> None:
    twins = replay(small_workload(), {"one": Uniform(), "two": Uniform()}, preferences=PREFERENCES, seeds=3)
    assert np.array_equal(twins.chosen[0], twins.chosen[1])
    assert twins.difference("utility", "two") == (0.0, 0.0, 0.0)
    assert set(np.unique(twins.propensity)) == {1 / 3}


def test_learning_beats_uniform_choice_if_features_determine_the_best_arm() -> None:
    compared = replay(
        small_workload(600), {"linucb": LinUCB(), "uniform": Uniform()}, preferences=PREFERENCES, seeds=3
    )
    assert compared.difference("utility", "uniform").high < 0


def test_progress_counts_every_run() -> None:
    seen: list[tuple[int, int]] = []
    replay(
        small_workload(5),
        {"a": Uniform(), "b": Fixed("small")},
        preferences=PREFERENCES,
        seeds=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"seeds": 0}, InvalidArgumentError, "seeds = 0"),
        ({"seeds": []}, InvalidArgumentError, "one or more"),
        ({"seeds": [1, 1]}, InvalidArgumentError, "different"),
        ({"seeds": [-1]}, InvalidArgumentError, "seed -1"),
        ({"seeds": [True]}, InvalidArgumentError, "seed True"),
        ({"seeds": [2**63]}, InvalidArgumentError, "from 0 to"),
        ({"seeds": "12"}, InvalidArgumentError, "sequence of integers"),
        ({"order": "sorted"}, InvalidArgumentError, "order = 'sorted'"),
        ({"interval_s": 0.0}, InvalidArgumentError, "interval_s"),
        ({"delays": {"speed": Delay()}}, InvalidArgumentError, "unknown group 'speed'"),
        ({"preferences": {"speed": 1.0}}, InvalidArgumentError, "unknown objective 'speed'"),
        ({"preferences": {"quality": 0.0}}, InvalidArgumentError, "at least one weight above 0"),
        ({"objectives": [Objective("speed")], "preferences": {"speed": 1.0}}, WorkloadError, "no metric 'speed'"),
        (
            {"objectives": [Objective("quality", bounds=(0, 0.5))], "preferences": {"quality": 1.0}},
            WorkloadError,
            "outside \\[0, 0.5\\]",
        ),
    ],
)
def test_refuses(settings: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        run(small_workload(), **settings)


def test_refuses_policies_that_cannot_run() -> None:
    with pytest.raises(UnknownArmError, match="unknown arm 'huge'"):
        replay(small_workload(), {"f": Fixed("huge")}, preferences=PREFERENCES)
    with pytest.raises(InvalidArgumentError, match="at least one policy"):
        replay(small_workload(), {}, preferences=PREFERENCES)


@pytest.mark.parametrize("stop", [1, 3, 4, 7])
def test_after_an_interruption_the_complete_seeds_are_compared(stop: int) -> None:
    def interrupt(done: int, _total: int) -> None:
        if done == stop:
            raise KeyboardInterrupt

    policies: dict[str, Policy] = {"a": LinUCB(), "b": Uniform()}
    with pytest.raises(ReplayInterrupted) as caught:
        replay(small_workload(), policies, preferences=PREFERENCES, seeds=4, progress=interrupt)
    found = caught.value.comparison
    if stop < len(policies):
        assert found is None
        return
    assert found is not None
    assert found.seeds == tuple(range(stop // len(policies)))
    whole = replay(small_workload(), policies, preferences=PREFERENCES, seeds=found.seeds)
    assert found.to_dict() == whole.to_dict()
