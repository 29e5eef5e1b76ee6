"""The library of tomorrow: today's, with one more migration."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from banditroute.store import migrations, schema

VERSION = "0002"
_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "NEW", "OLD", None, None


def upgrade() -> None:
    op.add_column("br_feedback", sa.Column("tomorrow", sa.Text()))
    op.execute("UPDATE br_feedback SET tomorrow = outcomes")
    op.create_index("ix_br_feedback_tomorrow", "br_feedback", ["received_us"])
"""


def written(place: Path) -> Path:
    """Where its migrations are."""
    scripts = place / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / f"{VERSION}_tomorrow.py").write_text(
        _MIGRATION.replace("NEW", VERSION).replace("OLD", schema.SCHEMA_VERSION)
    )
    return scripts


@contextmanager
def begun(scripts: Path) -> Iterator[None]:
    """As long as this lasts, it is tomorrow."""
    with (
        mock.patch.object(migrations, "__file__", str(scripts / "__init__.py")),
        mock.patch.object(schema, "SCHEMA_VERSION", VERSION),
    ):
        yield
