"""Sentences about settings that are wrong: the path of the key in the file, never the value."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

BOOLEANS = frozenset({("intercept",)})
"""Paths of the keys that are booleans."""


def problem(given: Mapping[str, Any], errors: Sequence[ErrorDetails]) -> tuple[tuple[str, ...], str]:
    """Return the path and a sentence about the first error; an unknown key explains the most, so it comes first.

    The sentence leaves out the value, which may be a password.
    """
    error = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    path = _path(given, error["loc"], missing=error["type"] == "missing")
    dotted = ".".join(path)
    if error["type"] == "extra_forbidden":
        return path, f"unknown key {dotted!r}"
    if error["type"] == "missing":
        return path, f"key {dotted!r} is missing"
    return path, f"{dotted}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _path(given: Any, location: Sequence[int | str], *, missing: bool) -> tuple[str, ...]:
    """Drop what pydantic adds to a path, such as the kind of a policy: the file has no such key."""
    path: list[str] = []
    for depth, key in enumerate(location):
        held = given if isinstance(given, Mapping) else dict(enumerate(given)) if isinstance(given, list) else {}
        if key not in held and not (missing and depth == len(location) - 1):
            continue
        given = held.get(key)
        path.append(str(key))
    return tuple(path)


def misplaced_boolean(given: Any, path: tuple[str, ...] = ()) -> tuple[str, ...] | None:
    """Return the path of a boolean where a number or a text belongs: pydantic would read True as 1."""
    if isinstance(given, bool):
        return None if path in BOOLEANS else path
    if isinstance(given, Mapping):
        items = [(str(key), value) for key, value in given.items()]
    elif isinstance(given, list):
        items = [(str(index), value) for index, value in enumerate(given)]
    else:
        return None
    found = (misplaced_boolean(value, (*path, key)) for key, value in items)
    return next((each for each in found if each), None)
