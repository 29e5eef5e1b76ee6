"""Merging of an appended record with what other workers stored before."""

from dataclasses import replace

from banditroute.core.log import ArmRecord

REPORTS_WAITING = 32
"""How many different reports may wait for one decision; a client with an id could send any number."""

WAITING_DAYS = 30
"""So long feedback waits for a decision that is not here: its host may be down, with the decision in its spool."""

DAY_US = 86_400_000_000

TOO_MANY = f"{REPORTS_WAITING} different reports wait for this decision already; feedback not recorded"


def merge_arm(stored: ArmRecord | None, record: ArmRecord) -> ArmRecord:
    """The record that stands from now on: the new one, but what is retired stays so."""
    if stored is None or stored.status != "retired":
        return record
    return replace(record, status="retired", successor=stored.successor or record.successor)
