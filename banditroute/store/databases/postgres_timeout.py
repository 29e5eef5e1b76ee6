"""Connections to PostgreSQL with a time limit for servers that stop answering."""

import time
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import Engine, event


def give_up_after(engine: Engine, seconds: float) -> None:
    """Break each connection of an engine when an answer takes longer than ``seconds``.

    The server's own time limits do not work if the server process is stopped or its machine is down.
    """

    class Answering(psycopg.Connection[TupleRow]):
        def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **settings: Any) -> Any:
            try:
                return super().wait(_in_time(gen, time.monotonic() + seconds), *arguments, **settings)
            except _SilentError:
                # A later answer could not be distinguished from the missing one.
                self.close()
                raise psycopg.OperationalError("the server does not answer") from None

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, arguments: Any, settings: Any) -> Any:
        return Answering.connect(*arguments, **settings)


class _SilentError(Exception):
    pass


def _in_time(steps: Generator[Any, Any, Any], deadline: float) -> Generator[Any, Any, Any]:
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise _SilentError
            wanted = steps.send(ready)
    except StopIteration as done:
        return done.value
