"""The stored secrets of a router."""

from pathlib import Path

import pytest

from banditroute import Arm, Router
from banditroute.errors import InvalidArgumentError, InvalidDecisionIdError
from banditroute.store.maintenance.secrets import drop_secrets, rotate_secret, secrets_of
from banditroute.testing.world import url


def test_new_ids_have_the_new_secret_and_old_ids_stay_valid_until_it_is_dropped(tmp_path: Path) -> None:
    store = url(tmp_path / "r.db")
    with Router("svc", arms=[Arm("a")], store=store) as router:
        old = router.route([0.5]).id
    before = secrets_of(store, "svc")
    rotate_secret(store, "svc")
    after = secrets_of(store, "svc")
    assert after.issuing != before.issuing
    assert after.accepted == (before.issuing,)
    with Router("svc", arms=[Arm("a")], store=store) as router:
        assert router.feedback(old, quality=0.5).wait(30).status == "recorded"
    drop_secrets(store, "svc")
    assert secrets_of(store, "svc").accepted == ()
    with Router("svc", arms=[Arm("a")], store=store) as router, pytest.raises(InvalidDecisionIdError):
        router.feedback(old, quality=0.5)
    with pytest.raises(InvalidArgumentError, match="no router 'other'"):
        rotate_secret(store, "other")
