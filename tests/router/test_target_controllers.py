"""Targets, floors and modes in a router: late and amended feedback, arms that come and go, and a restart."""

import json
import sqlite3
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from banditroute import Router
from banditroute.controllers import (
    Apprentice,
    Average,
    Controller,
    Holdout,
    Latency,
    PerCohort,
    QualityFloor,
    Shadow,
    Shares,
)
from banditroute.learning.posterior import model
from banditroute.testing import engine_of
from banditroute.testing.world import a_router, url
from tests.router.world import World, with_history

STEPS = 170
BEHIND = 40


@pytest.fixture(autouse=True)
def _hastened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "REFRESH_EVERY", 96)
    monkeypatch.setattr(model, "EPOCH_REQUESTS", 16)


def constraints() -> list[Controller]:
    """What constrains, one around the other."""
    return [
        Holdout(0.2, incumbent="small", measures={"quality": (0.0, 1.0), "latency_s": (0.0, 30.0)}),
        Shares(min={"plain": 0.2, "newest": 0.1}, max={"small": 0.3}, slack=2.0),
        PerCohort(lambda: Average("quality", at_least=0.6)),
        Latency(p=0.8, seconds=12.0, slack=2.0),
        QualityFloor("large", at_least=0.5),
    ]


def modes() -> list[Controller]:
    """Two who know the incumbent."""
    return [Apprentice("plain", agreement=0.05, share=0.4), Shadow("new", name="inner shadow")]


LISTS = {"constraints": constraints, "modes": modes}


def facts(router: Router) -> tuple[str, str]:
    """Return the predictions, and the states of the controllers."""
    states = {each.name: each.state() for each in engine_of(router).state.controllers}
    return router.digest(), json.dumps(states, sort_keys=True)


@cache
def whole_life(which: str) -> tuple[World, tuple[str, str]]:
    """A life without a stop."""
    router = a_router(controllers=LISTS[which]())
    world = with_history(router, STEPS + BEHIND)
    assert router.health().faults == 0, router.health()
    return world, facts(router)


@pytest.mark.parametrize("spoil", [None, "DELETE FROM br_snapshot"])
@pytest.mark.parametrize("which", LISTS)
def test_stopped_in_the_middle_they_go_on_with_the_same_bits(
    which: str, spoil: str | None, tmp_path: Path
) -> None:
    whole, end = whole_life(which)
    path = tmp_path / "life.db"
    router = a_router(url(path), controllers=LISTS[which]())
    world = with_history(router, STEPS)
    router.close()
    if spoil is not None:
        with sqlite3.connect(path) as database:
            database.execute(spoil)
        database.close()
    router = world.reopen(url(path), controllers=LISTS[which]())
    assert router.health().faults == 0
    for number in range(STEPS, STEPS + BEHIND):
        world.step(router, number)
    assert world.ids == whole.ids
    assert world.chosen == whole.chosen
    assert facts(router) == end
    router.close()


class Careless(Latency):
    """Does not keep what is awaited."""

    def restore(self, state: object) -> None:
        assert isinstance(state, dict)
        super().restore({**state, "recent": []})


def test_control_what_is_not_kept_is_found_out(tmp_path: Path) -> None:
    def careless() -> Sequence[Controller]:
        return [Careless(p=0.8, seconds=12.0) if c.name == "latency" else c for c in constraints()]

    router = a_router(url(tmp_path / "life.db"), controllers=careless())
    world = with_history(router, STEPS)
    router.close()
    router = world.reopen(url(tmp_path / "life.db"), controllers=careless())
    for number in range(STEPS, STEPS + BEHIND):
        world.step(router, number)
    assert facts(router) != whole_life("constraints")[1]
    router.close()


def test_everything_is_seen_in_why() -> None:
    router = a_router(controllers=constraints())
    world = with_history(router, 80)
    effects = router.why(world.ids[-1]).to_dict()["effects"]
    assert set(effects) == {"holdout", "shares", "quality average", "latency", "quality floor"}
    assert "latency: " in str(router.why(world.ids[-1]))
    router.close()


def test_promotion_resets_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """From shadow to apprentice to holdout on one store, against a router that never changed its mode."""
    path, seen = tmp_path / "modes.db", []
    world = World()
    for number, controllers in enumerate(
        [[Shadow("large")], [Apprentice("large")], [Holdout(0.1, incumbent="large")], []]
    ):
        router = world.reopen(url(path), controllers=controllers)
        seen.append((router.digest(), router.health().n_feedback))
        for step in range(50 * number, 50 * (number + 1)):
            world.step(router, step)
        kept = router.digest(), router.health().n_feedback
        router.close()
        router = world.reopen(url(path))
        assert (router.digest(), router.health().n_feedback) == kept
        router.close()
    learned = [count for _, count in seen]
    assert learned == sorted(set(learned))
    assert modes_of(world, path) == ["shadow", "apprentice", "live", "live"]


def modes_of(world: World, path: Path) -> list[str]:
    """Mode of a decision of each part of the life."""
    router = world.reopen(url(path))
    found = [router.why(world.ids[50 * number + 40]).to_dict()["mode"] for number in range(4)]
    router.close()
    return found
