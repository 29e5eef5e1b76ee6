"""Creating the tables of a database, and its version."""

from pathlib import Path

import pytest

from banditroute.errors import InvalidArgumentError
from banditroute.store.maintenance.setup import current, init
from banditroute.store.schema.version import SCHEMA_VERSION
from banditroute.testing.world import url


def test_tables_are_created_once(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with pytest.raises(InvalidArgumentError):
        current(url(path))
    assert init(url(path)) is True
    assert init(url(path)) is False
    assert current(url(path)) == SCHEMA_VERSION
