"""The PostgreSQL server of the tests; without any, tests that need one fail."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.server import WANTED, NotHere, OwnServer, Server, found_server

__all__ = ["OwnServer", "Server", "a_server"]


@contextmanager
def a_server() -> Iterator[Server]:
    """The server of these tests, as long as they run.

    Without any, tests that need one fail: that nothing was tested must not look like success.
    """
    if os.environ.get(WANTED, "") == "none":
        pytest.skip(f"{WANTED}=none: do without PostgreSQL")
    try:
        server = found_server()
    except NotHere as missing:
        pytest.fail(str(missing))
    try:
        yield server
    finally:
        server.close()
