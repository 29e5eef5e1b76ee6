"""Starts victims, reads what they acknowledge, and kills them."""

import multiprocessing
import os
import random
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from banditroute.store.sql.store import SqlStore
from simulations.reliability.harness.victim import ACK, append_for_ever

PATIENCE = 30.0


@dataclass
class Child:
    """A process at work, and the pipe through which it acknowledges."""

    process: ForkServerProcess
    acks: Connection

    @classmethod
    def start(cls, work: Callable[..., None], *arguments: object) -> "Child":
        """Run ``work(acks, *arguments)``, where ``acks`` is the file descriptor that takes the numbers."""
        # The server has imported everything once, so that a child costs a fork and no import.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(
            ["simulations.reliability.harness.victim", "banditroute.store.schema.migrations"]
        )
        acks, write_end = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(work, write_end, *arguments))
        process.start()
        write_end.close()
        return cls(process, acks)

    def end(self) -> None:
        """Kill it without looking."""
        self.process.kill()
        self.process.join(PATIENCE)
        self.acks.close()

    def acknowledged_until_dead(self, *, kill_after: float | None) -> set[int]:
        """Read numbers; from the first one on, let the child live ``kill_after`` [s], then kill it.

        Raises:
            TimeoutError: if it acknowledges nothing at all.
        """
        received = b""
        deadline = None
        while True:
            wait = PATIENCE if deadline is None else max(deadline - time.monotonic(), 0.0)
            readable, _, _ = select.select([self.acks], [], [], wait)
            if not readable:
                if deadline is None:
                    raise TimeoutError("the child stored nothing")
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
        return numbers(received)


def numbers(received: bytes) -> set[int]:
    """The acknowledged numbers; the last one may have been cut off."""
    whole = len(received) - len(received) % ACK.size
    return {number for (number,) in ACK.iter_unpack(received[:whole])}


def _run(work: Callable[..., None], acks: Connection, *arguments: object) -> None:
    work(acks.fileno(), *arguments)


def killed(
    place: Path, kind: type[SqlStore], kills: int, *, seed: int, longest: float = 0.13
) -> Iterator[tuple[Path, set[int]]]:
    """Kill one child after the other; the database that each left, and what it had acknowledged.

    The next child runs while the caller looks at what the last one left.
    """
    moments = random.Random(seed)  # noqa: S311  (moments, no secrets)

    def start(number: int) -> tuple[Path, Child]:
        path = place / f"{number}.db"
        return path, Child.start(append_for_ever, f"sqlite:///{path}", kind)

    path, child = start(0)
    try:
        for number in range(1, kills + 1):
            acknowledged = child.acknowledged_until_dead(kill_after=moments.uniform(0.0, longest))
            left = path
            path, child = start(number)
            yield left, acknowledged
    finally:
        child.end()
