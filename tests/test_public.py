"""The exports of the package, and the modules that importing it loads."""

import subprocess
import sys
from importlib import import_module

import pytest

import banditroute

HEAVY = ("sqlalchemy", "alembic", "river", "pandas", "matplotlib", "typer", "scipy.linalg", "pyarrow", "pydantic")


def test_exported_names() -> None:
    assert banditroute.__all__ == [
        "Arm",
        "BanditRouteError",
        "Decision",
        "EpsilonGreedy",
        "Expectation",
        "Explanation",
        "Exploration",
        "FeedbackClient",
        "Fixed",
        "LinTS",
        "LinUCB",
        "Objective",
        "OutcomeWindow",
        "Policy",
        "Price",
        "Receipt",
        "Router",
        "Uniform",
    ]
    assert all(hasattr(banditroute, name) for name in banditroute.__all__)


ROOMS = {
    "controllers": """
        ADWIN Adapter AdapterLoad Apprentice Average Budget CachePlan CallbackResidency Choice CircuitBreaker
        Controller Detection Detector DiscountRequest DoublingEpochs Drift EpochCache FixedEpochs
        Holdout Incumbent LFUCache
        LRUCache Latency Level Lift Onboarding OutcomeObserver OutcomePrediction PageHinkley PerCohort Predict
        PricedCache PromptCache QualityFloor Reporter Residency Session Shadow Shares StaticCache SwitchCost
        VLLMResidency Within checked_controllers controlled
        """,
    "learning": """
        BASE_EPOCH EPOCH_REQUESTS ArmStart ExactSums Example Model OutcomeModel RidgePosterior SumsTable decode
        encode folder
        """,
    "policies": "EpsilonGreedy Exploration Fixed LinTS LinUCB Policy Uniform",
    "router": "FeedbackClient Router",
}
"""Room → the names that users rely on; more may come, and none goes without a release note."""


@pytest.mark.parametrize("room", ROOMS)
def test_exported_names_of_the_rooms(room: str) -> None:
    exported = import_module(f"banditroute.{room}").__all__
    assert set(ROOMS[room].split()) - set(exported) == set()


def test_a_router_shows_what_it_is() -> None:
    router = banditroute.Router("support", arms=[banditroute.Arm("a"), banditroute.Arm("b")], tenant="acme")
    router.feedback(router.route([0.5]).id, quality=1.0)
    assert repr(router) == (
        f"<Router 'support' of tenant 'acme': 2 arms, quality; {router.policy!r}; 1 decisions, 1 feedbacks>"
    )


def test_a_decision_carries_its_record() -> None:
    decision = banditroute.Router("support", arms=[banditroute.Arm("a")]).route([0.5])
    assert (decision.record.number, decision.record.arm, decision.record.cause) == (1, "a", "only")
    with pytest.raises(AttributeError):
        decision.record = decision.record  # type: ignore[misc]


def loaded_by(statement: str) -> set[str]:
    """Return the heavy modules that a new interpreter has loaded after ``statement``."""
    program = f"{statement}; import sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_is_light() -> None:
    assert loaded_by("import banditroute") == set()


def test_control_a_heavy_import_is_seen() -> None:
    assert loaded_by("import banditroute, sqlalchemy") == {"sqlalchemy"}
