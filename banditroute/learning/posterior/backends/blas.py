"""The BLAS routines that update factors in place.

SciPy's type stubs for positional arguments change from release to release, so the routines get a loose type here,
in one place. They are called by position because keywords cost as much as a small product. SciPy's linear algebra
takes longer to import than this whole library, so functions import it when they need it.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

Routine: TypeAlias = Callable[..., Any]


def routines(*names: str) -> tuple[Routine, ...]:
    """Return the routines of these names from :mod:`scipy.linalg.blas`."""
    from scipy.linalg import blas

    return tuple(getattr(blas, name) for name in names)
