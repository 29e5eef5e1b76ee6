"""Encodes log records as bytes for the spool, and decodes them.

A payload is: version, kind, length of the JSON that follows; the JSON ``[shapes, fields]``; then the raw values
of the arrays, little-endian, in the order of their shapes. Floats keep every bit. Decoding executes no code, and
checks every length against the number of bytes before it uses it.
"""

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np

from banditroute.core.arms import Arm, Price
from banditroute.core.log import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    LogRecord,
    Position,
    PreferencesRecord,
    ReportRecord,
    SecretRecord,
    SnapshotRecord,
    SpaceRecord,
)
from banditroute.errors import SpoolCorruptError, StoreError

VERSION: Final = 1

_HEAD: Final = struct.Struct("<BBI")
_BYTES, _INTS, _FLOATS = np.dtype("u1"), np.dtype("<i4"), np.dtype("<f8")
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode

_Read: TypeAlias = Callable[[Any], Any]


def _exactly(*kinds: type) -> _Read:
    """Return a reader that accepts exactly these types; a bool is not an int here."""

    def read(value: Any) -> Any:
        if type(value) not in kinds:
            raise TypeError(f"{type(value).__name__} instead of {kinds[0].__name__}")
        return value

    return read


def _or_none(read: _Read) -> _Read:
    return lambda value: None if value is None else read(value)


def _tuple_of(read: _Read) -> _Read:
    return lambda value: tuple(map(read, _list(value)))


def _mapping_to(read: _Read) -> _Read:
    return lambda value: {name: read(item) for name, item in _dict(value).items()}


def _one_of(*choices: str) -> _Read:
    def read(value: Any) -> Any:
        return choices[choices.index(value)]

    return read


_str, _bool, _list, _dict = map(_exactly, (str, bool, list, dict))
_number = _exactly(float, int)


def _int(value: Any) -> Any:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise TypeError(f"{value!r:.40} is not an int64")
    return value


def _anything(value: Any) -> Any:
    return value


def _arm(value: Any) -> Arm:
    name, price, max_output_tokens, prior = _list(value)
    known = None if price is None else Price(**_dict(price))
    return Arm(_str(name), price=known, max_output_tokens=max_output_tokens, prior=_mapping_to(_number)(prior))


def _position(value: Any) -> Position:
    learned, decided = _list(value)
    return Position(_int(learned), _int(decided))


@dataclass(frozen=True, slots=True)
class _Form:
    """The stored form of one kind of record.

    Attributes:
        record: The class.
        arrays: Attribute → (dtype, number of axes).
        fields: Name in the file → reader of its value.
        attributes: Name in the file → attribute, where they differ: names in files never change.
    """

    record: type[Any]
    arrays: Mapping[str, tuple[np.dtype[Any], int]]
    fields: Mapping[str, _Read]
    attributes: Mapping[str, str] = field(default_factory=dict)

    def attribute(self, name: str) -> str:
        """Return the attribute for the name of a field in the file."""
        return self.attributes.get(name, name)


_DECISION_KEY = {"decision_key": (_BYTES, 1)}

# These numbers are stored in files that later versions read: add new ones, never change one.
_FORMS: Final[Mapping[int, _Form]] = {
    1: _Form(
        DecisionRecord,
        {
            **_DECISION_KEY,
            "row": (_INTS, 1),
            "probabilities": (_FLOATS, 1),
            "mean": (_FLOATS, 2),
            "width": (_FLOATS, 2),
            "weights": (_FLOATS, 1),
        },
        {
            "decided": _int,
            "learned": _int,
            "arm": _str,
            "arms": _tuple_of(_str),
            "preferences": _mapping_to(_number),
            "excluded": _mapping_to(_str),
            "epoch": _int,
            "mode": _str,
            "cause": _str,
            "key": _or_none(_str),
            "effects": _mapping_to(_anything),
            "created_us": _int,
            "session": _or_none(_str),
            "cohort": _or_none(_str),
        },
        {"decided": "number", "learned": "n_feedback", "key": "draw_key"},
    ),
    2: _Form(
        FeedbackRecord,
        {**_DECISION_KEY, "row": (_INTS, 1)},
        {
            "learned": _int,
            "group": _str,
            "revision": _int,
            "arm": _str,
            "epoch": _int,
            "values": _or_none(_tuple_of(_int)),
            "previous": _or_none(_tuple_of(_int)),
            "outcomes": _mapping_to(_number),
            "source": _or_none(_str),
            "received_us": _int,
            "by_default": _bool,
            "amends": _bool,
        },
        {"learned": "number"},
    ),
    3: _Form(
        ReportRecord,
        _DECISION_KEY,
        {
            "outcomes": _mapping_to(_number),
            "served_arm": _or_none(_str),
            "source": _or_none(_str),
            "amend": _bool,
            "received_us": _int,
        },
    ),
    4: _Form(
        ArmRecord,
        {},
        {
            "arm": _arm,
            "status": _one_of("active", "draining", "retired"),
            "successor": _or_none(_str),
            "price_effective_us": _int,
            "recorded_us": _int,
            "n_eff": _int,
        },
    ),
    5: _Form(PreferencesRecord, {}, {"version": _int, "preferences": _mapping_to(_number), "recorded_us": _int}),
    6: _Form(SpaceRecord, {}, {"dimension": _int, "recorded_us": _int}),
    7: _Form(SnapshotRecord, {"blob": (_BYTES, 1)}, {"position": _position, "recorded_us": _int}),
    8: _Form(SecretRecord, {"secret": (_BYTES, 1)}, {"recorded_us": _int}),
}
_KINDS: Final = {form.record: kind for kind, form in _FORMS.items()}


def encoded(record: LogRecord) -> bytes:
    """Encode a record.

    Raises:
        StoreError: for a number that is not finite, or an object that JSON cannot represent.
    """
    kind = _KINDS[type(record)]
    form = _FORMS[kind]
    arrays = [_as_array(getattr(record, name), dtype) for name, (dtype, _) in form.arrays.items()]
    fields = {name: _plain(getattr(record, form.attribute(name))) for name in form.fields}
    try:
        text = _encode([[array.shape for array in arrays], fields]).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"a record cannot be stored: {error}") from None
    return b"".join((_HEAD.pack(VERSION, kind, len(text)), text, *(array.tobytes() for array in arrays)))


def decoded(payload: bytes) -> LogRecord:
    """Decode a record, bit for bit; its arrays are read-only.

    Raises:
        SpoolCorruptError: for bytes that :func:`encoded` did not write.
    """
    try:
        version, kind, length = _HEAD.unpack_from(payload)
        if version != VERSION or kind not in _FORMS:
            raise SpoolCorruptError(
                f"a record has the unknown version {version} and kind {kind}; upgrade banditroute"
            )
        start = _HEAD.size + length
        text = payload[_HEAD.size : start].decode("ascii")
        shapes, fields = json.loads(text, parse_float=_finite, parse_constant=_finite)
        return _record(_FORMS[kind], _list(shapes), _dict(fields), payload, start)
    except (struct.error, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        if isinstance(error, SpoolCorruptError):
            raise
        raise SpoolCorruptError(f"{len(payload)} bytes of the spool are not a record ({error})") from None


def _record(
    form: _Form, shapes: Sequence[Any], fields: Mapping[str, Any], payload: bytes, start: int
) -> LogRecord:
    if fields.keys() != form.fields.keys():
        raise ValueError("unexpected fields")
    values = {form.attribute(name): read(fields[name]) for name, read in form.fields.items()}
    ends = [start]
    for (dtype, axes), shape in zip(form.arrays.values(), shapes, strict=True):
        if len(_list(shape)) != axes or any(not 0 <= _int(axis) <= len(payload) for axis in shape):
            raise ValueError("wrong shape")
        ends.append(ends[-1] + dtype.itemsize * math.prod(shape))
    if ends[-1] != len(payload):
        raise ValueError("wrong length")
    for (name, (dtype, _)), shape, (first, last) in zip(form.arrays.items(), shapes, pairwise(ends), strict=True):
        raw = payload[first:last]
        values[name] = raw if dtype is _BYTES else np.frombuffer(raw, dtype).reshape(shape)
    record: LogRecord = form.record(**values)
    return record


def _as_array(value: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    if isinstance(value, bytes):
        return np.frombuffer(value, _BYTES)
    return np.asarray(value, dtype)


def _plain(value: Any) -> Any:
    match value:
        case Arm():
            price = None if value.price is None else {"input": value.price.input, "output": value.price.output}
            return [value.name, price, value.max_output_tokens, dict(value.prior)]
        case Mapping():
            return dict(value)
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.40} is not finite")
    return value
