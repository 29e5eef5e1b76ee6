"""FeedbackClient: a process that reports outcomes and makes no decisions."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from banditroute import Arm, FeedbackClient, Objective, OutcomeWindow, Price, Router
from banditroute.errors import (
    BanditRouteError,
    FeedbackConflictError,
    InvalidArgumentError,
    InvalidDecisionIdError,
    InvalidOutcomeError,
    RouterClosedError,
    UnknownArmError,
)
from banditroute.testing.world import Clock, url

OBJECTIVES = (Objective("quality"), Objective("cost_usd", goal="min", bounds=(0, 0.05)))
CHEAP = Price(input=10.0, output=0.0)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return url(tmp_path / "svc.db")
    fresh: str = request.getfixturevalue("postgres_url")
    return fresh


def svc(store: str, **changes: object) -> Router:
    settings: dict[str, object] = {
        "arms": [Arm("a", price=CHEAP), Arm("b", price=CHEAP)],
        "objectives": OBJECTIVES,
    }
    return Router("svc", store=store, **(settings | changes))  # type: ignore[arg-type]


def test_its_reports_are_those_of_the_router(store: str, tmp_path: Path) -> None:
    """The same reports give the same sums, whoever makes them."""
    alone = svc(url(tmp_path / "other.db"), clock=Clock())
    with svc(store, clock=Clock()) as router, FeedbackClient(store, router="svc", clock=Clock()) as client:
        for number in range(30):
            x, key = [0.1 * number - 1.5, 0.5], f"request {number}"
            mine, other = router.route(x, key=key, allowed=["a"]), alone.route(x, key=key, allowed=["a"])
            router.flush()
            receipt = client.feedback(mine.id, quality=number / 30).wait()
            assert receipt.status == "recorded"
            client.feedback(mine.id, {"prompt_tokens": 100 * number, "output_tokens": 7}).wait()
            alone.feedback(other.id, quality=number / 30)
            alone.feedback(other.id, {"prompt_tokens": 100 * number, "output_tokens": 7})
            if number % 3 == 0:
                client.feedback(mine.id, quality=0.25, amend=True, served_arm="b").wait()
                alone.feedback(other.id, quality=0.25, amend=True, served_arm="b")
        assert client.feedback(mine.id, quality=29 / 30).wait().status == "duplicate"
        router.sync()
        assert router.digest() == alone.digest()
    alone.close()


def test_what_it_refuses(store: str) -> None:
    with svc(store) as router, FeedbackClient(store, router="svc") as client:
        decision = router.route([0.5], allowed=["a"])
        router.flush()
        with pytest.raises(InvalidDecisionIdError):
            client.feedback("x" * 38, quality=0.5)
        with pytest.raises(InvalidOutcomeError):
            client.feedback(decision.id, quality=1.5)
        with pytest.raises(UnknownArmError):
            client.feedback(decision.id, quality=0.5, served_arm="c")
        client.feedback(decision.id, quality=0.5).wait()
        with pytest.raises(FeedbackConflictError):
            client.feedback(decision.id, quality=0.75).wait()
        assert client.health()["state"] == "healthy"
        client.flush()


def test_settings_that_change_later_count(store: str) -> None:
    with svc(store) as router, FeedbackClient(store, router="svc") as client:
        router.set_price("a", Price(input=20.0, output=0.0))
        router.add_arm(Arm("late", price=CHEAP))
        decision = router.route([0.5], allowed=["a"])
        router.flush()
        client.feedback(decision.id, prompt_tokens=1_000, output_tokens=0).wait()
        client.feedback(decision.id, quality=0.5, served_arm="late").wait()
        router.sync()
        response, judged = router.why(decision.id).feedback
        # 0.02 USD at the new price, learned at the first one.
        assert response.values is not None
        assert response.values[0] == round(0.01 / 0.05 * 2**16)
        assert judged.arm == "late"


def test_a_capped_source_waits_for_the_router(store: str) -> None:
    with svc(store, source_caps={"crowd": 0.5}) as router, FeedbackClient(store, router="svc") as client:
        ids = [router.route([0.5], allowed=["a"]).id for _ in range(120)]
        router.flush()
        for decision in ids:
            receipt = client.feedback(decision, quality=0.5, source="crowd").wait()
            assert receipt.status == "pending"
        assert client.feedback(ids[-1], quality=0.75, source="judge").wait().status == "recorded"
        router.route([0.5])
        router.sync()
        records = [each for decision in ids for each in router.why(decision).feedback]
        assert [each.source for each in records].count("crowd") == 119
        assert [each.source for each in records].count("judge") == 1
        # The reports of one transaction are counted after it; those of the next are above the cap.
        later = router.route([0.5])
        router.flush()
        client.feedback(later.id, quality=0.5, source="crowd").wait()
        router.route([0.5])
        router.sync()
        assert router.why(later.id).feedback[0].values is None


def test_a_cap_that_a_router_gets_later_holds_for_an_open_client(store: str) -> None:
    with svc(store) as router, FeedbackClient(store, router="svc") as client:
        ids = [router.route([0.5]).id for _ in range(2)]
        router.flush()
        assert client.feedback(ids[0], quality=0.5, source="crowd").wait().status == "recorded"
        with svc(store, source_caps={"crowd": 0.5}):
            assert client.feedback(ids[1], quality=0.5, source="crowd").wait().status == "pending"


def test_windows_are_those_of_the_router(store: str) -> None:
    clock = Clock()
    window = OutcomeWindow(seconds=60, missing="censor")
    objectives = (Objective("quality", window=window),)
    with (
        svc(store, objectives=objectives, clock=clock) as router,
        FeedbackClient(store, router="svc", clock=clock) as client,
    ):
        early, late = (router.route([0.5]).id for _ in range(2))
        router.flush()
        client.feedback(early, quality=0.5).wait()
        clock.now += 61
        client.feedback(late, quality=0.5).wait()
        router.sync()
        values = [router.why(each).feedback[0].values for each in (early, late)]
        assert values[0] is not None
        assert values[1] is None


def test_it_leaves_the_settings_of_the_router_as_they_are(store: str) -> None:
    window = OutcomeWindow(seconds=60, missing="default", default=0.0)
    objectives = (Objective("quality", window=window), OBJECTIVES[1])
    with svc(store, objectives=objectives, features=["length", "code"], source_caps={"crowd": 0.5}) as router:
        router.preferences = {"quality": 1.0, "cost_usd": 0.5}
        router.flush()
        with FeedbackClient(store, router="svc") as client:
            client.flush()
        router.sync()
        assert router.preferences == {"quality": 1.0, "cost_usd": 0.5}
    with svc(store, objectives=objectives, features=["length", "code"], on_change="refuse") as again:
        assert again.spec.objectives[0].window == window


def test_its_report_may_come_before_the_decision_is_stored(tmp_path: Path) -> None:
    store, secret = url(tmp_path / "svc.db"), bytes(32)
    with svc(store, secret=secret, features=1):
        pass
    elsewhere = svc(url(tmp_path / "other.db"), secret=secret, features=1)
    decision = elsewhere.route([0.5])
    with FeedbackClient(store, router="svc", secret=secret) as client:
        assert client.feedback(decision.id, quality=0.5).wait().status == "pending"
        with pytest.raises(InvalidDecisionIdError):
            FeedbackClient(store, router="svc", secret=bytes([1] * 32)).feedback(decision.id, quality=0.5)
    elsewhere.close()


def test_reports_that_are_queued_at_the_end_are_stored(store: str) -> None:
    with svc(store) as router:
        ids = [router.route([0.5]).id for _ in range(20)]
        router.flush()
        client = FeedbackClient(store, router="svc")
        for decision in ids[:10]:
            client.feedback(decision, quality=0.5)
        client.close()
        client.close()
        with pytest.raises(RouterClosedError, match="the feedback client of router 'svc' is closed"):
            client.feedback(ids[0], quality=0.5)
        program = (
            "import sys; from banditroute import FeedbackClient\n"
            "client = FeedbackClient(sys.argv[1], router='svc')\n"
            "for decision in sys.argv[2:]: client.feedback(decision, quality=0.5)\n"
        )
        subprocess.run([sys.executable, "-c", program, store, *ids[10:]], check=True)
        router.sync()
        assert router.health()["n_feedback"] == 20


def test_a_client_that_is_dropped_is_closed(tmp_path: Path) -> None:
    store = url(tmp_path / "svc.db")
    with svc(store) as router:
        decision = router.route([0.5])
        router.flush()
        client = FeedbackClient(store, router="svc")
        receipt = client.feedback(decision.id, quality=0.5)
        del client
        gc.collect()
        receipt.wait(20)
        router.sync()
        assert router.health()["n_feedback"] == 1


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"store": None}, "store must be a database URL, got None"),
        ({"store": 5}, "store must be a database URL, got 5"),
        ({"router": "other"}, "no router 'other' in this database"),
        ({"router": 5}, "no router 5 in this database"),
        ({"tenant": "acme"}, "no router 'svc' in this database"),
        ({"clock": 5.0}, "clock"),
        ({"secret": b"short"}, "secret"),
        ({"spool": 5}, "spool"),
    ],
)
def test_wrong_arguments_are_named(given: dict[str, object], sentence: str, tmp_path: Path) -> None:
    store = url(tmp_path / "svc.db")
    svc(store).close()
    settings: dict[str, object] = {"store": store, "router": "svc"} | given
    with pytest.raises(BanditRouteError, match=sentence):
        FeedbackClient(**settings)  # type: ignore[arg-type]


def test_a_database_without_routers_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError):
        FeedbackClient(url(tmp_path / "none.db"), router="svc")
    assert not list(tmp_path.iterdir())
