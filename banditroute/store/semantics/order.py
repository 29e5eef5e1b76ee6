"""The order of events in a log."""

from collections.abc import Iterable, Iterator

from banditroute.core.log import DecisionRecord, FeedbackRecord


def merge_by_number(
    decisions: Iterable[DecisionRecord], feedback: Iterable[FeedbackRecord]
) -> Iterator[DecisionRecord | FeedbackRecord]:
    """Merge decisions by their number with feedback by its number.

    A decision that knew of L feedbacks comes after feedback L and before feedback L + 1.
    """
    waiting = iter(decisions)
    decision = next(waiting, None)
    for record in feedback:
        while decision is not None and decision.n_feedback < record.number:
            yield decision
            decision = next(waiting, None)
        yield record
    if decision is not None:
        yield decision
        yield from waiting
