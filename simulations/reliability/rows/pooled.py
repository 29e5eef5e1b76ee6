"""B3: PostgreSQL behind a pooler that gives each transaction another connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import pytest
from sqlalchemy import Engine, create_engine

from banditroute import Arm, Router
from banditroute.errors import StoreError
from banditroute.store.databases import postgres
from banditroute.store.maintenance import views
from simulations.reliability.harness.quiet import quiet
from simulations.reliability.harness.row import Finding, Tick
from tests.pooler import transaction_pooler
from tests.server import NotHere, own_server


@dataclass(frozen=True, slots=True)
class Pooled:
    """So many requests of each of two workers, each with feedback, through a pooler with few connections."""

    id: ClassVar[str] = "B3"
    does: ClassVar[str] = "PostgreSQL behind PgBouncer in transaction mode: two workers route and report"
    asks: ClassVar[str] = "0 lost, 0 spooled, healthy, equal digests, every record stored once"
    control: ClassVar[str] = "a store whose connections have prepared statements"

    requests: int = 500
    connections: int = 4

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Both workers in turns; then the same with prepared statements."""
        with self._url() as url:
            measured = self._lived(url, place / "spool")
        tick(1, 2)
        with _prepared_statements(), self._url() as url, quiet():
            try:
                control = self._lived(url, place / "control")
            except StoreError as error:
                control = {"failed": type(error).__name__}
        expected = {"lost": 0, "not healthy": 0, "different digests": 0, "stored": 4 * self.requests}
        return Finding(measured, measured == expected, control, control != expected)

    @contextmanager
    def _url(self) -> Iterator[str]:
        server = own_server()
        try:
            with transaction_pooler(server.new_database(), connections=self.connections) as url:
                yield url
        except pytest.skip.Exception as missing:
            raise NotHere(str(missing)) from None

    def _lived(self, url: str, spool: Path) -> dict[str, float | str]:
        workers = [
            Router("svc", arms=[Arm("a"), Arm("b")], store=url, spool=spool / str(number), seed=number)
            for number in (1, 2)
        ]
        first, second = workers
        with first, second:
            for number in range(self.requests):
                for worker in workers:
                    worker.feedback(worker.route([number / self.requests]).id, quality=0.5)
                if number % 25 == 0:
                    first.flush()
            for worker in (*workers, first):
                worker.sync()
            healths = [worker.health() for worker in workers]
            digests = {worker.digest() for worker in workers}
        (found,) = views.routers(url)
        return {
            "lost": sum(health.lost for health in healths),
            "not healthy": sum(health.state != "healthy" for health in healths),
            "different digests": len(digests) - 1,
            "stored": found.decisions + found.feedback,
        }


@contextmanager
def _prepared_statements() -> Iterator[None]:
    def engine(*args: Any, connect_args: dict[str, Any], **kwargs: Any) -> Engine:
        return create_engine(*args, connect_args={**connect_args, "prepare_threshold": 0}, **kwargs)

    with mock.patch.object(postgres, "create_engine", engine):
        yield
