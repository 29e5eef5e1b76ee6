"""A holdout by request, and by session."""

import numpy as np
import pytest

from banditroute.controllers import Holdout
from tests.controllers.lives import a_situation
from tests.controllers.rollout.sides import lifted, mostly_a


def test_a_holdout_is_a_mixture() -> None:
    holdout = Holdout(0.2, incumbent="c")
    given = a_situation("abc")
    assert holdout.control(given, mostly_a) == pytest.approx([0.6, 0.2, 0.2])
    assert holdout.effects(given) == {
        "incumbent_share": 0.2,
        "policy": {"a": 0.75, "b": 0.25},
        "incumbent": {"c": 1.0},
    }


def test_sessions_stay_on_their_side() -> None:
    holdout = Holdout(0.25, incumbent="c", by="session")
    life = lifted(holdout)
    sides: dict[str | None, set[str]] = {}
    for record in life.decisions:
        facts = record.effects["holdout"]
        sides.setdefault(record.session, set()).add(facts["side"])
        assert facts["incumbent_share"] == float(facts["side"] == "incumbent")
        expected = [0.0, 0.0, 1.0] if facts["side"] == "incumbent" else [0.75, 0.25, 0.0]
        assert record.probabilities.tolist() == expected
    assert all(len(side) == 1 for side in sides.values())
    held = np.mean([side == {"incumbent"} for side in sides.values()])
    assert 0.2 < held < 0.3
    assert holdout.is_held("talk 0") == (sides["talk 0"] == {"incumbent"})


def test_without_a_session_a_key_says_the_side_and_without_both_it_is_a_mixture() -> None:
    holdout = Holdout(0.25, incumbent="c", by="session")
    given = a_situation("abc")
    assert holdout.control(given, mostly_a)[2] == 0.25
    assert "side" not in holdout.effects(given)
