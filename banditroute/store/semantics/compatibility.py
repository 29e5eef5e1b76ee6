"""Checks that a router's settings match those stored under its name."""

from dataclasses import replace

from banditroute.core.spec import RouterSpec
from banditroute.errors import RouterMismatchError


def reconcile_spec(stored: RouterSpec, given: RouterSpec) -> RouterSpec:
    """Return the stored shape with the given policy, outcome windows and source caps.

    A dimension, or names of the features, that only one side has are adopted.

    Raises:
        RouterMismatchError: if a part of the shape differs between the two; the message names the first such part.
    """
    dimension = given.dimension if stored.dimension is None else stored.dimension
    names = given.feature_names if stored.feature_names is None else stored.feature_names
    for name, in_store, asked in (
        ("objectives", stored.objectives, given.objectives),
        ("dimension", dimension, dimension if given.dimension is None else given.dimension),
        ("features", names, names if given.feature_names is None else given.feature_names),
        ("intercept", stored.intercept, given.intercept),
        ("x_max", stored.x_max, given.x_max),
    ):
        if in_store != asked:
            raise RouterMismatchError(
                f"router {given.name!r} is stored with {name} {in_store!r}, not {asked!r}; "
                f"give the stored value, or another name for a new router"
            )
    return replace(given, dimension=dimension, feature_names=names, is_clipped=stored.is_clipped)
