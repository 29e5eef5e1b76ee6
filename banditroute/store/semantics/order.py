"""Merges decisions and feedback into the order of the log."""

from collections.abc import Iterable, Iterator

from banditroute.core.log import DecisionRecord, FeedbackRecord


def merge_by_number(
    decisions: Iterable[DecisionRecord], feedback: Iterable[FeedbackRecord]
) -> Iterator[DecisionRecord | FeedbackRecord]:
    """Merge decisions and feedback, each sorted by number, into one log.

    A decision that was made after L feedbacks comes between feedback L and feedback L + 1.
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
