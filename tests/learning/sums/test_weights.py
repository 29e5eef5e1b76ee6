"""Weights of powers of two over exact sums: what fades, what is inherited, and that nothing is lost by it."""

import json

import numpy as np
import pytest

from banditroute.core.arrays import FEATURE_BITS, OUTCOME_BITS, feature_row
from banditroute.core.log import StateKey
from banditroute.core.objectives import Objective, Objectives
from banditroute.errors import InvalidArgumentError
from banditroute.learning import BASE_EPOCH, ArmStart, ExactSums, Example, OutcomeModel, SumsTable
from banditroute.learning.sums.weights import MAX_HALVINGS, EvidenceWeights
from banditroute.learning.sums.wide import WideIntegers

GROUP = "quality"
OBJECTIVES = Objectives([Objective("quality")])


def a_row(number: int, dimension: int = 3) -> tuple[np.ndarray, tuple[int, ...]]:
    rng = np.random.default_rng(number)
    row = rng.integers(-(2**FEATURE_BITS), 2**FEATURE_BITS, dimension).astype(np.int32)
    return row, (int(rng.integers(0, 2**OUTCOME_BITS)),)


def with_history(arms: str = "ab", epochs: int = 6, rows: int = 9) -> SumsTable:
    table = SumsTable(3, {GROUP: 1})
    for number in range(len(arms) * epochs * rows):
        key = StateKey(arms[number % len(arms)], GROUP, number // (len(arms) * rows))
        table.add(key, *a_row(number))
    return table


def test_halving_is_a_rounded_shift() -> None:
    sums = ExactSums(1, 1)
    sums.n, sums.gram = 9, np.array([13])
    sums.cross, sums.squares = WideIntegers.of(np.array([[-13]])), WideIntegers.of(np.array([20]))
    quarter = sums.halved(2)
    assert (quarter.n, quarter.gram[0]) == (3, 3)
    assert (quarter.cross.tolist(), quarter.squares.tolist()) == ([[-3]], [5])
    assert sums.halved(0) == sums
    assert not sums.halved(MAX_HALVINGS).gram.any()


def test_each_epoch_has_the_weight_of_all_steps_behind_it() -> None:
    table, weights = with_history(), EvidenceWeights()
    weights.discount("a", GROUP, last=1, times=3)
    weights.discount("a", GROUP, last=3, times=1)
    epochs = table.by_epoch("a", GROUP)
    expected = ExactSums(3, 1)
    for epoch, halvings in ((0, 4), (1, 4), (2, 1), (3, 1), (4, 0), (5, 0)):
        expected.merge(epochs[epoch].halved(halvings))
    assert weights.total(table, "a", GROUP) == expected
    assert weights.total(table, "b", GROUP) == table.totals("b", GROUP)
    assert weights.pooled(table, GROUP) == expected.plus(table.totals("b", GROUP))


def test_epochs_merge_with_their_like_and_lose_nothing() -> None:
    table, weights = with_history(), EvidenceWeights()
    weights.discount("a", GROUP, last=2, times=2)
    before = weights.total(table, "a", GROUP)
    table.merge_epochs(before=6, into=weights.first_epoch_with_same_weight)
    assert list(table.by_epoch("a", GROUP)) == [BASE_EPOCH, 3]
    assert list(table.by_epoch("b", GROUP)) == [BASE_EPOCH]
    after = weights.total(table, "a", GROUP)
    assert abs(after.gram - before.gram).max() <= 3  # a rounding for each sum that was merged
    assert after.n == pytest.approx(before.n, abs=3)


def test_control_merging_all_into_one_loses_the_new_ones() -> None:
    table, weights = with_history(), EvidenceWeights()
    weights.discount("a", GROUP, last=2, times=2)
    before = weights.total(table, "a", GROUP)
    table.merge_epochs(before=6)
    assert weights.total(table, "a", GROUP).n < 0.5 * before.n


def test_taking_out_a_faded_row_leaves_what_the_others_would_have_left() -> None:
    table, other, weights = with_history(), with_history(), EvidenceWeights()
    weights.discount("a", GROUP, last=2, times=3)
    extra = a_row(999)
    table.add(StateKey("a", GROUP, 1), *extra)
    assert weights.total(table, "a", GROUP) != weights.total(other, "a", GROUP)
    table.subtract(StateKey("a", GROUP, 1), *extra)
    assert weights.total(table, "a", GROUP) == weights.total(other, "a", GROUP)


def test_a_successor_reads_the_rows_of_its_predecessor_at_its_weight() -> None:
    table, weights = with_history(), EvidenceWeights()
    weights.inherit("b", "a", GROUP, halvings=2)
    inherited = table.totals("a", GROUP).halved(2)
    assert weights.total(table, "b", GROUP) == table.totals("b", GROUP).plus(inherited)
    assert weights.pooled(table, GROUP) == table.pooled(GROUP)
    weights.discount("b", GROUP, last=5, times=1)
    own = ExactSums(3, 1)
    for sums in table.by_epoch("b", GROUP).values():
        own.merge(sums.halved(1))
    assert weights.total(table, "b", GROUP) == own.plus(table.totals("a", GROUP).halved(3))


def test_rows_are_not_handed_round() -> None:
    weights = EvidenceWeights()
    weights.inherit("b", "a", GROUP, halvings=2)
    weights.inherit("c", "b", GROUP, halvings=2)
    for successor in "abc":
        with pytest.raises(InvalidArgumentError, match="cannot inherit"):
            weights.inherit("a", successor, GROUP, halvings=1)


def test_steps_that_weigh_nothing_are_dropped() -> None:
    weights = EvidenceWeights()
    for last in range(30):
        weights.discount("a", GROUP, last=last, times=15)
    state = weights.state()
    assert [step[2] for step in state["steps"]] == [27, 28, 29]
    assert weights.halvings(StateKey("a", GROUP, 3)) == MAX_HALVINGS
    again = EvidenceWeights()
    again.restore(json.loads(json.dumps(state)))
    assert again.state() == state


@pytest.mark.parametrize("times", [0, -1, 41])
def test_halvings_are_bounded(times: int) -> None:
    with pytest.raises(InvalidArgumentError, match="halvings"):
        EvidenceWeights().discount("a", GROUP, last=1, times=times)


def a_model(rows: int = 160) -> OutcomeModel:
    model = OutcomeModel(OBJECTIVES, 2, intercept=True, ridge=3.0)
    for name in "ab":
        model.add_arms({name: ArmStart()})
    for number in range(rows):
        row, values = a_row(number)
        row[-1] = 1 << FEATURE_BITS
        model.learn(Example(StateKey("ab"[number % 2], GROUP, number // 40), row, values))
    return model


def test_a_shrunk_arm_is_that_of_its_weighted_sums() -> None:
    model = a_model()
    x = np.array([0.25, -0.5, 1.0])
    row = feature_row(x, intercept=False)
    width = model.predict(row).width[0, 0] / model.noise()[0]
    model.discount("a", GROUP, last=3, halvings=3)
    wider = model.predict(row).width[0, 0] / model.noise()[0]
    V = model.weights.total(model.table, "a", GROUP).gram_matrix() + 3.0 * np.eye(3)
    assert wider == pytest.approx(np.sqrt(x @ np.linalg.solve(V, x)), rel=1e-9)
    assert wider > 1.5 * width
    assert model.table.totals("a", GROUP).n == 80


def test_late_rows_of_a_faded_epoch_count_as_little() -> None:
    model = a_model()
    model.discount("a", GROUP, last=3, halvings=3)
    x = np.array([0.25, -0.5, 1.0])
    row = feature_row(x, intercept=False)
    for number in range(200, 232):
        late, values = a_row(number)
        late[-1] = 1 << FEATURE_BITS
        model.learn(Example(StateKey("a", GROUP, 2 if number % 2 else 4), late, values))
    V = model.weights.total(model.table, "a", GROUP).gram_matrix() + 3.0 * np.eye(3)
    leverage = (model.predict(row).width[0, 0] / model.noise()[0]) ** 2
    assert leverage == pytest.approx(x @ np.linalg.solve(V, x), rel=1e-9)


@pytest.mark.parametrize(("rows", "inherited"), [(1, 1), (20, 20), (79, 40), (80, 80), (500, 80)])
def test_a_successor_starts_with_the_inherited_rows(rows: int, inherited: int) -> None:
    model = a_model()
    model.add_arms({"c": ArmStart()})
    model.inherit("c", "a", rows)
    assert model.counts(GROUP).tolist() == [80, 80, inherited]


def test_a_successor_is_expected_to_do_as_its_predecessor_did() -> None:
    model = OutcomeModel(OBJECTIVES, 1, intercept=True, ridge=1.0)
    for name in "abc":
        model.add_arms({name: ArmStart()})
    one = np.array([0, 1 << FEATURE_BITS], dtype=np.int32)
    for number in range(64):
        model.learn(Example(StateKey("ab"[number % 2], GROUP, 0), one, ((2**OUTCOME_BITS) * (number % 2),)))
    model.inherit("c", "b", 16)
    mean = model.predict(one).mean[:, 0]
    assert mean[0] < 0.1 < 0.9 < mean[2] < mean[1]
