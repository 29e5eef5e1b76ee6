"""Merges an appended record with what other workers stored before it."""

from dataclasses import replace

from banditroute.core.log import ArmRecord

REPORTS_WAITING = 32
"""Most different reports that may wait for one decision: any client that has an id could send more."""

WAITING_DAYS = 30
"""How long feedback waits for a missing decision [days]: it may be in the spool of a host that is down."""

NEWEST = 1000
"""Number of newest decisions of which the oldest time counts: one clock that is ahead ends no waiting."""

DAY_US = 86_400_000_000

TOO_MANY = f"{REPORTS_WAITING} different reports wait for this decision already; feedback not recorded"


def merge_arm(stored: ArmRecord | None, record: ArmRecord) -> ArmRecord:
    """Return the record to store: the new one, except that a retired arm stays retired."""
    if stored is None or stored.status != "retired":
        return record
    return replace(record, status="retired", successor=stored.successor or record.successor)
