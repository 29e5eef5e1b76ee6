from banditroute.learning import ExactSums
from banditroute.learning.group import GroupBelief
from tests.learning.rows import grid_rows

DIMENSION, OUTCOMES, RIDGE = 5, 2, 3.0


def believed(arms: int) -> GroupBelief:
    group = GroupBelief("group", range(OUTCOMES), DIMENSION, intercept=True, ridge=RIDGE)
    for _ in range(arms):
        group.add_arm({})
    return group


def observe(group: GroupBelief, seed: int, count: int) -> list[int]:
    """Show rows to the first two arms in turn; how many rows the common model knew after each."""
    known = []
    rows, values = grid_rows(seed, count, DIMENSION, OUTCOMES)
    for number, (row, value) in enumerate(zip(rows, values.tolist(), strict=True)):
        group.observe(number % 2, row, tuple(value))
        known.append(group._pool.n)
    return known


def test_the_common_model_learns_at_powers_of_2_then_every_64_rows() -> None:
    known = observe(believed(2), 0, 200)
    assert sorted(set(known)) == [1, 2, 4, 8, 16, 32, 64, 128, 192]
    assert [known[n - 1] for n in (1, 2, 64, 128, 192)] == [1, 2, 64, 128, 192]


def test_arms_that_are_added_put_it_off() -> None:
    group = believed(2)
    observe(group, 0, 130)
    for _ in range(63):
        group.add_arm({})
    # 65 arms: every 128 rows. What was due at 192 is due at 256.
    assert observe(group, 1, 126)[-2:] == [128, 256]


def test_an_amended_arm_leaves_the_costs_of_the_others_alone() -> None:
    amended, untouched = believed(2), believed(2)
    for group in (amended, untouched):
        observe(group, 2, 13)
    rows, values = grid_rows(2, 13, DIMENSION, OUTCOMES)
    first, pooled = ExactSums(DIMENSION, OUTCOMES), ExactSums(DIMENSION, OUTCOMES)
    first.add(rows[::2], values[::2])
    pooled.add(rows, values)
    amended.rebuild(0, first, pooled)
    untouched._settle_costs()
    # Five of the rows were still waiting when the arm was made anew.
    assert amended._costs[1].tobytes() == untouched._costs[1].tobytes()
    assert (amended._costs > 0).all()
    assert not amended._pending
