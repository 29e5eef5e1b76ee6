"""What a next release might add: a nullable column, an index and a table."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them, all in the transaction of the upgrade."""
    op.add_column("br_decision", sa.Column("region", sa.Text(), nullable=True))
    op.create_index("ix_br_feedback_source", "br_feedback", ["router_id", "source"])
    op.create_table("br_region", sa.Column("name", sa.Text(), nullable=False, primary_key=True))
    op.execute("INSERT INTO br_region (name) VALUES ('here')")
