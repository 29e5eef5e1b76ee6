"""A store that is collected by one of its own threads, in the middle of what that does."""

import gc
import threading
from collections.abc import Mapping, Sequence

import pytest

from banditroute.core.log import FeedbackRecord, StateKey
from banditroute.store.sql.store import SqlStore
from banditroute.testing import SPEC, a_decision, feedback_of, summing
from banditroute.testing.records import ARMS, PREFERENCES, SECRET, open_router, reporting

PATIENCE = 30.0


class Collecting:
    """A fold that, once it is told to, collects what nobody holds any more."""

    def __init__(self) -> None:
        self.folds, self.go = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(
        self, blobs: Mapping[StateKey, bytes], rows: Sequence[FeedbackRecord]
    ) -> Mapping[StateKey, bytes]:
        if not self.folds.is_set():
            self.thread = threading.current_thread()
            self.folds.set()
            assert self.go.wait(PATIENCE)
            gc.collect()
        return summing(blobs, rows)


def in_the_middle_of_a_fold(url: str, fold: Collecting) -> tuple[threading.Thread, ...]:
    """Let a store go while it folds in a thread of its own; those that it had."""
    store = SqlStore(url)
    store.open(SPEC, ARMS, PREFERENCES, secret=SECRET, fold=fold, resolve=reporting)
    store.append([a_decision(1), feedback_of(a_decision(1), 1)])
    assert fold.folds.wait(PATIENCE)
    store.append([a_decision(2), feedback_of(a_decision(2), 2)])
    assert store.worker is not None
    folder = store.worker.folder
    # A cycle, as a router is a part of; only the collector finds it.
    store.myself = store  # type: ignore[attr-defined]
    return (store.worker.writer.thread, *(() if folder is None else (folder.thread,)))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_it_is_closed_and_nothing_is_lost(kind: str, request: pytest.FixtureRequest) -> None:
    url = (
        f"sqlite:///{request.getfixturevalue('tmp_path')}/collected.db"
        if kind == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    fold = Collecting()
    threads = in_the_middle_of_a_fold(url, fold)
    assert fold.thread in threads
    fold.go.set()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    for thread in threading.enumerate():
        if thread.name == "banditroute-closing":
            thread.join(PATIENCE)
    store = SqlStore(url)
    assert open_router(store).end == (2, 2)
    store.close()
