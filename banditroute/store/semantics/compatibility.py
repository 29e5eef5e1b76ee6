"""Compatibility of a router with what is stored under its name."""

from dataclasses import replace

from banditroute.core.spec import RouterSpec
from banditroute.errors import RouterMismatchError


def reconcile_spec(stored: RouterSpec, given: RouterSpec) -> RouterSpec:
    """The stored shape with the given policy; a dimension that only one of the two knows is taken over.

    Raises:
        RouterMismatchError: if both know a part of the shape and differ in it; the message names the first.
    """
    dimension = given.dimension if stored.dimension is None else stored.dimension
    for name, held, asked in (
        ("objectives", stored.objectives, given.objectives),
        ("dimension", dimension, dimension if given.dimension is None else given.dimension),
        ("intercept", stored.intercept, given.intercept),
        ("x_max", stored.x_max, given.x_max),
    ):
        if held != asked:
            raise RouterMismatchError(
                f"router {given.name!r} is stored with {name} {held!r}, not {asked!r}; "
                f"give the stored value, or another name for a new router"
            )
    return replace(stored, dimension=dimension, policy=given.policy)
