"""Health of a store and of a router: plain values, without secrets."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeAlias

StoreState: TypeAlias = Literal["healthy", "spooling", "replaying", "unavailable", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHealth(Mapping[str, Any]):
    """How a store does; also a read-only mapping of its attributes, as in ``health["state"]``.

    Attributes:
        database: ``"memory"``, ``"sqlite"`` or ``"postgresql"``.
        state: ``"healthy"``; ``"spooling"`` while records wait on local disk for the database; ``"replaying"``
            while they return; ``"unavailable"`` without a spool; ``"closed"``.
        available: Whether the database answered just now.
        last_error: The last error of the database or of a record that was not stored; empty if there was none.
        lag_s: For how long something has waited for the fold [s].
        pending: Rows that wait for the fold.
        orphans: Feedback that waits for its decision.
        reports: Reports that wait for their decision.
        expired: Feedback that waited too long for its decision.
        quarantined: Rows that were unreadable when they were folded; skipped by every worker.
        unreadable: Rows that became unreadable since, as far as this worker has read; skipped by it.
        rebuilt_sums: Stored sums that were corrupt and rebuilt from the log.
        refused_reports: Reports that were refused when their decision arrived.
        spooled: Records on local disk that wait for the database.
        spool_bytes: Their size [bytes].
        dropped: Decisions that were not kept because the spool was full.
        set_aside: Spooled records that the database refused; they are kept in files.
    """

    database: str
    state: StoreState = "healthy"
    available: bool = True
    last_error: str = ""
    lag_s: float = 0.0
    pending: int = 0
    orphans: int = 0
    reports: int = 0
    expired: int = 0
    quarantined: int = 0
    unreadable: int = 0
    rebuilt_sums: int = 0
    refused_reports: int = 0
    spooled: int = 0
    spool_bytes: int = 0
    dropped: int = 0
    set_aside: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, fit for JSON."""
        return asdict(self)

    def __getitem__(self, name: str) -> Any:
        if name in self._names():
            return getattr(self, name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(each.name for each in fields(cls))


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(StoreHealth):
    """How a router and its store do; ``faults``, ``lost``, ``dropped`` and ``quarantined`` must stay 0.

    Attributes:
        n_decisions: Decisions so far.
        n_feedback: Feedbacks so far.
        faults: Internal faults that were held back.
        last_fault: The last of them.
        lost: Records that could not be stored.
        vanished_features: Feature (its name, or its index from 0) → how often this worker rounded a value other
            than 0 to 0, because it was below 1.5e-5; multiply such a feature by a constant.
        beyond_limit: Objective → how many reports beyond its limit this worker has read: they are kept in the log
            and not learned.
        controllers: Name of a controller → what it reports.
    """

    n_decisions: int
    n_feedback: int
    faults: int
    last_fault: str
    lost: int
    vanished_features: Mapping[str, int] = field(default_factory=dict)
    beyond_limit: Mapping[str, int] = field(default_factory=dict)
    controllers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
