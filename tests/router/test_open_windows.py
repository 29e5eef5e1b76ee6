"""Late outcomes: what is learned instead of them, and when."""

from pathlib import Path
from typing import Any, Literal

import pytest

from banditroute import Objective, OutcomeWindow, Router
from banditroute.controllers import Choice, Predict
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation
from banditroute.errors import BanditRouteError, FeedbackConflictError, InvalidArgumentError
from banditroute.testing import log_of, upkeep_of
from banditroute.testing.world import Clock, a_router, a_vector, bodies, url

HOUR = 3600.0


def waiting(
    store: Any = None, clock: Clock | None = None, first: int = 1, controllers: Any = (), **rules: Any
) -> tuple[Router, Clock]:
    """A router whose quality is awaited for an hour."""
    clock = clock or Clock()
    objectives = (
        Objective("quality", window=OutcomeWindow(HOUR, **rules)),
        Objective("latency_s", goal="min", bounds=(0, 30)),
    )
    router = a_router(
        store,
        objectives=objectives,
        preferences={"quality": 1.0},
        clock=clock,
        ids=bodies(first),
        features=3,
        controllers=controllers,
    )
    return router, clock


def plain(qualities: dict[int, float], requests: int = 4) -> str:
    """Return the digest of a router that learned these qualities at once."""
    router, _ = waiting()
    ids = [router.route(a_vector(number)).id for number in range(requests)]
    for number, quality in qualities.items():
        router.feedback(ids[number], quality=quality)
    return router.digest()


def asked(router: Router, requests: int = 4) -> list[str]:
    return [router.route(a_vector(number)).id for number in range(requests)]


def test_without_a_rule_late_is_as_good_as_early() -> None:
    router, clock = waiting()
    ids = asked(router)
    clock.now += 10 * HOUR
    router.feedback(ids[1], quality=0.75)
    assert router.digest() == plain({1: 0.75})


def test_a_default_stands_in_and_gives_way() -> None:
    router, clock = waiting(missing="default", default=0.25)
    ids = asked(router)
    router.feedback(ids[0], quality=1.0)
    clock.now += HOUR - 1
    router.route(a_vector(9))
    assert router.digest() == plain({0: 1.0})
    clock.now += 1
    router.route(a_vector(9))
    assert router.digest() == plain({0: 1.0, 1: 0.25, 2: 0.25, 3: 0.25})
    assert router.feedback(ids[2], quality=0.5).status == "recorded"
    assert router.digest() == plain({0: 1.0, 1: 0.25, 2: 0.5, 3: 0.25})
    with pytest.raises(FeedbackConflictError):
        router.feedback(ids[2], quality=0.75)


def test_a_default_can_be_forgotten(tmp_path: Path) -> None:
    """A retraction of a default is no default itself, which the log would drop as one that is stored already."""
    rules: dict[str, Any] = {"missing": "default", "default": 0.25}
    router, clock = waiting(url(tmp_path / "w.db"), **rules)
    ids = asked(router)
    clock.now += HOUR
    router.route(a_vector(9))
    assert router.forget(decisions=[ids[1]]) == 1
    assert router.digest() == plain({0: 0.25, 2: 0.25, 3: 0.25})
    router.close()
    again, _ = waiting(url(tmp_path / "w.db"), clock, first=100, **rules)
    assert again.digest() == plain({0: 0.25, 2: 0.25, 3: 0.25})
    again.close()


def test_a_censored_outcome_is_recorded_but_not_learned() -> None:
    router, clock = waiting(missing="censor")
    ids = asked(router)
    router.feedback(ids[0], quality=1.0)
    clock.now += HOUR
    assert router.feedback(ids[1], quality=0.5).status == "recorded"
    assert router.digest() == plain({0: 1.0})
    assert router.feedback(ids[1], quality=0.5).status == "duplicate"
    assert [record.outcomes for record in router.why(ids[1]).feedback] == [{"quality": 0.5}]


@pytest.mark.parametrize("missing", ["ignore", "default"])
def test_fast_outcomes_wait_for_the_slow_ones(missing: Literal["ignore", "default"]) -> None:
    default = 0.25 if missing == "default" else None
    router, clock = waiting(missing=missing, default=default, learn="after_window")
    ids = asked(router)
    router.feedback(ids[3], quality=1.0)
    router.feedback(ids[0], quality=0.75)
    nothing = plain({})
    assert router.digest() == nothing
    with pytest.raises(FeedbackConflictError):
        router.feedback(ids[3], quality=0.5)
    router.feedback(ids[3], quality=0.5, amend=True)
    clock.now += HOUR
    router.route(a_vector(9))
    expected = {0: 0.75, 3: 0.5} | ({1: 0.25, 2: 0.25} if default else {})
    assert router.digest() == plain(expected)


@pytest.mark.parametrize("learn", ["on_arrival", "after_window"])
def test_a_restart_keeps_open_windows(tmp_path: Path, learn: Literal["on_arrival", "after_window"]) -> None:
    rules: dict[str, Any] = {"missing": "default", "default": 0.25, "learn": learn}
    router, clock = waiting(url(tmp_path / "w.db"), **rules)
    ids = asked(router)
    router.feedback(ids[3], quality=1.0)
    router.close()
    clock.now += 2 * HOUR
    router, _ = waiting(url(tmp_path / "w.db"), clock, first=100, **rules)
    router.route(a_vector(9))
    assert router.digest() == plain({0: 0.25, 1: 0.25, 2: 0.25, 3: 1.0})
    router.close()
    again, _ = waiting(url(tmp_path / "w.db"), clock, first=200, **rules)
    assert again.digest() == plain({0: 0.25, 1: 0.25, 2: 0.25, 3: 1.0})
    again.close()


class Diary:
    """A controller that writes down what it is shown."""

    name = "diary"

    def __init__(self) -> None:
        self.shown: list[tuple[object, dict[str, float]]] = []

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        return choice(situation)

    def effects(self, situation: Situation) -> dict[str, Any]:
        return {}

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        pass

    def learned(self, record: FeedbackRecord) -> None:
        self.shown.append((record.previous, dict(record.outcomes)))

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("rules", "shown"),
    [
        ({"learn": "after_window"}, [(None, {"quality": 0.75}), (None, {"quality": 0.5})]),
        ({}, [(None, {"quality": 0.75}), (None, {"quality": 0.5})]),
        ({"missing": "censor"}, [(None, {"quality": 0.75})]),
    ],
)
def test_a_controller_is_shown_what_is_learned_and_not_what_is_only_kept(
    tmp_path: Path, rules: dict[str, Any], shown: list[object]
) -> None:
    diary = Diary()
    router, clock = waiting(url(tmp_path / "w.db"), controllers=[diary], **rules)
    ids = asked(router)
    router.feedback(ids[0], quality=0.75)
    clock.now += HOUR
    router.feedback(ids[1], quality=0.5)
    router.close()
    assert diary.shown == shown
    replayed = Diary()
    router, _ = waiting(url(tmp_path / "w.db"), clock, first=100, controllers=[replayed], **rules)
    router.close()
    assert replayed.shown == shown


def test_a_request_closes_windows_without_asking_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a decision that is not at hand any more only the store knows: its window is closed between requests."""
    router, clock = waiting(url(tmp_path / "w.db"), missing="default", default=0.25)
    ids = asked(router, requests=2)
    router.flush()
    log_of(router).recent.drop([log_of(router).keys.key(ids[0])])
    clock.now += HOUR
    with monkeypatch.context() as patch:
        for method in ("decision", "flush", "end", "changed", "events"):
            patch.setattr(log_of(router).store, method, _asked_in_vain)
        router.route(a_vector(9))
    assert router.digest() == plain({1: 0.25})
    upkeep_of(router).beat()
    assert router.digest() == plain({0: 0.25, 1: 0.25})
    router.close()


def _asked_in_vain(*_: object, **__: object) -> None:
    raise AssertionError("a request asked the database")


def test_objectives_of_a_group_wait_together() -> None:
    objectives = [
        Objective("cost_usd", goal="min", window=OutcomeWindow(60)),
        Objective("latency_s", goal="min", window=OutcomeWindow(61)),
    ]
    with pytest.raises(InvalidArgumentError, match="group 'response' must have windows of the same rules"):
        a_router(objectives=objectives, preferences={"cost_usd": 1})


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"seconds": 0}, "seconds of a window = 0 must be a number in"),
        ({"seconds": float("nan")}, "seconds of a window = nan"),
        ({"seconds": 1, "missing": "guess"}, "missing = 'guess' must be 'ignore', 'default' or 'censor'"),
        ({"seconds": 1, "missing": "default"}, "needs a default"),
        ({"seconds": 1, "default": 0.5}, "needs a default"),
        ({"seconds": 1, "learn": "never"}, "learn = 'never'"),
    ],
)
def test_a_window_without_sense_is_refused(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        OutcomeWindow(**rules)


def test_a_default_outside_the_bounds_is_refused() -> None:
    with pytest.raises(BanditRouteError, match=r"'quality' = 2.0 is outside \[0, 1\]"):
        Objective("quality", window=OutcomeWindow(1, missing="default", default=2.0))
