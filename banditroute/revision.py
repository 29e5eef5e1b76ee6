"""What newly reported values mean for what is known of a decision."""

from dataclasses import replace

from banditroute.errors import FeedbackConflictError, InvalidArgumentError
from banditroute.outcomes import Outcome
from banditroute.records import FeedbackRecord
from banditroute.state import Entry

MAX_SOURCE = 200


def revisions(
    entry: Entry,
    outcome: Outcome,
    values: tuple[int, ...],
    arm: str,
    source: str | None,
    now_us: int,
    *,
    learned: int,
    amend: bool,
) -> list[FeedbackRecord]:
    """What is to be learned: nothing, first values, an amendment, or a move of the values to another arm.

    The records are numbered from ``learned`` + 1 on.

    Raises:
        InvalidArgumentError: for a source that is no short printable string, or an ``amend`` that is no bool.
        FeedbackConflictError: if other values are known and ``amend`` is false.
    """
    if not (source is None or (isinstance(source, str) and len(source) <= MAX_SOURCE and source.isprintable())):
        # Who reported may be a person: it is not repeated.
        raise InvalidArgumentError(f"source must be a string of at most {MAX_SOURCE} printable characters")
    if not isinstance(amend, bool):
        raise InvalidArgumentError(f"amend = {amend!r:.40} must be True or False")
    decision = entry.decision
    before = entry.feedback.get(outcome.group)
    first = FeedbackRecord(
        body=decision.body,
        learned=learned + 1,
        group=outcome.group,
        revision=0 if before is None else before.revision + 1,
        arm=arm,
        row=decision.row,
        epoch=decision.epoch,
        values=values,
        previous=None,
        outcomes=outcome.reported,
        source=source,
        received_us=now_us,
    )
    if before is None or before.values is None:
        return [first]
    if before.outcomes == outcome.reported and before.arm == arm:
        return []
    if not amend:
        raise FeedbackConflictError(
            "different feedback already recorded for this decision; pass amend=True to correct it"
        )
    if before.arm == arm:
        return [replace(first, previous=before.values)]
    retraction = replace(first, arm=before.arm, values=None, previous=before.values, outcomes={})
    return [retraction, replace(first, revision=first.revision + 1, learned=first.learned + 1)]
