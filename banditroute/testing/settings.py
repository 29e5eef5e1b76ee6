"""The laws of stores on settings: arms, prices, preferences and the number of features."""

from dataclasses import replace
from pathlib import Path

from banditroute.core.arms import Arm, Price
from banditroute.core.log import Position, PreferencesRecord, SnapshotRecord, SpaceRecord
from banditroute.errors import StoreError
from banditroute.store.base import Store
from banditroute.testing.records import ARMS, a_decision, append
from banditroute.testing.sharing import OpenStore


class SettingsLaws(OpenStore):
    """Laws on what a store keeps beside its log; see :class:`~banditroute.testing.StoreLaws`."""

    def test_the_price_set_last_applies_even_if_its_clock_is_behind(self, store: Store) -> None:
        """A price set by a clock that was ahead does not return later; a scheduled price does apply."""
        for price, since_us, recorded_us in ((2.0, 90_000, 90_000), (3.0, 99_000, 5_000), (4.0, 10_000, 10_000)):
            arm = Arm("small", price=Price(input=price, output=price))
            append(store, replace(ARMS[0], arm=arm, price_effective_us=since_us, recorded_us=recorded_us))
        stored = store.changed(-1)
        assert stored is not None
        assert [(each.since_us, each.price.input) for each in stored.prices["small"]][1:] == [
            (10_000, 4.0),
            (99_000, 3.0),
        ]

    def test_what_changed_is_told_once(self, store: Store) -> None:
        """Arms, prices, preferences and dimension, but no decisions, no feedback, no snapshots."""
        first = store.changed(-1)
        assert first is not None
        assert store.changed(first.revision) is None
        append(store, a_decision(1), SnapshotRecord(Position(0, 1), b"", 0), SpaceRecord(3, 1))
        assert store.changed(first.revision) is None
        cheaper = replace(ARMS[0], arm=Arm("small", price=Price(input=0.1, output=0.4)), price_effective_us=2_000)
        append(store, cheaper)
        second = store.changed(first.revision)
        assert second is not None
        assert (second.arms, second.snapshot, second.created) == ((cheaper, ARMS[1]), None, False)
        prices = {each.since_us: each.price for each in second.prices["small"]}
        assert prices == {1_000: ARMS[0].arm.price, 2_000: cheaper.arm.price}
        append(store, PreferencesRecord(7, {"quality": 2.0}, 5_000))
        third = store.changed(second.revision)
        assert third is not None
        assert third.preferences == PreferencesRecord(2, {"quality": 2.0}, 5_000)
        assert third.end == Position(0, 1)

    def test_what_is_retired_stays_retired(self, store: Store, tmp_path: Path) -> None:
        """Whatever a worker that missed it appends for the arm later."""
        retired = replace(ARMS[0], status="retired", successor="large")
        append(store, retired)
        append(store, replace(ARMS[0], recorded_us=5_000))
        store, stored = self.again(store, tmp_path)
        assert stored.arms == (replace(retired, recorded_us=5_000), ARMS[1])
        store.close()

    def test_another_dimension_is_refused(self, store: Store) -> None:
        """The first vector wins."""
        refusal = store.append([SpaceRecord(4, 1)]).exception(timeout=30)
        assert isinstance(refusal, StoreError)
        append(store, SpaceRecord(3, 2))
