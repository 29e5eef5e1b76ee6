"""An activity, the disk on which it begins, and who dies there: forks of a process that has it all loaded."""

import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import struct
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from simulations.reliability.harness import release
from simulations.reliability.harness.activities import ACTIVITIES, Activity, Say
from simulations.reliability.harness.aftermath import Aftermath, aftermath
from simulations.reliability.harness.steps import Disk, Step, steps_of

LONGEST_S = 120
ACK = struct.Struct("<q")


def forked(work: Callable[[int], None]) -> tuple[bytes, bool]:
    """What a fork of this process wrote into its pipe, and whether it was killed.

    Raises:
        ChildProcessError: if it ended by an error of its own, or not at all.
    """
    read_end, write_end = os.pipe()
    process = os.fork()
    if not process:
        try:
            signal.alarm(LONGEST_S)
            work(write_end)
            os._exit(0)
        except BaseException:  # noqa: BLE001  (what is behind this fork is the parent's)
            traceback.print_exc()
            os._exit(1)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        said = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise ChildProcessError(f"a child ended with {status}")
    return said, status != 0


def acks_to(pipe: int) -> Say:
    """Acknowledge through a pipe."""
    return lambda number: _written(pipe, ACK.pack(number))


def numbers(said: bytes) -> list[int]:
    """What came out of it."""
    return [number for (number,) in ACK.iter_unpack(said)]


@dataclass(frozen=True)
class Scene:
    """One activity, and the disk on which it begins.

    Attributes:
        acknowledged: What was before.
        digest: Of what was known before.
    """

    name: str
    activity: Activity
    place: Path
    template: Path
    scripts: Path
    acknowledged: list[int]
    digest: str

    @classmethod
    def set(cls, name: str, place: Path, scripts: Path) -> "Scene":
        """Make the disk."""
        activity = ACTIVITIES[name]
        place.mkdir()
        template = place / "template"
        template.mkdir()
        said = b""
        for begin in activity.begin:
            said += forked(partial(_acting, begin, template))[0]
        bare = cls(name, activity, place, template, scripts, numbers(said), "")
        with bare.disk() as disk:
            before = bare.looked([disk.written], bare.acknowledged, "")[0]
        if activity.keeps:
            assert before.unrecoverable == before.lost == 0, before.why
        return dataclasses.replace(bare, digest=before.digest)

    @contextlib.contextmanager
    def disk(self) -> Iterator[Disk]:
        """A fresh one."""
        place = self.place / "disk"
        place.mkdir()
        yield Disk.of(self.template, place)
        shutil.rmtree(place)

    def die(self, disk: Disk, **how: int) -> tuple[list[int], bool]:
        """Let a process do it, and die: everything that was acknowledged then, and whether it came to that."""

        def work(pipe: int) -> None:
            with self.library():
                disk.begin(**how)
                self.activity.act(disk.written, acks_to(pipe))

        said, killed = forked(work)
        return self.acknowledged + numbers(said), killed

    def looked(self, images: Sequence[Path], acknowledged: Sequence[int], digest: str) -> list[Aftermath]:
        """Look at disks, in a process of its own."""

        def work(pipe: int) -> None:
            with self.library():
                found = [aftermath(image, self.activity, acknowledged, digest) for image in images]
            _written(pipe, json.dumps([dataclasses.asdict(each) for each in found]).encode())

        return [Aftermath(**each) for each in json.loads(forked(work)[0])]

    def library(self) -> contextlib.AbstractContextManager[None]:
        """The library that does it: today's, or the next release."""
        return release.installed(self.scripts) if self.activity.upgrades else contextlib.nullcontext()

    def steps(self) -> list[Step]:
        """Return all steps of a run without a kill."""
        trace = self.place / "steps"
        with self.disk() as disk, trace.open("wb") as lines:
            self.die(disk, lines=lines.fileno())
        return steps_of(trace.read_text())

    def death(self, number: int, *, halfway: bool, cut: bool, dice: random.Random) -> dict[str, Any]:
        """Die before a step, or halfway through it; with ``cut`` the power is cut in that moment, too."""
        with self.disk() as disk:
            acknowledged, killed = self.die(disk, die=number, halfway=halfway)
            images, place = [disk.written], disk.written.parent
            if cut:
                images += [disk.after_cut(place / "synced"), disk.torn(place / "torn", dice)]
            found = sum(self.looked(images, acknowledged, self.digest), Aftermath())
        if not found.none:
            found.why = f"{self.name}, step {number}{' halfway' * halfway}: {found.why}"
        return {
            "activity": self.name,
            "killed": killed,
            "halfway": killed and halfway,
            "cut": cut,
            "acknowledged": len(acknowledged),
            "found": dataclasses.asdict(found),
        }

    def pretence(self, sync: int, cuts: Sequence[int]) -> dict[str, Any]:
        """Leave out a sync, and cut the power before one of these steps, until that is seen."""
        found = Aftermath()
        for number in cuts:
            with self.disk() as disk:
                acknowledged, _ = self.die(disk, die=number, pretend=sync)
                image = disk.after_cut(disk.written.parent / "synced")
                (found,) = self.looked([image], acknowledged, self.digest)
            if not found.none:
                break
        return {"found": dataclasses.asdict(found)}


def _acting(act: Callable[[Path, Say], None], disk: Path, pipe: int) -> None:
    act(disk, acks_to(pipe))


def _written(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]
