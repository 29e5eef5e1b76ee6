"""The laws of models."""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import pytest

from banditroute.core.arrays import FEATURE_BITS, OUTCOME_BITS, RowArray
from banditroute.core.log import StateKey
from banditroute.core.objectives import Objective, Objectives
from banditroute.errors import SnapshotCorruptError, UnknownArmError
from banditroute.learning import ArmStart, Example, Model

FEATURES = 3
ARMS = ("a", "b", "c")
OBJECTIVES = Objectives(
    [Objective("quality"), Objective("cost_usd", goal="min"), Objective("latency_s", goal="min")]
)
_REFRESH_WITHIN = 20_000
_ROUNDING = 1e-9


def examples(seed: int, count: int, *, arms: Sequence[str] = ARMS[:2], first: int = 0) -> list[Example]:
    """Examples of all groups like those of a router's log; decision ``first`` is the first."""
    rng = np.random.default_rng(seed)
    made: list[Example] = []
    for number in range(first, first + count):
        row = random_row(rng)
        arm, key = arms[int(rng.integers(len(arms)))], number.to_bytes(16, "big")
        for group, positions in OBJECTIVES.groups.items():
            values = tuple(rng.integers(0, 2**OUTCOME_BITS + 1, len(positions)).tolist())
            made.append(Example(StateKey(arm, group, 0), row, values, None, key))
    return made


def random_row(rng: np.random.Generator) -> RowArray:
    """A row on the grid within ±1, with its intercept; shape (d,)."""
    row = rng.integers(-(2**FEATURE_BITS), 2**FEATURE_BITS + 1, FEATURES + 1).astype(np.int32)
    row[-1] = 1 << FEATURE_BITS
    return row


class ModelLaws:
    """What every :class:`~banditroute.learning.Model` keeps; an additive one keeps all, another some."""

    def model(self, objectives: Objectives, features: int, *, intercept: bool) -> Model:
        """Return a new model for so many features, to which an intercept is appended if ``intercept``."""
        raise NotImplementedError

    def new(self) -> Model:
        """A new model that has arms."""
        model = self.model(OBJECTIVES, FEATURES, intercept=True)
        for index, name in enumerate(ARMS):
            model.add_arms({name: ArmStart({0: 0.25} if index == 2 else {})})
        return model

    def taught(self, learned: Sequence[Example]) -> Model:
        """A new model that learned these examples."""
        model = self.new()
        for example in learned:
            model.learn(example)
        return model

    def bits(self, model: Model) -> tuple[object, ...]:
        """All outputs of a model, bit for bit."""
        rows = probes()
        found: list[object] = [model.digest(), model.noise().tobytes()]
        for prediction in map(model.predict, rows):
            found += [prediction.mean.tobytes(), prediction.width.tobytes()]
        found += [part.tobytes() for part in model.predict_many(np.stack(rows))]
        for group in OBJECTIVES.groups:
            found.append(model.counts(group).tobytes())
            found += [part.tobytes() for arm in ARMS for part in model.predictive(arm, group, rows[0])]
        return tuple(found)

    # ----------------------------------------------------------------------------------------------- prediction

    @pytest.mark.parametrize("count", [0, 1, 7, 150])
    def test_predictions_are_finite_and_of_the_declared_shape(self, count: int) -> None:
        """Before anything was learned, too."""
        model = self.taught(examples(1, count))
        for row in probes():
            found = model.predict(row)
            assert found.mean.shape == found.width.shape == (len(ARMS), len(OBJECTIVES))
            assert np.isfinite(found.mean).all()
            assert np.isfinite(found.width).all()
            assert (found.width >= 0).all()
        assert (model.noise() >= 0).all()

    def test_many_rows_are_predicted_as_each_alone(self) -> None:
        """To rounding: a matrix product adds in another order."""
        model, rows = self.taught(examples(2, 90)), probes()
        mean, width = model.predict_many(np.stack(rows))
        for index, row in enumerate(rows):
            found = model.predict(row)
            np.testing.assert_allclose(mean[index], found.mean, rtol=_ROUNDING, atol=_ROUNDING)
            np.testing.assert_allclose(width[index], found.width, rtol=_ROUNDING, atol=_ROUNDING)

    def test_reading_changes_nothing(self) -> None:
        """Neither what is known, nor what is learned afterwards."""
        read, unread = self.new(), self.new()
        for example in examples(3, 60):
            self.bits(read)
            read.state()
            for model in (read, unread):
                model.learn(example)
        assert self.bits(read) == self.bits(read) == self.bits(unread)

    @pytest.mark.parametrize("count", [0, 1, 60])
    def test_a_deep_copy_predicts_the_same_and_learns_apart(self, count: int) -> None:
        """A preview of a choice uses a copy that has all arms."""
        learned, later = examples(3, count), examples(33, 40, first=count)
        model, untouched = self.taught(learned), self.bits(self.taught(learned))
        copy = deepcopy(model)
        assert self.bits(copy) == untouched
        for example in later:
            copy.learn(example)
        copy.add_arms({"d": ArmStart({})})
        assert np.isfinite(copy.predict(probes()[0]).width).all()
        assert self.bits(model) == untouched
        whole, copy = self.taught([*learned, *later]), deepcopy(model)
        for example in later:
            copy.learn(example)
        assert self.bits(copy) == self.bits(whole)

    def test_the_same_calls_give_the_same_bits(self) -> None:
        """No clock, no generator of its own."""
        assert self.bits(self.taught(examples(4, 120))) == self.bits(self.taught(examples(4, 120)))

    def test_examples_move_the_mean_towards_them(self) -> None:
        """Of the arm and of the objective that they are of."""
        model, row = self.new(), probes()[0]
        for number in range(64):
            for arm, level in (("a", 0.125), ("b", 0.875)):
                value = int(level * 2**OUTCOME_BITS)
                model.learn(Example(StateKey(arm, "quality", 0), row, (value,), None, number.to_bytes(16, "big")))
        quality = model.predict(row).mean[:, OBJECTIVES.names.index("quality")]
        assert quality[0] == pytest.approx(0.125, abs=0.2)
        assert quality[1] == pytest.approx(0.875, abs=0.2)

    # ------------------------------------------------------------------------------------------ pending, amended

    def test_a_pending_outcome_moves_no_mean_and_widens_nothing(self) -> None:
        """A choice is no evidence of its outcome."""
        model, row = self.taught(examples(5, 40)), probes()[0]
        before = model.predict(row)
        mean, width, digest = before.mean.copy(), before.width.copy(), model.digest()
        for number in range(8):
            model.expect((10_000 + number).to_bytes(16, "big"), "a", row)
        after = model.predict(row)
        assert after.mean.tobytes() == mean.tobytes()
        assert (after.width <= width).all()
        assert model.digest() == digest

    def test_a_decision_that_is_no_longer_pending_leaves_no_trace(self) -> None:
        """Whether its outcomes were expected or not, the same was learned."""
        learned = examples(6, 50)
        expected, unexpected = self.new(), self.taught(learned)
        for example in learned:
            expected.expect(example.decision_key, example.key.arm, example.row)
            expected.learn(example)
        assert self.bits(expected) == self.bits(unexpected)

    def test_an_additive_model_learns_in_any_order(self) -> None:
        """The digest is that of what was learned."""
        learned = examples(7, 100)
        shuffled = [learned[i] for i in np.random.default_rng(7).permutation(len(learned))]
        self._additive()
        assert self.taught(learned).digest() == self.taught(shuffled).digest()

    def test_an_additive_model_amends_exactly(self) -> None:
        """As if the first values had never been reported."""
        self._additive()
        learned = examples(8, 60)
        changed = learned[17]
        other = tuple(2**OUTCOME_BITS - value for value in changed.values or ())
        amended = self.taught(learned)
        amended.learn(Example(changed.key, changed.row, other, changed.values, changed.decision_key))
        learned[17] = Example(changed.key, changed.row, other, None, changed.decision_key)
        straight = self.taught(learned)
        assert amended.digest() == straight.digest()
        assert amended.counts(changed.key.group).tolist() == straight.counts(changed.key.group).tolist()

    def test_an_additive_model_takes_out_exactly(self) -> None:
        """The counts and the digest are those without the example."""
        self._additive()
        learned = examples(9, 60)
        gone = learned.pop(23)
        retracted = self.taught([*learned[:23], gone, *learned[23:]])
        retracted.learn(Example(gone.key, gone.row, None, gone.values, gone.decision_key))
        straight = self.taught(learned)
        assert retracted.digest() == straight.digest()
        assert retracted.counts(gone.key.group).tolist() == straight.counts(gone.key.group).tolist()

    def test_an_unknown_arm_is_refused_and_nothing_is_learned(self) -> None:
        """With the error of the tree."""
        model = self.taught(examples(10, 20))
        before = self.bits(model)
        for stranger in examples(11, 1, arms=["stranger"]):
            with pytest.raises(UnknownArmError):
                model.learn(stranger)
        assert self.bits(model) == before

    # --------------------------------------------------------------------------------------------- state, restore

    def test_a_restored_model_continues_with_the_same_bits(self) -> None:
        """At a refresh, where a snapshot may be taken; and with the next examples."""
        model, last = self._refreshed()
        facts, blob = model.state()
        restored = self.new()
        restored.restore(facts, blob, n_feedback=last)
        assert self.bits(restored) == self.bits(model)
        for example in examples(13, 40, first=last):
            for each in (restored, model):
                each.learn(example)
        assert self.bits(restored) == self.bits(model)

    def test_weights_are_restored_too(self) -> None:
        """What was discounted and inherited stays so."""
        model = self.new()
        last = self._learn_until_refreshed(model, weighted=True)
        facts, blob = model.state()
        restored = self.new()
        restored.restore(facts, blob, n_feedback=last)
        assert self.bits(restored) == self.bits(model)

    def test_a_damaged_state_is_refused(self) -> None:
        """With one error, whichever byte it is."""
        model, last = self._refreshed()
        facts, blob = model.state()
        for index in np.linspace(0, len(blob) - 1, 23).astype(int).tolist():
            damaged = blob[:index] + bytes([blob[index] ^ 0x40]) + blob[index + 1 :]
            with pytest.raises(SnapshotCorruptError):
                self.new().restore(facts, damaged, n_feedback=last)

    def test_a_deferred_refresh_ends_at_the_same_bits(self) -> None:
        """A replay of the log may do without predictions up to its end."""
        direct, last = self._refreshed()
        deferred = self.new()
        deferred.defer_refresh_until(last)
        for example in _endless(12, last):
            deferred.learn(example)
        deferred.defer_refresh_until(0)
        assert self.bits(deferred) == self.bits(direct)

    # ----------------------------------------------------------------------------------------- discount, inherit

    def test_a_discount_narrows_no_width(self) -> None:
        """Less evidence is never more certain."""
        model, row = self.taught(examples(14, 80)), probes()[0]
        before = model.predict(row).width[0] / model.noise()
        model.discount("a", "quality", last=0, halvings=4)
        after = model.predict(row).width[0] / model.noise()
        quality = OBJECTIVES.names.index("quality")
        assert after[quality] > before[quality]

    def test_a_successor_starts_with_no_more_examples_than_asked_for(self) -> None:
        """And with some, if its predecessor has any."""
        model = self.taught(examples(15, 200))
        model.inherit("c", "a", 20)
        for group in OBJECTIVES.groups:
            assert 0 < model.counts(group)[2] <= 20

    def test_epochs_have_a_length(self) -> None:
        """In decisions."""
        assert self.new().epoch_requests >= 1

    def _additive(self) -> None:
        if not self.new().is_additive:
            pytest.skip("this model depends on the order of its examples")

    def _refreshed(self) -> tuple[Model, int]:
        """A model whose state is complete, and after how many feedbacks."""
        model = self.new()
        return model, self._learn_until_refreshed(model)

    def _learn_until_refreshed(self, model: Model, *, weighted: bool = False) -> int:
        for count, example in enumerate(_endless(12, _REFRESH_WITHIN), 1):
            model.learn(example)
            if weighted and count == 50:
                model.discount("a", "quality", last=0, halvings=2)
                model.inherit("c", "b", 10)
            if count > 50 and model.just_refreshed:
                return count
        raise AssertionError(f"no refresh within {_REFRESH_WITHIN} feedbacks")


def probes() -> list[RowArray]:
    """Contexts in which models are compared."""
    rng = np.random.default_rng(99)
    return [random_row(rng) for _ in range(5)]


def _endless(seed: int, count: int) -> Sequence[Example]:
    return examples(seed, -(-count // len(OBJECTIVES.groups)))[:count]
