"""Records as bytes and back."""

import random
import struct
import tracemalloc
from dataclasses import fields, replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banditroute.core.arms import Arm, Price
from banditroute.core.log import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    LogRecord,
    Position,
    PreferencesRecord,
    ReportRecord,
    SnapshotRecord,
    SpaceRecord,
)
from banditroute.errors import SpoolCorruptError, StoreError
from banditroute.store.spool.codec import _FORMS, decoded, encoded
from banditroute.testing import ARMS, PREFERENCES, a_decision, feedback_of, plain

int64s = st.integers(-(2**63), 2**63 - 1)
int32s = st.integers(-(2**31), 2**31 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=8)
numbers = st.dictionaries(texts, finite | int64s, max_size=4)
bodies = st.binary(min_size=16, max_size=16)
json_values = st.recursive(
    st.none() | st.booleans() | int64s | finite | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
rows = st.lists(int32s, max_size=6).map(lambda values: np.array(values, np.int32))
vectors = st.lists(st.floats(), max_size=6).map(lambda values: np.array(values, np.float64))


@st.composite
def matrices(draw: st.DrawFn) -> Any:
    shape = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    size = shape[0] * shape[1]
    return np.array(draw(st.lists(st.floats(), min_size=size, max_size=size))).reshape(shape)


usd = st.just(0.0) | st.floats(1e-9, 1e9)
prices = st.builds(Price, input=usd, output=usd | st.integers(0, 9))
arms = st.builds(
    Arm,
    st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=9),
    price=st.none() | prices,
    max_output_tokens=st.none() | st.integers(1, 10**12),
    prior=st.dictionaries(texts, finite, max_size=2),
)
grid_values = st.none() | st.lists(int64s, max_size=4).map(tuple)
records: st.SearchStrategy[LogRecord] = st.one_of(
    st.builds(
        DecisionRecord,
        decision_key=bodies,
        number=int64s,
        n_feedback=int64s,
        arm=texts,
        row=rows,
        arms=st.lists(texts, max_size=3).map(tuple),
        probabilities=vectors,
        mean=matrices(),
        width=matrices(),
        preferences=numbers,
        weights=vectors,
        excluded=st.dictionaries(texts, texts, max_size=3),
        epoch=int64s,
        mode=texts,
        cause=texts,
        draw_key=st.none() | texts,
        effects=st.dictionaries(texts, json_values, max_size=3),
        created_us=int64s,
        session=st.none() | texts,
        cohort=st.none() | texts,
    ),
    st.builds(
        FeedbackRecord,
        decision_key=bodies,
        number=int64s,
        group=texts,
        revision=int64s,
        arm=texts,
        row=rows,
        epoch=int64s,
        values=grid_values,
        previous=grid_values,
        outcomes=numbers,
        source=st.none() | texts,
        received_us=int64s,
        by_default=st.booleans(),
        amends=st.booleans(),
    ),
    st.builds(
        ReportRecord,
        decision_key=bodies,
        outcomes=numbers,
        served_arm=st.none() | texts,
        source=st.none() | texts,
        amend=st.booleans(),
        received_us=int64s,
    ),
    st.builds(
        ArmRecord,
        arms,
        st.sampled_from(["active", "draining", "retired"]),
        st.none() | texts,
        int64s,
        int64s,
        int64s,
    ),
    st.builds(PreferencesRecord, int64s, numbers, int64s),
    st.builds(SpaceRecord, int64s, int64s),
    st.builds(SnapshotRecord, st.builds(Position, int64s, int64s), st.binary(max_size=40), int64s),
)

DECISION = a_decision(
    7, 3, draw_key="a\x00b \ud800 ü", excluded={"small": "price"}, cause="", session="s", cohort="c"
)
SAMPLES: list[LogRecord] = [
    DECISION,
    replace(DECISION, mean=np.empty((2, 0)), width=np.empty((2, 0)), mode="fallback"),
    replace(DECISION, mean=np.array([[-0.0, 5e-324], [np.nan, np.inf]]), width=np.array([[0.1], [1e308]])),
    feedback_of(DECISION, 4, outcomes={"quality": 0.1, "prompt_tokens": 12}, source="judge"),
    feedback_of(DECISION, 5, values=None, previous=(2**63 - 1, -(2**63)), revision=2),
    ReportRecord(bytes(16), {"quality": 0.3, "cost_usd": 1e-300}, "small", None, amend=True, received_us=5),
    *ARMS,
    PREFERENCES,
    SpaceRecord(64, 9),
    SnapshotRecord(Position(3, 4), bytes(range(256)), 10),
]


@given(records)
@settings(max_examples=200, deadline=None)
def test_every_record_comes_back_to_the_last_bit(record: LogRecord) -> None:
    assert plain(decoded(encoded(record))) == plain(record)


@pytest.mark.parametrize("record", SAMPLES)
def test_samples_come_back_to_the_last_bit(record: LogRecord) -> None:
    back = decoded(encoded(record))
    assert plain(back) == plain(record)
    assert encoded(back) == encoded(record)


def test_every_field_of_every_record_is_written() -> None:
    """One that has a default would otherwise be lost without a word."""
    written = {
        form.record: {form.attribute(name) for name in (*form.arrays, *form.fields)} for form in _FORMS.values()
    }
    assert written == {kind: {field.name for field in fields(kind)} for kind in get_args(LogRecord)}


def test_the_bytes_in_files_today_stay_readable() -> None:
    """A change of these bytes needs another number of the form, beside the old one."""
    space = b'\x01\x06\x25\0\0\0[[],{"dimension":64,"recorded_us":9}]'
    assert decoded(space) == SpaceRecord(64, 9)
    assert encoded(SpaceRecord(64, 9)) == space
    report = ReportRecord(b"0123456789abcdef", {"quality": 0.5}, None, "judge", amend=False, received_us=3)
    assert encoded(report) == (
        b'\x01\x03\x66\0\0\0[[[16]],{"outcomes":{"quality":0.5},"served_arm":null,"source":"judge",'
        b'"amend":false,"received_us":3}]0123456789abcdef'
    )


@pytest.mark.parametrize(
    "record",
    [
        replace(DECISION, preferences={"quality": float("nan")}),
        replace(DECISION, effects={"cache": float("inf")}),
        replace(DECISION, effects={"cache": object()}),
        replace(DECISION, effects={"cache": {1, 2}}),
        PreferencesRecord(1, {"quality": 1j}, 0),  # type: ignore[dict-item]
    ],
)
def test_what_is_not_plain_is_refused(record: LogRecord) -> None:
    with pytest.raises(StoreError, match="a record cannot be stored"):
        encoded(record)


def payload(text: bytes, arrays: bytes = b"", *, version: int = 1, kind: int = 6) -> bytes:
    return struct.pack("<BBI", version, kind, len(text)) + text + arrays


SNAPSHOT = b'[[[%b]],{"position":[1,2],"recorded_us":3}]'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        payload(b'[[],{"dimension":64,"recorded_us":9}]', version=2),
        payload(b'[[],{"dimension":64,"recorded_us":9}]', kind=0),
        payload(b'[[],{"dimension":64,"recorded_us":9}]', b"more"),
        payload(b'[[],{"dimension":64,"recorded_us":9}]')[:-1],
        payload(b'[[],{"dimension":64}]'),
        payload(b'[[],{"dimension":64,"recorded_us":9,"more":1}]'),
        payload(b'[[],{"dimension":true,"recorded_us":9}]'),
        payload(b'[[],{"dimension":64.0,"recorded_us":9}]'),
        payload(b'[[],{"dimension":"64","recorded_us":9}]'),
        payload(b'[[],{"dimension":9223372036854775808,"recorded_us":9}]'),
        payload(b'[[],{"dimension":%b,"recorded_us":9}]' % (b"9" * 5000)),
        payload(b'[[[0]],{"dimension":64,"recorded_us":9}]'),
        payload(b'{"dimension":64,"recorded_us":9}'),
        payload(b"[" * 100_000),
        payload("[[],{}]ü".encode()),
        payload(b"\xff\xfe[]"),
        payload(b'[[],{"version":1,"preferences":{"quality":NaN},"recorded_us":9}]', kind=5),
        payload(b'[[],{"version":1,"preferences":{"quality":1e999},"recorded_us":9}]', kind=5),
        payload(b'[[],{"version":1,"preferences":[],"recorded_us":9}]', kind=5),
        payload(SNAPSHOT % b"-1", b"", kind=7),
        payload(SNAPSHOT % b"3", b"ab", kind=7),
        payload(SNAPSHOT % b"1,1", b"a", kind=7),
        payload(SNAPSHOT % b"true", b"a", kind=7),
        payload(SNAPSHOT % b"99999999999999999999", b"a", kind=7),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(SpoolCorruptError):
        decoded(data)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"active"', b'"passiv"'),
        (b'"small"', b'"sm\\u0000l"'),
        (b'"input":0.15', b'"inputs":0.15'),
        (b'"input":0.15', b'"input":-0.15'),
        (b'"input":0.15', b'"input":%b' % (b"9" * 400)),
        (b'"input":0.15', b'"input":"0"'),
    ],
)
def test_an_arm_that_breaks_its_rules_is_refused(old: bytes, new: bytes) -> None:
    text = encoded(ARMS[0])[6:]
    assert old in text
    with pytest.raises(SpoolCorruptError):
        decoded(payload(text.replace(old, new), kind=4))


def test_a_shape_is_checked_against_the_bytes_before_it_is_used() -> None:
    """Each would ask for gigabytes; all is refused within the memory of the payload."""
    claims = [
        struct.pack("<BBI", 1, 7, 2**32 - 1) + b"[]",
        payload(SNAPSHOT % b"1099511627776", b"abc", kind=7),
        encoded(DECISION).replace(b"[2,3],[2,3]", b"[0,9223372036854775807],[2,3]"),
        encoded(DECISION).replace(b"[2,3],[2,3]", b"[2305843009213693952,8],[2,3]"),
    ]
    tracemalloc.start()
    for claim in claims:
        with pytest.raises(SpoolCorruptError):
            decoded(claim)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_mutated_payloads_are_refused_or_are_records() -> None:
    """Behind the checksum of the frame: whatever gets through it is a record of plain values, or one error."""
    moves = random.Random(20261122)
    outcomes = {"refused": 0, "record": 0}
    payloads = [encoded(record) for record in SAMPLES]
    for _ in range(5_000):
        data = bytearray(moves.choice(payloads))
        for _ in range(moves.randint(1, 3)):
            place = moves.randrange(len(data))
            match moves.randrange(4):
                case 0:
                    data[place] ^= 1 << moves.randrange(8)
                case 1:
                    del data[place : place + moves.randint(1, 20)]
                case 2:
                    data[place:place] = moves.randbytes(moves.randint(1, 9))
                case 3:
                    other = moves.choice(payloads)
                    data[place:] = other[moves.randrange(len(other)) :]
            data = data or bytearray(b"\0")
        try:
            record = decoded(bytes(data))
        except SpoolCorruptError:
            outcomes["refused"] += 1
        else:
            encoded(record)
            outcomes["record"] += 1
    assert min(outcomes.values()) > 100
