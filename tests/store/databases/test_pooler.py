"""Routers behind PgBouncer in transaction mode."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import DBAPIError

from banditroute import Arm, Router
from banditroute.store.maintenance import views
from tests.pooler import transaction_pooler


def test_two_workers_behind_a_pooler_lose_nothing(postgres_url: str, tmp_path: Path) -> None:
    with transaction_pooler(postgres_url) as url:
        first, second = (
            Router("r", arms=[Arm("a"), Arm("b")], store=url, spool=tmp_path / name, seed=1) for name in ("1", "2")
        )
        with first, second:
            receipts = []
            for number in range(300):
                for worker in (first, second):
                    decision = worker.route([number / 300])
                    receipts.append(worker.feedback(decision.id, quality=number / 300))
                if number % 20 == 0:
                    worker.flush()
            assert {receipt.wait(30).status for receipt in receipts} == {"recorded"}
            first.sync()
            second.sync()
            assert first.digest() == second.digest()
            for worker in (first, second):
                health = worker.health()
                assert (health.state, health.faults, health.lost, health.quarantined) == ("healthy", 0, 0, 0)
        (found,) = views.routers(url)
        assert (found.decisions, found.feedback) == (600, 600)


def test_the_pooler_of_the_test_refuses_options_at_start_up(postgres_url: str) -> None:
    with transaction_pooler(postgres_url) as url:
        engine = create_engine(make_url(url), connect_args={"options": "-c statement_timeout=5s"})
        with pytest.raises(DBAPIError, match="unsupported startup parameter"):
            engine.connect()
        engine.dispose()
