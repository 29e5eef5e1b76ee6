"""The tree of errors that this library raises.

One tree, so that one ``except BanditRouteError`` is enough, and each error is also the built-in one that a
caller would expect. ``code`` is stable and made for programs; the text is one sentence made for people.

::

    BanditRouteError
    ├── InvalidArgumentError (ValueError)      a setting or argument that breaks its rule
    │   ├── InvalidContextError                context.shape | context.type | context.nonfinite | context.range
    │   ├── InvalidOutcomeError                outcome.type | .nonfinite | .range | .unknown | .missing
    │   ├── InvalidDecisionIdError             decision.invalid: malformed, forged or of another router
    │   └── WorkloadError                      a recorded workload that cannot be read as one
    ├── UnknownArmError (LookupError)          arm.unknown
    ├── NoEligibleArmError                     arm.none: every arm is drained, excluded or too expensive
    ├── DecisionExpiredError (LookupError)     decision.expired | .lost | .unreadable: the store has it no longer
    ├── FeedbackConflictError                  feedback.conflict | feedback.waiting: other values came before
    ├── RouterMismatchError (ValueError)       router.mismatch: the store holds a router of another shape
    ├── StoreError                             store | store.incomplete: the log cannot be read by this worker
    │   ├── StoreUnavailableError              store.unavailable | .address | .replaced | .closed | .forked | .full
    │   ├── SchemaVersionError                 schema.old | schema.new
    │   ├── SnapshotCorruptError (ValueError)  snapshot.corrupt
    │   └── SpoolCorruptError (ValueError)     spool.corrupt
    ├── RouterClosedError (RuntimeError)       router.closed: the router was used after close()
    └── MissingDependencyError (ImportError)   an extra that is not installed
"""

LONGEST_MESSAGE = 500
"""Longest message [characters]; what is beyond it is cut, because names and values of users have any length."""


class BanditRouteError(Exception):
    """The root of the tree; ``code`` names the rule that was broken."""

    code = "banditroute"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 1]}…")
        if code is not None:
            self.code = code


class InvalidArgumentError(BanditRouteError, ValueError):
    """An argument or a setting broke its rule; nothing was changed."""

    code = "argument.invalid"


class InvalidContextError(InvalidArgumentError):
    """A feature vector was refused; nothing was decided or stored."""

    code = "context.type"


class InvalidOutcomeError(InvalidArgumentError):
    """An outcome was refused; nothing was learned or stored."""

    code = "outcome.type"


class InvalidDecisionIdError(InvalidArgumentError):
    """An id that this router never issued: malformed, forged, or of another router."""

    code = "decision.invalid"


class WorkloadError(InvalidArgumentError):
    """A file or table that cannot be read as a workload."""

    code = "workload.invalid"


class UnknownArmError(BanditRouteError, LookupError):
    """A name that is no arm of this router."""

    code = "arm.unknown"


class NoEligibleArmError(BanditRouteError):
    """No arm is left to choose from."""

    code = "arm.none"


class DecisionExpiredError(BanditRouteError, LookupError):
    """A genuine decision that the store no longer holds."""

    code = "decision.expired"


class FeedbackConflictError(BanditRouteError):
    """Other values were recorded before for the same decision and objectives."""

    code = "feedback.conflict"


class RouterMismatchError(BanditRouteError, ValueError):
    """The store holds a router of this name with another dimension, other objectives or other bounds."""

    code = "router.mismatch"


class StoreError(BanditRouteError):
    """The store cannot do what was asked."""

    code = "store"


class StoreUnavailableError(StoreError):
    """The database cannot be reached, or the store was closed."""

    code = "store.unavailable"


class SchemaVersionError(StoreError):
    """The database schema and this version of the library do not fit."""

    code = "schema.version"


class SnapshotCorruptError(StoreError, ValueError):
    """Stored bytes fail their checksum or their shape."""

    code = "snapshot.corrupt"


class SpoolCorruptError(StoreError, ValueError):
    """Bytes that no spool of this version wrote, or that were damaged since."""

    code = "spool.corrupt"


class RouterClosedError(BanditRouteError, RuntimeError):
    """A closed router was asked to decide, to learn or to change."""

    code = "router.closed"


class MissingDependencyError(BanditRouteError, ImportError):
    """A part of the library needs an extra that is not installed."""

    code = "dependency.missing"
