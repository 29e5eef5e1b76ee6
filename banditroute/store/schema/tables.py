"""The tables: one set holds many routers of many tenants.

Rows of decisions and feedback are appended without a number, and numbered by the fold; ``arrival`` keeps the order
of each worker. ``worker`` is the worker that appended the row, NULL for feedback that the store made from a
report.
These two tables have no foreign keys: arms and routers are never removed, a check would cost a lookup for every
row, and the decision of a feedback may arrive after it.

Only types that every database has are used. Times are int64 microseconds, UTC. Arrays are little-endian blobs:
int32 features on their grid, int64 outcomes on theirs, float64 for all other numbers. NaN is never
stored: SQLite turns it into NULL, which NOT NULL refuses, and each CHECK is written so that NaN fails it.
"""

from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

Row: TypeAlias = dict[str, Any]

# SQLite numbers rows by itself only where the type is INTEGER.
_Id = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ARRIVALS_DRAWN = 1_000

arrivals = Sequence("br_arrival", increment=ARRIVALS_DRAWN, metadata=metadata)
"""Numbers decisions and feedback as they arrive, where the database has sequences; else ``br_meta`` counts.

A worker draws many numbers at once: they only keep its own order, and tell nothing of when a row was committed.
"""

meta = Table(
    "br_meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

router = Table(
    "br_router",
    metadata,
    Column("router_id", _Id, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("dimension", Integer),
    Column("spec", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    # Moves with every change of arms, prices, preferences or dimension; who changes one holds this row.
    Column("revision", BigInteger, nullable=False),
    # What of the log is gone: everything up to these numbers, but for decisions with feedback from behind them.
    Column("compacted_learned", BigInteger, nullable=False),
    Column("compacted_decided", BigInteger, nullable=False),
    Column("horizon_us", BigInteger, nullable=False),
    UniqueConstraint("tenant", "name"),
    CheckConstraint("dimension > 0", name="dimension"),
    CheckConstraint("compacted_learned >= 0 AND compacted_decided >= 0 AND horizon_us >= 0", name="compacted"),
    CheckConstraint("length(secret) > 0", name="secret"),
)

# Secrets that no longer tag new ids, or did so while the database was unavailable; their ids stay valid.
secret = Table(
    "br_secret",
    metadata,
    Column("router_id", _Id, ForeignKey("br_router.router_id"), primary_key=True),
    Column("secret", LargeBinary, primary_key=True),
    Column("recorded_us", BigInteger, nullable=False),
    CheckConstraint("length(secret) >= 32", name="secret"),
)

arm = Table(
    "br_arm",
    metadata,
    Column("arm_id", _Id, primary_key=True),
    Column("router_id", _Id, ForeignKey("br_router.router_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("successor", Text),
    Column("n_eff", BigInteger, nullable=False),
    Column("price_known", Boolean, nullable=False),
    Column("price_effective_us", BigInteger, nullable=False),
    Column("max_output_tokens", BigInteger),
    Column("prior", Text, nullable=False),
    Column("recorded_us", BigInteger, nullable=False),
    Column("descriptors", Text),
    UniqueConstraint("router_id", "name"),
    CheckConstraint("status IN ('active', 'draining', 'retired')", name="status"),
)

price = Table(
    "br_price",
    metadata,
    Column("arm_id", _Id, ForeignKey("br_arm.arm_id"), primary_key=True),
    Column("effective_us", BigInteger, primary_key=True, autoincrement=False),
    Column("input", Double, nullable=False),
    Column("output", Double, nullable=False),
    Column("recorded_us", BigInteger, nullable=False),
    Column("cache_read", Double),
    Column("cache_write", Double),
    Column("reasoning", Double),
    Column("per_request", Double),
    Column("tiers", Text),
    CheckConstraint("input >= 0 AND input <= 1.7976931348623157e308", name="input"),
    CheckConstraint("output >= 0 AND output <= 1.7976931348623157e308", name="output"),
)

preference = Table(
    "br_preference",
    metadata,
    Column("router_id", _Id, ForeignKey("br_router.router_id"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("weights", Text, nullable=False),
    Column("recorded_us", BigInteger, nullable=False),
    Column("profile", Text),
    Column("author", Text),
    Column("reason", Text),
)

decision = Table(
    "br_decision",
    metadata,
    Column("decision_id", _Id, primary_key=True),
    Column("router_id", _Id, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # The fold sets both; NULL until then.
    Column("decided", BigInteger),
    Column("learned", BigInteger),
    Column("arrival", BigInteger, nullable=False),
    Column("worker", String(16)),
    Column("arm_id", _Id, nullable=False),
    Column("propensity", Double, nullable=False),
    Column("features", LargeBinary, nullable=False),
    Column("arm_ids", LargeBinary, nullable=False),
    Column("probabilities", LargeBinary, nullable=False),
    Column("mean", LargeBinary, nullable=False),
    Column("width", LargeBinary, nullable=False),
    Column("preferences", Text, nullable=False),
    Column("weights", LargeBinary, nullable=False),
    Column("excluded", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("mode", String(16), nullable=False),
    Column("cause", Text, nullable=False),
    Column("draw_key", Text),
    Column("session", Text),
    Column("cohort", Text),
    Column("effects", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    # Schema 0002: the attempts of one request, and the feature space of the row.
    Column("request_id", Text),
    Column("parent", LargeBinary),
    Column("relation", Text),
    Column("space_id", _Id),
    UniqueConstraint("body", "router_id"),
    UniqueConstraint("router_id", "decided"),
    CheckConstraint("length(body) = 16", name="body"),
    CheckConstraint("decided >= 1 AND learned >= 0 AND (decided IS NULL) = (learned IS NULL)", name="numbers"),
    CheckConstraint("propensity > 0 AND propensity <= 1", name="propensity"),
)
Index(
    "ix_br_decision_pending",
    decision.c.router_id,
    sqlite_where=text("decided IS NULL"),
    postgresql_where=text("decided IS NULL"),
)

feedback = Table(
    "br_feedback",
    metadata,
    Column("feedback_id", _Id, primary_key=True),
    Column("router_id", _Id, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("objective_group", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("learned", BigInteger),
    Column("arrival", BigInteger, nullable=False),
    Column("worker", String(16)),
    Column("arm_id", _Id, nullable=False),
    Column("grid_values", LargeBinary),
    Column("grid_previous", LargeBinary),
    Column("outcomes", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("source", Text),
    Column("received_us", BigInteger, nullable=False),
    Column("usage", Text),
    UniqueConstraint("body", "router_id", "objective_group", "revision"),
    UniqueConstraint("router_id", "learned"),
    CheckConstraint("length(body) = 16", name="body"),
    CheckConstraint("learned >= 1", name="learned"),
    CheckConstraint("revision >= 0", name="revision"),
    CheckConstraint("length(payload) = 16", name="payload"),
    CheckConstraint("kind IN ('outcome', 'default', 'kept', 'amend', 'retract', 'refused')", name="kind"),
)
Index(
    "ix_br_feedback_pending",
    feedback.c.router_id,
    sqlite_where=text("learned IS NULL"),
    postgresql_where=text("learned IS NULL"),
)
Index(
    "ix_br_feedback_refused",
    feedback.c.router_id,
    sqlite_where=text("kind = 'refused'"),
    postgresql_where=text("kind = 'refused'"),
)

report = Table(
    "br_report",
    metadata,
    Column("report_id", _Id, primary_key=True),
    Column("router_id", _Id, ForeignKey("br_router.router_id"), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("outcomes", Text, nullable=False),
    Column("served_arm", Text),
    Column("amend", Boolean, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("source", Text),
    Column("received_us", BigInteger, nullable=False),
    Column("usage", Text),
    UniqueConstraint("router_id", "body", "payload"),
    CheckConstraint("length(body) = 16", name="body"),
    CheckConstraint("length(payload) = 16", name="payload"),
)


def of_router(table: Table, router_id: Any) -> ColumnElement[bool]:
    """Return the condition that rows, which were found by their nearly unique body, belong to a router.

    The sum hides the column from query planners: with statistics older than the router a planner assumes it empty,
    and reads its whole log instead of looking up the bodies.
    """
    here: ColumnElement[bool] = table.c.router_id + 0 == router_id
    return here


with_decision = (decision.c.body == feedback.c.body) & of_router(decision, feedback.c.router_id)
"""How feedback is joined with its decision."""

state = Table(
    "br_state",
    metadata,
    Column("router_id", _Id, ForeignKey("br_router.router_id"), primary_key=True),
    Column("arm_id", _Id, ForeignKey("br_arm.arm_id"), primary_key=True),
    Column("objective_group", String(64), primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("blob", LargeBinary, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    CheckConstraint("length(sha256) = 32", name="sha256"),
)

# The sums of what is gone from the log: from here on, the log makes the state.
base = Table(
    "br_base",
    metadata,
    Column("router_id", _Id, ForeignKey("br_router.router_id"), primary_key=True),
    Column("arm_id", _Id, ForeignKey("br_arm.arm_id"), primary_key=True),
    Column("objective_group", String(64), primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("blob", LargeBinary, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    CheckConstraint("length(sha256) = 32", name="sha256"),
)

fold = Table(
    "br_fold",
    metadata,
    Column("router_id", _Id, ForeignKey("br_router.router_id"), primary_key=True),
    Column("fold_no", BigInteger, primary_key=True, autoincrement=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("feedback_count", BigInteger, nullable=False),
    Column("state_sha256", LargeBinary, nullable=False),
    CheckConstraint("fold_no >= 1 AND first_seq >= 1", name="numbers"),
    CheckConstraint("last_seq - first_seq + 1 = feedback_count AND feedback_count > 0", name="gapless"),
    CheckConstraint("length(state_sha256) = 32", name="sha256"),
)

snapshot = Table(
    "br_snapshot",
    metadata,
    Column("router_id", _Id, ForeignKey("br_router.router_id"), primary_key=True),
    Column("learned", BigInteger, primary_key=True, autoincrement=False),
    Column("decided", BigInteger, primary_key=True, autoincrement=False),
    Column("blob", LargeBinary, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("recorded_us", BigInteger, nullable=False),
    CheckConstraint("learned >= 0 AND decided >= 0", name="numbers"),
    CheckConstraint("length(sha256) = 32", name="sha256"),
)

# Frozen transformations of contexts; an epoch of sums belongs to one space.
space = Table(
    "br_space",
    metadata,
    Column("space_id", _Id, primary_key=True),
    Column("router_id", _Id, ForeignKey("br_router.router_id"), nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("names", Text, nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("recorded_us", BigInteger, nullable=False),
    UniqueConstraint("router_id", "fingerprint"),
    CheckConstraint("dimension > 0", name="dimension"),
    CheckConstraint("length(sha256) = 32", name="sha256"),
)

# Sums of rows from outside the log, under an idempotent key; each is weighted by 2 to the minus ``halvings``.
warm_start = Table(
    "br_warm_start",
    metadata,
    Column("router_id", _Id, ForeignKey("br_router.router_id"), primary_key=True),
    Column("warm_key", LargeBinary, primary_key=True),
    Column("arm_id", _Id, ForeignKey("br_arm.arm_id"), primary_key=True),
    Column("objective_group", String(64), primary_key=True),
    Column("halvings", Integer, nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("recorded_us", BigInteger, nullable=False),
    CheckConstraint("length(sha256) = 32", name="sha256"),
)

# Alembic's own table: apart from ours, so that comparing a database with our tables leaves it out, and under our
# prefix, so that an application may keep its own in the same database.
alembic_version = Table(
    "br_alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="br_alembic_version_pkc"),
)
