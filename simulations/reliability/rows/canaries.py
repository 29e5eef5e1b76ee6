"""S1: what is secret or personal does not come out where something fails."""

import base64
import contextlib
import io
import logging
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from sqlalchemy import create_engine

from banditroute.store.databases import sqlite
from simulations.reliability.harness.failing import KEY, PASSWORD, SECRET, SOURCE, Path_, near, paths
from simulations.reliability.harness.row import Finding, Tick

FORMS: Mapping[str, tuple[str, ...]] = {
    "password": (PASSWORD,),
    "secret": (SECRET.decode(), SECRET.hex(), base64.b64encode(SECRET).decode().rstrip("=")),
    "source": (SOURCE,),
    "key": (KEY,),
}
"""Canary → every form in which it would give itself away."""


@dataclass(eq=False)
class Leaks(logging.Handler):
    """Looks at every log line, error and output.

    Attributes:
        seen: Where and which canary → how often.
    """

    where: str = ""
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__init__(level=logging.DEBUG)

    def look(self, text: str, kind: str) -> None:
        """Count the canaries in a text."""
        for name, forms in FORMS.items():
            if any(form in text for form in forms):
                self.seen[f"{name} in {kind} of {self.where!r}"] += 1

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a log line, and at its traceback."""
        self.look(logging.Formatter().format(record), "log")

    def look_at(self, error: BaseException) -> None:
        """Look at an error, at everything behind it, and at what a traceback shows."""
        self.look("".join(traceback.format_exception(error)), "traceback")
        behind: BaseException | None = error
        while behind is not None:
            self.look(f"{behind} {behind!r}", "error")
            behind = behind.__cause__ or behind.__context__


@contextlib.contextmanager
def everything_logged(leaks: Leaks) -> Iterator[None]:
    """All loggers at DEBUG, SQLAlchemy's too, into ``leaks`` and nowhere else."""
    names = ("", "banditroute", "sqlalchemy")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger().addHandler(leaks)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(leaks)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@dataclass(frozen=True, slots=True)
class Canaries:
    """A canary in every place for something secret or personal, through every path that fails."""

    id: ClassVar[str] = "S1"
    does: ClassVar[str] = (
        "password, secret, e-mail and prompt canaries through failing paths, all loggers at DEBUG"
    )
    asks: ClassVar[str] = "0 in logs, errors, output; 0 in the database but what was accepted"
    control: ClassVar[str] = "`hide_parameters=False` leaks"

    def measure(self, place: Path, tick: Tick) -> Finding:
        """All paths as they are, then with parameters shown."""
        leaks, failed, count = self._walk(place / "ours", paths, tick)
        in_database = sum(
            form.encode() in path.read_bytes()
            for path in (place / "ours").glob("callers.db*")
            for name in ("password", "source", "key")
            for form in FORMS[name]
        )

        def showing(*arguments: Any, **settings: Any) -> Any:
            return create_engine(*arguments, **settings | {"hide_parameters": False})

        with mock.patch.object(sqlite, "create_engine", showing):
            control, _, _ = self._walk(place / "control", near, lambda *_: None)
        measured: dict[str, float | str] = {
            "paths": count,
            "failed, or were whole again": failed,
            "leaks": leaks.seen.total(),
            "in the database": in_database,
        }
        measured |= {f"× {where}": number for where, number in leaks.seen.most_common(5)}
        holds = not leaks.seen and not in_database and failed == count
        return Finding(measured, holds, {"leaks": control.seen.total()}, control.seen.total() > 0)

    def _walk(self, place: Path, walk: Callable[[Path], Iterator[Path_]], tick: Tick) -> tuple[Leaks, int, int]:
        place.mkdir()
        leaks, failed, count = Leaks(), 0, 0
        with everything_logged(leaks):
            for name, path in walk(place):
                leaks.where, count = name, count + 1
                output = io.StringIO()
                with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                    try:
                        answer = path()
                    except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever it is, it is looked at)
                        failed += 1
                        leaks.look_at(error)
                    else:
                        # What is held back or comes later says so in words.
                        failed += bool(answer)
                        leaks.look(str(answer), "answer")
                leaks.look(output.getvalue(), "output")
                tick(count, count)
        return leaks, failed, count
