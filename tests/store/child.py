"""A process that says through a pipe what was acknowledged to it, until it is killed."""

import multiprocessing
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from tests.store.victim import ACK

PATIENCE = 30.0


@dataclass
class Child:
    process: ForkServerProcess
    acks: Connection

    @classmethod
    def start(cls, work: Callable[..., None], *arguments: object) -> "Child":
        """Run ``work(acks, *arguments)``, where ``acks`` is the file descriptor that takes the numbers."""
        # The server has imported everything once, so that a child costs a fork and no import.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.store.victim", "pytest"])
        acks, write_end = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(work, write_end, *arguments))
        process.start()
        write_end.close()
        return cls(process, acks)

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.join(PATIENCE)
        self.acks.close()

    def acknowledged_until_dead(self, *, kill_after: float | None) -> set[int]:
        """Read numbers; from the first one on, let the child live ``kill_after`` [s], then kill it."""
        received = b""
        deadline = None
        while True:
            wait = PATIENCE if deadline is None else max(deadline - time.monotonic(), 0.0)
            readable, _, _ = select.select([self.acks], [], [], wait)
            if not readable:
                assert deadline is not None, "the child stored nothing"
                self.process.kill()
                deadline = None
                kill_after = None
                continue
            chunk = os.read(self.acks.fileno(), 1 << 16)
            if not chunk:
                break
            received += chunk
            if deadline is None and kill_after is not None:
                deadline = time.monotonic() + kill_after
        self.process.join(PATIENCE)
        self.acks.close()
        whole = len(received) - len(received) % ACK.size
        return {number for (number,) in ACK.iter_unpack(received[:whole])}


def _run(work: Callable[..., None], acks: Connection, *arguments: object) -> None:
    work(acks.fileno(), *arguments)
