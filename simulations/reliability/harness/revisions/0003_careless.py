"""What a release must not do: commit every step by itself, and ask for a value that old workers do not write."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what the good one adds, and change feedback in place."""
    op.add_column("br_feedback", sa.Column("region", sa.Text(), nullable=False, server_default="here"))
    op.alter_column("br_feedback", "region", server_default=None)
    op.add_column("br_decision", sa.Column("region", sa.Text(), nullable=True))
    op.execute("COMMIT")
    op.create_index("ix_br_feedback_source", "br_feedback", ["router_id", "source"])
    op.execute("COMMIT")
    op.create_table("br_region", sa.Column("name", sa.Text(), nullable=False, primary_key=True))
