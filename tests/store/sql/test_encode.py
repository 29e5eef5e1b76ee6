"""What a decision may say to become a row, and what a row may say to become a record."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from banditroute.core.log import ReportRecord
from banditroute.errors import StoreError
from banditroute.store.sql.decode import DECISION_COLUMNS, FEEDBACK_COLUMNS, to_decisions, to_feedbacks
from banditroute.store.sql.encode import (
    REVISION_COLUMNS,
    ArmIds,
    content_digest,
    decision_row,
    feedback_row,
    report_row,
    spec_json,
    to_revision,
    to_spec,
)
from banditroute.testing import SPEC, a_decision, feedback_of, plain

ARM_IDS = ArmIds({"small": 3, "large": 2**40})
ONE = a_decision(1, n_feedback=7, excluded={"large": "not allowed"}, draw_key="k", session="s", cohort="c")


def row_of(record: Any, **changes: Any) -> Any:
    row = {**decision_row(record, 1, ARM_IDS), "decided": record.number, "learned": record.n_feedback, **changes}
    return tuple(row[name] for name in DECISION_COLUMNS)


def test_decisions_come_back() -> None:
    records = [ONE, a_decision(2), replace(a_decision(3), mean=np.empty((2, 0)), width=np.empty((2, 0)))]
    assert plain(to_decisions([row_of(record) for record in records], ARM_IDS)) == plain(records)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"arm": "nobody"}, "decision 1 chose 'nobody' with probabilities that do not match"),
        ({"probabilities": np.ones(1)}, "decision 1 chose 'large' with probabilities that do not match"),
        ({"mean": np.ones((2, 2))}, r"has 2 arms, a mean of shape \(2, 2\) and a width of shape \(2, 3\)"),
        ({"mean": np.ones((3, 3)), "width": np.ones((3, 3))}, "has 2 arms, a mean of shape"),
        *(({name: np.full((2, 3), np.nan)}, "a number that is not finite") for name in ("mean", "width")),
        *(
            ({name: np.array([0.5, np.inf])}, "a number that is not finite")
            for name in ("probabilities", "weights")
        ),
        ({"preferences": {"quality": float("nan")}}, "a record cannot be stored"),
        ({"effects": {"cache": object()}}, "a record cannot be stored"),
    ],
)
def test_what_does_not_fit_is_no_row(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        decision_row(replace(ONE, **changes), 1, ARM_IDS)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"probabilities": np.ones(1).tobytes()}, "its probabilities do not match its arms"),
        (
            {"arm_ids": ARM_IDS.pack(("small",)), "probabilities": np.ones(1).tobytes()},
            "do not match its arms",
        ),
        ({"width": np.ones(4).tobytes()}, "its means and widths are of different shapes"),
        ({"mean": np.full(6, np.nan).tobytes()}, "a number that is not finite"),
        ({"epoch": "0"}, "its epoch or its time is not an integer"),
        ({"created_us": 1.0}, "its epoch or its time is not an integer"),
        ({"effects": "[1]"}, "its effects are not a mapping"),
    ],
)
def test_what_does_not_fit_is_no_record(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        to_decisions([row_of(ONE, **changes)], ARM_IDS)


def feedback_row_of(record: Any, **changes: Any) -> Any:
    row = {**feedback_row(record, 1, ARM_IDS), "learned": record.number, **changes}
    columns = tuple(row[name] for name in FEEDBACK_COLUMNS)
    return (*columns, record.row.tobytes(), changes.get("epoch", record.epoch))


def test_feedback_comes_back() -> None:
    records = [
        feedback_of(ONE, 1, values=(5,), source="judge"),
        feedback_of(ONE, 2, values=(6,), previous=(5,), revision=1, arm="small"),
        feedback_of(ONE, 3, values=None, previous=(6,), revision=2, outcomes={}),
        feedback_of(ONE, 4, values=None, revision=0),
        feedback_of(ONE, 5, values=(0,), by_default=True),
    ]
    rows = [feedback_row_of(record) for record in records]
    assert plain(to_feedbacks(rows, ARM_IDS)) == plain(records)
    assert [row[FEEDBACK_COLUMNS.index("kind")] for row in rows] == [
        "outcome",
        "amend",
        "retract",
        "kept",
        "default",
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"outcomes": '{"quality":1e999}'}, "one of its outcomes is not finite"),
        ({"received_us": "0"}, "its epoch or its time is not an integer"),
        ({"epoch": 0.0}, "its epoch or its time is not an integer"),
    ],
)
def test_feedback_that_does_not_fit_is_no_record(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        to_feedbacks([feedback_row_of(feedback_of(ONE, 1), **changes)], ARM_IDS)


def test_a_revision_comes_back_from_the_row_of_its_feedback() -> None:
    for record in (
        feedback_of(ONE, 1, values=(5,), outcomes={"quality": 0.25}, revision=2, previous=(4,), received_us=7),
        feedback_of(ONE, 1, values=(0,), outcomes={"quality": 0.0}, by_default=True),
        feedback_of(ONE, 1, values=None, outcomes={}, revision=1, previous=(4,)),
    ):
        row = feedback_row(record, 1, ARM_IDS)
        revision = to_revision([row[name] for name in REVISION_COLUMNS], ARM_IDS)
        assert revision == (
            record.revision,
            record.arm,
            record.values,
            record.outcomes,
            record.received_us,
            record.by_default,
        )


def test_rows_say_what_was_said_by_the_same_bytes_in_every_version() -> None:
    """Others would take what is said again for something else, and refuse it."""
    first = feedback_of(ONE, 1, values=(5,), outcomes={"quality": 0.25})
    assert content_digest(first).hex() == "c05681f62c7b924f99c93c3fc0ca24d1"
    others = [
        replace(first, arm="small"),
        replace(first, outcomes={"quality": 0.5}),
        replace(first, values=(6,)),
        replace(first, values=None),
    ]
    assert len({content_digest(record) for record in (first, *others)}) == 5
    assert content_digest(
        replace(first, decision_key=bytes(16), source="judge", received_us=0, revision=3)
    ) == content_digest(first)
    report = ReportRecord(ONE.decision_key, {"quality": 0.25}, "small", None, True, 9)
    assert report_row(report, 1)["payload"].hex() == "f69079b2bfd998431706316dd419a0e3"
    payloads = {
        report_row(each, 1)["payload"]
        for each in (
            report,
            replace(report, outcomes={}),
            replace(report, served_arm=None),
            replace(report, amend=False),
        )
    }
    assert len(payloads) == 4


def test_a_spec_comes_back() -> None:
    assert to_spec(SPEC.tenant, SPEC.name, SPEC.dimension, spec_json(SPEC)) == SPEC
