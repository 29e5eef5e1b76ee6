"""What a row of one router may say, and text that every database keeps."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from banditroute.core.log import ReportRecord
from banditroute.core.spec import RouterSpec
from banditroute.errors import RouterMismatchError, StoreError
from banditroute.store.semantics.compatibility import reconcile_spec
from banditroute.store.semantics.limits import LARGEST_VALUE, Limits
from banditroute.store.sql.rows import named
from banditroute.testing import SPEC, a_decision, feedback_of

LIMITS = Limits.of(SPEC)
ONE = a_decision(1)
FEEDBACK = feedback_of(ONE, 7)
REPORT = ReportRecord(ONE.decision_key, {"quality": 0.25}, None, None, False, 9)
BAD_TEXTS = ("\0", "a\ud800", "\udfffb")


def but(record: Any, **changes: Any) -> Any:
    return replace(record, **changes)


def row(*values: int) -> Any:
    return np.array(values, dtype=np.int32)


def test_what_is_within() -> None:
    most = 4 << 15
    for record in (ONE, replace(ONE, row=row(most, -most, 0, 1 << 15)), FEEDBACK, REPORT):
        LIMITS.check(record)
    for value in (0, LARGEST_VALUE):
        LIMITS.check(replace(FEEDBACK, values=(value,), previous=(value,)))
    LIMITS.check(replace(FEEDBACK, values=None, previous=None))
    LIMITS.check(replace(ONE, draw_key="ü\n\ue000", session="\ud7ff"))
    Limits.of(replace(SPEC, dimension=None)).check(replace(ONE, row=row(1)))


def test_a_small_limit_leaves_room_for_the_intercept() -> None:
    small = replace(SPEC, x_max=0.5)
    Limits.of(small).check(replace(ONE, row=row(1, 1, 1, 1 << 15)))
    with pytest.raises(StoreError, match="a feature of 32768 grid units, this router's are at most 16384"):
        Limits.of(replace(small, intercept=False)).check(replace(ONE, row=row(1, 1, 1 << 15)))


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (but(ONE, row=row(1, 2, 3)), "has 3 features with its intercept, this router has 4"),
        (
            replace(ONE, row=row(131_073, 0, 0, 0)),
            "a feature of 131073 grid units, this router's are at most 131072",
        ),
        (but(ONE, row=row(-131_073, 0, 0, 0)), "a feature of 131073 grid units"),
        (but(FEEDBACK, group="x"), "feedback is of group 'x', this router has: quality, response"),
        (but(FEEDBACK, values=(1, 2)), "feedback of group 'quality' has 2 values, its objectives are 1"),
        (but(FEEDBACK, previous=()), "feedback of group 'quality' has 0 values"),
        (but(FEEDBACK, values=(65_537,)), r"a value of 65537 grid units, outside \[0, 65536\]"),
        (but(FEEDBACK, previous=(-1,)), "a value of -1 grid units"),
        *(
            (but(ONE, **{name: BAD_TEXTS[0]}), f"^{name.removeprefix('draw_')} contains NUL")
            for name in ("draw_key", "session", "cohort", "cause")
        ),
        *((but(FEEDBACK, source=text), "^source contains NUL or a lone surrogate") for text in BAD_TEXTS),
        *((but(REPORT, **{name: "\0"}), f"^{name} contains NUL") for name in ("served_arm", "source")),
    ],
)
def test_what_is_beyond(record: Any, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        LIMITS.check(record)


def test_how_a_row_is_called() -> None:
    assert (named(a_decision(3)), named(FEEDBACK)) == ("decision number 3", "feedback number 7")


def test_the_shape_of_a_router_stays() -> None:
    given = replace(SPEC, policy={"name": "LinTS"})
    assert reconcile_spec(SPEC, given) == given
    unknown = replace(SPEC, dimension=None)
    assert reconcile_spec(unknown, SPEC).dimension == reconcile_spec(SPEC, unknown).dimension == 3
    changes: dict[str, Any] = {"objectives": SPEC.objectives[:1], "dimension": 4, "intercept": False, "x_max": 5.0}
    for name, value in changes.items():
        other: RouterSpec = but(SPEC, **{name: value})
        with pytest.raises(RouterMismatchError, match=f"router 'support' is stored with {name} "):
            reconcile_spec(SPEC, other)


def test_each_row_of_several_is_checked() -> None:
    good = row(1, 2, 3, 1 << 15)
    LIMITS.check_rows([good, good])
    for rows in ([good, row(1, 2, 3)], [row(1, 2, 3), good]):
        with pytest.raises(StoreError, match="3 features"):
            LIMITS.check_rows(rows)
    for rows in ([good, row(1, 2, 1 << 30, 1)], [row(1, 2, -(1 << 30), 1), good]):
        with pytest.raises(StoreError, match="grid units"):
            LIMITS.check_rows(rows)


def test_values_of_resources_may_be_a_thousand_scales_and_those_of_qualities_not() -> None:
    LIMITS.check_values("response", (1_000 << 16, -(1_000 << 16)), (0, 0))
    LIMITS.check_values("quality", (1 << 16,), None)
    for response in (((1_000 << 16) + 1, 0), (0, -(1_000 << 16) - 1)):
        with pytest.raises(StoreError, match="outside"):
            LIMITS.check_values("response", (0, 0), response)
    for values in ((-1,), ((1 << 16) + 1,)):
        with pytest.raises(StoreError, match="outside"):
            LIMITS.check_values("quality", values)
