"""Accepted secrets; columns and tables for attempts, feature spaces, detailed prices and warm starts.

It only adds nullable columns and empty tables, so that workers of schema 0001 that are open during the upgrade
continue. Sums of a wider range need no column: each blob carries the version of its codec.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

COLUMNS: dict[str, list[tuple[str, Any]]] = {
    "br_decision": [("request_id", sa.Text), ("parent", sa.LargeBinary), ("relation", sa.Text), ("space_id", ID)],
    "br_feedback": [("usage", sa.Text)],
    "br_report": [("usage", sa.Text)],
    "br_arm": [("descriptors", sa.Text)],
    "br_price": [
        ("cache_read", sa.Double),
        ("cache_write", sa.Double),
        ("reasoning", sa.Double),
        ("per_request", sa.Double),
        ("tiers", sa.Text),
    ],
    "br_preference": [("profile", sa.Text), ("author", sa.Text), ("reason", sa.Text)],
}


def upgrade() -> None:
    """Add the columns and tables."""
    for table, columns in COLUMNS.items():
        for name, kind in columns:
            op.add_column(table, sa.Column(name, kind, nullable=True))
    op.create_table(
        "br_secret",
        sa.Column("router_id", ID, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("length(secret) >= 32", name=op.f("ck_br_secret_secret")),
        sa.ForeignKeyConstraint(["router_id"], ["br_router.router_id"], name=op.f("fk_br_secret_router_id")),
        sa.PrimaryKeyConstraint("router_id", "secret", name=op.f("pk_br_secret")),
    )
    op.create_table(
        "br_space",
        sa.Column("space_id", ID, nullable=False),
        sa.Column("router_id", ID, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("dimension > 0", name=op.f("ck_br_space_dimension")),
        sa.CheckConstraint("length(sha256) = 32", name=op.f("ck_br_space_sha256")),
        sa.ForeignKeyConstraint(["router_id"], ["br_router.router_id"], name=op.f("fk_br_space_router_id")),
        sa.PrimaryKeyConstraint("space_id", name=op.f("pk_br_space")),
        sa.UniqueConstraint("router_id", "fingerprint", name=op.f("uq_br_space_router_id_fingerprint")),
    )
    op.create_table(
        "br_warm_start",
        sa.Column("router_id", ID, nullable=False),
        sa.Column("warm_key", sa.LargeBinary(), nullable=False),
        sa.Column("arm_id", ID, nullable=False),
        sa.Column("objective_group", sa.String(length=64), nullable=False),
        sa.Column("halvings", sa.Integer(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("length(sha256) = 32", name=op.f("ck_br_warm_start_sha256")),
        sa.ForeignKeyConstraint(["arm_id"], ["br_arm.arm_id"], name=op.f("fk_br_warm_start_arm_id")),
        sa.ForeignKeyConstraint(["router_id"], ["br_router.router_id"], name=op.f("fk_br_warm_start_router_id")),
        sa.PrimaryKeyConstraint(
            "router_id", "warm_key", "arm_id", "objective_group", name=op.f("pk_br_warm_start")
        ),
    )
