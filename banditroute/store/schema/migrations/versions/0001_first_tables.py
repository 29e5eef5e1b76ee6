"""The first tables."""

import sqlalchemy as sa
from alembic import op

from banditroute.store.schema import version

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the first tables."""
    if op.get_bind().dialect.supports_sequences:
        op.execute(sa.schema.CreateSequence(sa.Sequence("br_arrival", increment=1_000)))
    op.create_table(
        "br_meta",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_br_meta")),
    )
    op.create_table(
        "br_router",
        sa.Column("router_id", ID, nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=True),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("compacted_learned", sa.BigInteger(), nullable=False),
        sa.Column("compacted_decided", sa.BigInteger(), nullable=False),
        sa.Column("horizon_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("dimension > 0", name=op.f("ck_br_router_dimension")),
        sa.CheckConstraint(
            "compacted_learned >= 0 AND compacted_decided >= 0 AND horizon_us >= 0",
            name=op.f("ck_br_router_compacted"),
        ),
        sa.CheckConstraint("length(secret) > 0", name=op.f("ck_br_router_secret")),
        sa.PrimaryKeyConstraint("router_id", name=op.f("pk_br_router")),
        sa.UniqueConstraint("tenant", "name", name=op.f("uq_br_router_tenant_name")),
    )
    op.create_table(
        "br_arm",
        sa.Column("arm_id", ID, nullable=False),
        sa.Column("router_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("successor", sa.Text(), nullable=True),
        sa.Column("n_eff", sa.BigInteger(), nullable=False),
        sa.Column("price_known", sa.Boolean(), nullable=False),
        sa.Column("price_effective_us", sa.BigInteger(), nullable=False),
        sa.Column("max_output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("prior", sa.Text(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'draining', 'retired')", name=op.f("ck_br_arm_status")),
        sa.ForeignKeyConstraint(["router_id"], ["br_router.router_id"], name=op.f("fk_br_arm_router_id")),
        sa.PrimaryKeyConstraint("arm_id", name=op.f("pk_br_arm")),
        sa.UniqueConstraint("router_id", "name", name=op.f("uq_br_arm_router_id_name")),
    )
    op.create_table(
        "br_fold",
        sa.Column("router_id", ID, nullable=False),
        sa.Column("fold_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("feedback_count", sa.BigInteger(), nullable=False),
        sa.Column("state_sha256", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("fold_no >= 1 AND first_seq >= 1", name=op.f("ck_br_fold_numbers")),
        sa.CheckConstraint(
            "last_seq - first_seq + 1 = feedback_count AND feedback_count > 0", name=op.f("ck_br_fold_gapless")
        ),
        sa.CheckConstraint("length(state_sha256) = 32", name=op.f("ck_br_fold_sha256")),
        sa.ForeignKeyConstraint(["router_id"], ["br_router.router_id"], name=op.f("fk_br_fold_router_id")),
        sa.PrimaryKeyConstraint("router_id", "fold_no", name=op.f("pk_br_fold")),
    )
    op.create_table(
        "br_preference",
        sa.Column("router_id", ID, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("weights", sa.Text(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["router_id"], ["br_router.router_id"], name=op.f("fk_br_preference_router_id")),
        sa.PrimaryKeyConstraint("router_id", "version", name=op.f("pk_br_preference")),
    )
    op.create_table(
        "br_snapshot",
        sa.Column("router_id", ID, nullable=False),
        sa.Column("learned", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("decided", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("learned >= 0 AND decided >= 0", name=op.f("ck_br_snapshot_numbers")),
        sa.CheckConstraint("length(sha256) = 32", name=op.f("ck_br_snapshot_sha256")),
        sa.ForeignKeyConstraint(["router_id"], ["br_router.router_id"], name=op.f("fk_br_snapshot_router_id")),
        sa.PrimaryKeyConstraint("router_id", "learned", "decided", name=op.f("pk_br_snapshot")),
    )
    op.create_table(
        "br_decision",
        sa.Column("decision_id", ID, nullable=False),
        sa.Column("router_id", ID, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("decided", sa.BigInteger(), nullable=True),
        sa.Column("learned", sa.BigInteger(), nullable=True),
        sa.Column("arrival", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.String(length=16), nullable=True),
        sa.Column("arm_id", ID, nullable=False),
        sa.Column("propensity", sa.Double(), nullable=False),
        sa.Column("features", sa.LargeBinary(), nullable=False),
        sa.Column("arm_ids", sa.LargeBinary(), nullable=False),
        sa.Column("probabilities", sa.LargeBinary(), nullable=False),
        sa.Column("mean", sa.LargeBinary(), nullable=False),
        sa.Column("width", sa.LargeBinary(), nullable=False),
        sa.Column("preferences", sa.Text(), nullable=False),
        sa.Column("weights", sa.LargeBinary(), nullable=False),
        sa.Column("excluded", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("draw_key", sa.Text(), nullable=True),
        sa.Column("session", sa.Text(), nullable=True),
        sa.Column("cohort", sa.Text(), nullable=True),
        sa.Column("effects", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "decided >= 1 AND learned >= 0 AND (decided IS NULL) = (learned IS NULL)",
            name=op.f("ck_br_decision_numbers"),
        ),
        sa.CheckConstraint("length(body) = 16", name=op.f("ck_br_decision_body")),
        sa.CheckConstraint("propensity > 0 AND propensity <= 1", name=op.f("ck_br_decision_propensity")),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_br_decision")),
        sa.UniqueConstraint("body", "router_id", name=op.f("uq_br_decision_body_router_id")),
        sa.UniqueConstraint("router_id", "decided", name=op.f("uq_br_decision_router_id_decided")),
    )
    op.create_index(
        "ix_br_decision_pending",
        "br_decision",
        ["router_id"],
        unique=False,
        sqlite_where=sa.text("decided IS NULL"),
        postgresql_where=sa.text("decided IS NULL"),
    )
    op.create_table(
        "br_feedback",
        sa.Column("feedback_id", ID, nullable=False),
        sa.Column("router_id", ID, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("objective_group", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("learned", sa.BigInteger(), nullable=True),
        sa.Column("arrival", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.String(length=16), nullable=True),
        sa.Column("arm_id", ID, nullable=False),
        sa.Column("grid_values", sa.LargeBinary(), nullable=True),
        sa.Column("grid_previous", sa.LargeBinary(), nullable=True),
        sa.Column("outcomes", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('outcome', 'default', 'kept', 'amend', 'retract', 'refused')",
            name=op.f("ck_br_feedback_kind"),
        ),
        sa.CheckConstraint("learned >= 1", name=op.f("ck_br_feedback_learned")),
        sa.CheckConstraint("length(body) = 16", name=op.f("ck_br_feedback_body")),
        sa.CheckConstraint("length(payload) = 16", name=op.f("ck_br_feedback_payload")),
        sa.CheckConstraint("revision >= 0", name=op.f("ck_br_feedback_revision")),
        sa.PrimaryKeyConstraint("feedback_id", name=op.f("pk_br_feedback")),
        sa.UniqueConstraint(
            "body",
            "router_id",
            "objective_group",
            "revision",
            name=op.f("uq_br_feedback_body_router_id_objective_group_revision"),
        ),
        sa.UniqueConstraint("router_id", "learned", name=op.f("uq_br_feedback_router_id_learned")),
    )
    op.create_index(
        "ix_br_feedback_pending",
        "br_feedback",
        ["router_id"],
        unique=False,
        sqlite_where=sa.text("learned IS NULL"),
        postgresql_where=sa.text("learned IS NULL"),
    )
    op.create_index(
        "ix_br_feedback_refused",
        "br_feedback",
        ["router_id"],
        unique=False,
        sqlite_where=sa.text("kind = 'refused'"),
        postgresql_where=sa.text("kind = 'refused'"),
    )
    op.create_table(
        "br_report",
        sa.Column("report_id", ID, nullable=False),
        sa.Column("router_id", ID, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("outcomes", sa.Text(), nullable=False),
        sa.Column("served_arm", sa.Text(), nullable=True),
        sa.Column("amend", sa.Boolean(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("length(body) = 16", name=op.f("ck_br_report_body")),
        sa.CheckConstraint("length(payload) = 16", name=op.f("ck_br_report_payload")),
        sa.ForeignKeyConstraint(["router_id"], ["br_router.router_id"], name=op.f("fk_br_report_router_id")),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_br_report")),
        sa.UniqueConstraint("router_id", "body", "payload", name=op.f("uq_br_report_router_id_body_payload")),
    )
    op.create_table(
        "br_price",
        sa.Column("arm_id", ID, nullable=False),
        sa.Column("effective_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("input", sa.Double(), nullable=False),
        sa.Column("output", sa.Double(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("input >= 0 AND input <= 1.7976931348623157e308", name=op.f("ck_br_price_input")),
        sa.CheckConstraint("output >= 0 AND output <= 1.7976931348623157e308", name=op.f("ck_br_price_output")),
        sa.ForeignKeyConstraint(["arm_id"], ["br_arm.arm_id"], name=op.f("fk_br_price_arm_id")),
        sa.PrimaryKeyConstraint("arm_id", "effective_us", name=op.f("pk_br_price")),
    )
    op.create_table(
        "br_state",
        sa.Column("router_id", ID, nullable=False),
        sa.Column("arm_id", ID, nullable=False),
        sa.Column("objective_group", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("length(sha256) = 32", name=op.f("ck_br_state_sha256")),
        sa.ForeignKeyConstraint(["arm_id"], ["br_arm.arm_id"], name=op.f("fk_br_state_arm_id")),
        sa.ForeignKeyConstraint(["router_id"], ["br_router.router_id"], name=op.f("fk_br_state_router_id")),
        sa.PrimaryKeyConstraint("router_id", "arm_id", "objective_group", "epoch", name=op.f("pk_br_state")),
    )
    op.create_table(
        "br_base",
        sa.Column("router_id", ID, nullable=False),
        sa.Column("arm_id", ID, nullable=False),
        sa.Column("objective_group", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("length(sha256) = 32", name=op.f("ck_br_base_sha256")),
        sa.ForeignKeyConstraint(["arm_id"], ["br_arm.arm_id"], name=op.f("fk_br_base_arm_id")),
        sa.ForeignKeyConstraint(["router_id"], ["br_router.router_id"], name=op.f("fk_br_base_router_id")),
        sa.PrimaryKeyConstraint("router_id", "arm_id", "objective_group", "epoch", name=op.f("pk_br_base")),
    )
    version.describe(op.get_bind())
