"""The BLAS routines that update factors in place, each loaded at its first use.

SciPy's type stubs for positional arguments change from release to release, so the routines get a loose type here,
in one place. They are called by position because keywords cost as much as a small product. SciPy's linear algebra
takes longer to import than this whole library.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

Routine: TypeAlias = Callable[..., Any]


def __getattr__(name: str) -> Routine:
    """Load a routine from :mod:`scipy.linalg.blas`; later uses find it in this module."""
    from scipy.linalg import blas

    if name.startswith("_") or not hasattr(blas, name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    routine: Routine = getattr(blas, name)
    globals()[name] = routine
    return routine
