"""Steps on a disk: how a process is made to die at one of them, and what the disk holds after a power cut."""

import ctypes
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("steps.c")
PAGE = 4096
NEVER = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a process on its disk.

    Attributes:
        kind: ``"w"`` for a write, ``"s"`` for a sync, or one of the others of ``steps.c``.
        name: Of the file or directory, from the disk's root on.
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Disk:
    """A directory of files as they were written, and beside it copies of what was synced of them."""

    written: Path
    copies: Path

    @classmethod
    def of(cls, content: Path, place: Path) -> "Disk":
        """A disk on which all of that is, and is synced."""
        disk = cls(place / "written", place / "copies")
        shutil.copytree(content, disk.written)
        disk.copies.mkdir()
        for directory, _, names in os.walk(disk.written):
            here = Path(directory)
            entries = [
                f"{entry.inode()} {'d' if entry.is_dir() else 'f'} {entry.name}\n" for entry in os.scandir(here)
            ]
            (disk.copies / str(here.stat().st_ino)).write_text("".join(entries))
            for name in names:
                shutil.copyfile(here / name, disk.copies / str((here / name).stat().st_ino))
        return disk

    def begin(self, *, die: int = NEVER, halfway: int = 0, pretend: int = NEVER, lines: int = -1) -> None:
        """Count the steps of this process, which was started with the library, from now on.

        It dies before step ``die``, or ``halfway`` through it, and only pretends to do the sync that is step
        ``pretend``. A line about each step goes to the file descriptor ``lines``.
        """
        places = os.fsencode(self.written), os.fsencode(self.copies)
        library = ctypes.CDLL(None)
        library.steps_begin(*places, ctypes.c_long(die), halfway, ctypes.c_long(pretend), ctypes.c_int(lines))

    def after_cut(self, image: Path) -> Path:
        """What is on it after a power cut, if nothing is but what was synced."""
        image.mkdir()
        for name, inode in self._synced().items():
            _write(image / name, self._copy(inode))
        return image

    def torn(self, image: Path, dice: random.Random) -> Path:
        """The same if of everything else any part is: names and pages of files by lot as synced or as written."""
        image.mkdir()
        old = self._synced()
        new = {
            path.relative_to(self.written): path.stat().st_ino
            for path in self.written.rglob("*")
            if path.is_file()
        }
        written = {inode: (self.written / name).read_bytes() for name, inode in new.items()}
        for name in sorted(old.keys() | new.keys()):
            inode = dice.choice((old.get(name), new.get(name)))
            if inode is not None:
                before = self._copy(inode)
                _write(image / name, _torn(before, written.get(inode, before), dice))
        return image

    def _copy(self, inode: int) -> bytes:
        """What was synced of a file."""
        copy = self.copies / str(inode)
        return copy.read_bytes() if copy.exists() else b""

    def _synced(self) -> dict[Path, int]:
        """Synced names of files → their inodes."""

        def below(inode: int, here: Path) -> Iterator[tuple[Path, int]]:
            for line in self._copy(inode).decode().splitlines():
                number, kind, name = line.split(" ", 2)
                if kind == "d":
                    yield from below(int(number), here / name)
                else:
                    yield here / name, int(number)

        return dict(below(self.written.stat().st_ino, Path()))


def steps_of(lines: str) -> list[Step]:
    """What the library wrote about the steps."""
    return [Step(*line.split(" ", 1)) for line in lines.splitlines()]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _torn(before: bytes, after: bytes, dice: random.Random) -> bytes:
    length = max(min(len(before), len(after)), dice.choice((len(before), len(after))))
    pages = (dice.choice((before, after))[at : at + PAGE] for at in range(0, length, PAGE))
    # A page that one of the two did not reach is full of zeros.
    return b"".join(page.ljust(PAGE, b"\0") for page in pages)[:length]
