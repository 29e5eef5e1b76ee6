"""A forked child routes on, as a worker of its own."""

import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from banditroute import Arm, Router

PATIENCE = 60.0

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def a_router(path: Path) -> Router:
    return Router("shared", arms=[Arm("a"), Arm("b")], store=f"sqlite:///{path / 'routing.db'}")


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_parent_and_children_learn_of_each_other(tmp_path: Path) -> None:
    router = a_router(tmp_path)
    router.feedback(router.route([0.5]).id, quality=0.5)
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            router.feedback(router.route([0.25]).id, quality=0.75)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        children = [multiprocessing.get_context("fork").Process(target=in_child, args=(router,)) for _ in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join(PATIENCE)
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert [child.exitcode for child in children] == [0, 0, 0]
    router.sync()
    digest, decided = router.digest(), router.health().n_decisions
    assert router.health().lost == 0
    router.close()
    with a_router(tmp_path) as again:
        assert (again.digest(), again.health().n_decisions) == (digest, decided)
        assert again.health().n_decisions == again.health().n_feedback


def in_child(router: Router) -> None:
    """The lock is free in the child, even if a thread of the parent held it."""
    for _ in range(20):
        router.feedback(router.route([1.0]).id, quality=0.25)
    router.close()
