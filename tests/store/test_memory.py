"""What the memory store holds is one router's, as long as it is open."""

from dataclasses import replace

import pytest

from banditroute.core.log import PreferencesRecord, SpaceRecord
from banditroute.errors import RouterMismatchError, StoreUnavailableError
from banditroute.store import MemoryStore
from banditroute.testing import PREFERENCES, SPEC, a_decision, append, open_router


@pytest.mark.parametrize("change", [{"name": "other"}, {"tenant": "somebody else"}])
def test_it_holds_one_router(change: dict[str, str]) -> None:
    store = MemoryStore()
    assert open_router(store).created
    assert not open_router(store).created
    with pytest.raises(RouterMismatchError, match="this memory store holds router 'support', not"):
        open_router(store, replace(SPEC, **change))  # type: ignore[arg-type]


def test_it_is_opened_first_and_closed_last() -> None:
    for store, opens in ((MemoryStore(), False), (MemoryStore(), True)):
        if opens:
            open_router(store)
            store.close()
        assert isinstance(store.append([a_decision(1)]).exception(), StoreUnavailableError)


def test_what_is_said_again_changes_nothing() -> None:
    store = MemoryStore()
    seen = open_router(store).revision
    append(store, replace(PREFERENCES, recorded_us=5))
    changed = store.changed(seen)
    assert changed is not None
    assert changed.preferences == PreferencesRecord(2, PREFERENCES.preferences, 5)
    append(store, replace(PREFERENCES, recorded_us=5), SpaceRecord(3, 9))
    assert store.changed(changed.revision) is None
