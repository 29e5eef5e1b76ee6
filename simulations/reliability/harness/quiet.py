"""Where faults are the point, the library need not log them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Let the library's logger be silent as long as this lasts; also to be used on a function."""
    logger = logging.getLogger("banditroute")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
