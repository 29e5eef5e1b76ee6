"""The BLAS routines that update factors in place.

SciPy's type stubs change their minds about positional arguments from release to release, so here, once, they are
functions of anything. They are called by position because keywords cost as much as a small product. SciPy's linear
algebra takes longer to import than all of this library, hence the imports inside.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

Routine: TypeAlias = Callable[..., Any]


def routines(*names: str) -> tuple[Routine, ...]:
    """The routines of these names, of :mod:`scipy.linalg.blas`."""
    from scipy.linalg import blas

    return tuple(getattr(blas, name) for name in names)
