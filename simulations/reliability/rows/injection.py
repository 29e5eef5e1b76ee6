"""F3: strings that mean something in SQL mean nothing to us."""

import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from banditroute import Arm, Fixed, Objective
from banditroute.errors import BanditRouteError
from banditroute.testing import engine_of
from banditroute.testing.world import OBJECTIVES, a_router, a_vector, bodies, url
from simulations.reliability.harness.row import Finding, Tick

PIECES: Sequence[str] = (
    "'", '"', "`", "''", "';", '";', "--", "/*", "*/", "#", ";", "\\", "\\'", "%", "_", "%s", "%(x)s", "?", ":x",
    ":1",
    "$1", "@x", "{}", "{0}", "[", "]", "(", ")", "=", "||", " OR 1=1", " UNION SELECT 1", "DROP TABLE br_arm",
    "DELETE FROM br_feedback", "UPDATE br_state SET blob = x''", "ATTACH 'x' AS y", "PRAGMA writable_schema = 1",
    "NULL", "x'00'", "char(0)", "0x", "é", "ʼ", "＇", "日", " ",
)  # fmt: skip


def metacharacters(count: int, *, seed: int) -> list[str]:
    """Different strings of what SQL gives a meaning to: each piece alone, then several at random."""
    dice = random.Random(seed)  # noqa: S311  (no secrets)
    found = dict.fromkeys(PIECES)
    while len(found) < count:
        found["".join(dice.choices(PIECES, k=dice.randint(2, 5)))] = None
    return [text for text in found if text.strip()][:count]


@dataclass(frozen=True, slots=True)
class Metacharacters:
    """So many strings, each in every argument that takes one."""

    id: ClassVar[str] = "F3"
    does: ClassVar[str] = "strings of SQL metacharacters in every argument that takes a string"
    asks: ClassVar[str] = (
        "each comes back as it was or is refused by our own error; schema and other rows unchanged"
    )
    control: ClassVar[str] = "the same strings pasted into a statement"

    strings: int = 200

    def measure(self, place: Path, tick: Tick) -> Finding:
        """A router for each string, all of them in one database."""
        path = place / "all.db"
        with a_router(url(path), name="bystander", ids=bodies()) as bystander:
            for number in range(5):
                bystander.feedback(bystander.route(a_vector(number)).id, quality=0.5)
            digest = bystander.digest()
        schema = _schema(path)
        texts, changed, refused, places = metacharacters(self.strings, seed=41), 0, 0, 0
        for number, text in enumerate(texts):
            for sent, came_back in _journey(url(path), text, number):
                places += 1
                changed += sent != came_back and came_back is not _REFUSED
                refused += came_back is _REFUSED
            tick(number + 1, len(texts))
        with a_router(url(path), name="bystander", preferences=None) as bystander:
            untouched = bystander.digest() == digest
        same = _schema(path) == schema
        broken = sum(_pasted(text) for text in texts)
        measured = {
            "strings": len(texts),
            "round trips": places,
            "changed": changed,
            "refused": refused,
            "tables changed": int(not same) + int(not untouched),
        }
        control = {"statements that fail or do something else": broken}
        return Finding(measured, not changed and same and untouched, control, broken > len(texts) / 10)


_REFUSED = object()


def _journey(target: str, text: str, number: int) -> Iterator[tuple[object, object]]:
    """(what was given, what came back) of each argument."""
    arms = [Arm(text, prior={"quality": 0.25}), Arm(f"{text} 2")]
    objectives = (Objective("quality", group=text), *OBJECTIVES[1:])
    given: dict[str, Any] = {"name": text, "tenant": text, "arms": arms, "objectives": objectives}
    given |= {
        "policy": Fixed(text),
        "ids": bodies(number * 100 + 1001),
        "features": [text, "b", "c"],
        "default_arm": text,
    }
    with a_router(target, **given) as router:
        decision = router.route(
            {text: 0.1, "b": 0.2, "c": 0.3}, key=text, session=text, cohort=text, incumbent=text, allowed=[text]
        )
        router.feedback(decision.id, source=text, served_arm=text, quality=0.5)
        router.add_arm(Arm(f"{text} 3"))
        router.retire_arm(f"{text} 2", successor=text)
        names = list(router.arms)
        for call in (
            lambda: router.feedback(text, quality=0.5),
            lambda: router.route(a_vector(1), preferences={text: 1.0}),
            lambda: router.route(a_vector(1), allowed=[f"{text} 4"]),
            lambda: router.feedback(decision.id, **_named(text)),
        ):
            yield text, _answer(call)
        if not text.isidentifier():
            yield text, _answer(lambda: Objective(text))
    with a_router(target, preferences=None, **given) as router:
        yield names, list(router.arms)
        told = router.why(decision.id)
        yield text, told.decision.draw_key
        yield text, told.decision.arm
        yield text, told.feedback[0].source
        yield text, told.feedback[0].group
        yield text, router.spec.name
        yield text, router.spec.tenant
        yield text, engine_of(router).state.arms.record(f"{text} 2").successor


def _named(text: str) -> dict[str, Any]:
    return {text: 0.5}


def _answer(call: Any) -> object:
    try:
        call()
    except BanditRouteError:
        return _REFUSED
    return "accepted"


def _schema(path: Path) -> list[Any]:
    database = sqlite3.connect(path)
    try:
        return database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
    finally:
        database.close()


def _pasted(text: str) -> bool:
    """Whether a statement with the text pasted into it does anything but store it."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE note (text)")
    try:
        database.executescript(f"INSERT INTO note VALUES ('{text}')")  # noqa: S608  (the mistake)
        return database.execute("SELECT text FROM note").fetchall() != [(text,)]
    except sqlite3.Error:
        return True
    finally:
        database.close()
