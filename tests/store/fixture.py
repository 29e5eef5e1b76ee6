"""Writes a database of today's schema, and what it holds, so that later versions can be held to it.

``python -m tests.store.fixture tests/store/fixtures`` writes ``schema_VERSION.db`` and ``.json``.
Run it once for each released schema and commit both; what was released is never written again.
"""

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

from banditroute.store.schema.version import SCHEMA_VERSION
from banditroute.testing.world import World, url

STEPS = 70


def write(directory: Path) -> Path:
    """Live a little, and write down what came of it; the path of the database.

    Raises:
        FileExistsError: if there is one already.
    """
    path, facts = directory / f"schema_{SCHEMA_VERSION}.db", directory / f"schema_{SCHEMA_VERSION}.json"
    if path.exists() or facts.exists():
        raise FileExistsError(f"{path.name} is there already, and is never to be written again")
    world = World()
    with world.open(url(path)) as router:
        for number in range(STEPS):
            world.step(router, number)
        digest = router.digest()
    expected = {"schema": SCHEMA_VERSION, "steps": STEPS, "digest": digest, "rows": row_counts(path)}
    facts.write_text(json.dumps(expected, indent=2) + "\n", encoding="utf-8")
    return path


def row_counts(path: Path) -> dict[str, int]:
    """Return table → rows, for the tables that hold history."""
    database = sqlite3.connect(path)
    try:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        lived = sorted(
            name for name in names if name.startswith("br_") and name not in ("br_alembic_version", "br_meta")
        )
        query = "SELECT count(*) FROM {}"
        return {name: int(database.execute(query.format(name)).fetchone()[0]) for name in lived}
    finally:
        database.close()


def expected_of(path: Path) -> dict[str, Any]:
    """What was written down of a database."""
    expected: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return expected


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
