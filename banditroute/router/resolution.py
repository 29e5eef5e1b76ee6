"""Resolves a report into feedback records."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from banditroute.core.arms import Price
from banditroute.core.log import DecisionRecord, FeedbackRecord, ReportRecord
from banditroute.core.objectives import Objectives
from banditroute.core.outcomes import Outcome, outcomes_by_group, plain_outcomes
from banditroute.core.revisions import transition
from banditroute.core.shown import shown
from banditroute.core.spec import MAX_SOURCE
from banditroute.core.validation import require_text
from banditroute.errors import InvalidArgumentError, StoreUnavailableError
from banditroute.router.state.arms import ArmCatalogue
from banditroute.router.state.sources import SourceCaps


@dataclass(frozen=True, slots=True)
class FeedbackResolver:
    """Turns reports into feedback records: in the router, or in the store if the decision is not in memory.

    Attributes:
        objectives: The router's objectives.
        arms: The router's arms and their price histories.
        sources: Caps on the feedback learned from each source.
        lock: Held while arms and sources are read.
        ready: Set once arms and sources are read from the log; until then the store keeps reports unresolved.
    """

    objectives: Objectives
    arms: ArmCatalogue
    sources: SourceCaps
    lock: threading.RLock
    ready: threading.Event = field(default_factory=threading.Event)

    def resolve(
        self,
        decision: DecisionRecord,
        known: Mapping[str, FeedbackRecord],
        report: ReportRecord,
        *,
        n_feedback: int = 0,
    ) -> list[FeedbackRecord]:
        """Return the feedback to learn, numbered from ``n_feedback`` + 1; ``known`` is the latest by group.

        Raises:
            InvalidOutcomeError: for values that are refused.
            UnknownArmError: if ``served_arm`` of the report is unknown.
            FeedbackConflictError: if other values are known and the report is not an amendment.
        """
        with self.lock:
            arm = decision.arm
            if report.served_arm is not None:
                arm = self.arms.names[self.arms.position(report.served_arm)]
            # The price at the time of the decision counts, however late the feedback is.
            price = self.arms.price(arm, decision.created_us)
            factor = self.arms.price_factor(arm, decision.created_us)
            records: list[FeedbackRecord] = []
            for outcome in outcomes_by_group(self.objectives, report.outcomes, arm, price):
                window = self.objectives.windows[outcome.group]
                in_time = window is None or window.learns_at(report.received_us - decision.created_us)
                counts = in_time and self.sources.allows(report.source)
                values = outcome.on_grid(self.objectives, price_factor=factor) if counts else None
                number = n_feedback + len(records) + 1
                record = _reported(decision, report, outcome, values, arm, number)
                records += transition(known.get(outcome.group), record)
        return records

    def resolve_stored(
        self, decision: DecisionRecord, feedback: Sequence[FeedbackRecord], report: ReportRecord
    ) -> list[FeedbackRecord]:
        """Resolve a report for a store; ``feedback`` is all feedback so far, each group's latest last.

        Raises:
            StoreUnavailableError: while the router is still reading its log.
        """
        if not self.ready.is_set():
            raise StoreUnavailableError(
                "the router is still reading its log; feedback waits", code="store.starting"
            )
        return self.resolve(decision, {record.group: record for record in feedback}, report)

    def close(
        self, decision: DecisionRecord, last: FeedbackRecord | None, group: str, now_us: int, *, n_feedback: int
    ) -> list[FeedbackRecord]:
        """Return the feedback to learn when a window closes: the outcomes held back until then, or the default."""
        window = self.objectives.windows[group]
        assert window is not None
        if last is None:
            if window.missing != "default":
                return []
            arm, outcome = decision.arm, Outcome(group, self._defaults(group))
        elif last.values is None and last.outcomes and window.learn == "after_window":
            arm, outcome = last.arm, Outcome(group, last.outcomes)
        else:
            return []
        with self.lock:
            factor = self.arms.price_factor(arm, decision.created_us)
        return [
            FeedbackRecord(
                decision_key=decision.decision_key,
                number=n_feedback + 1,
                group=group,
                revision=0 if last is None else last.revision + 1,
                arm=arm,
                row=decision.row,
                epoch=decision.epoch,
                values=outcome.on_grid(self.objectives, price_factor=factor),
                previous=None,
                outcomes=outcome.reported,
                source=None if last is None else last.source,
                received_us=now_us,
                by_default=last is None,
            )
        ]

    def _defaults(self, group: str) -> dict[str, float]:
        objectives = [self.objectives[i] for i in self.objectives.groups[group]]
        return {
            objective.name: objective.window.default
            for objective in objectives
            if objective.window is not None and objective.window.default is not None
        }

    def check(self, report: ReportRecord) -> None:
        """Check a report as far as possible without its decision.

        :meth:`resolve` makes the remaining checks.

        Raises:
            InvalidOutcomeError: for values that are refused.
            UnknownArmError: if ``served_arm`` of the report is unknown.
        """
        with self.lock:
            if report.served_arm is not None:
                self.arms.position(report.served_arm)
        outcomes_by_group(self.objectives, report.outcomes, "", Price(input=0.0, output=0.0))


def checked_report(
    key: bytes,
    outcomes: Mapping[str, Any],
    *,
    served_arm: str | None,
    source: str | None,
    amend: bool,
    now_us: int,
) -> ReportRecord:
    """Return the record of a caller's report; see :meth:`banditroute.Router.feedback` for arguments and errors."""
    source = require_text("source", source, longest=MAX_SOURCE)
    if not isinstance(amend, bool):
        raise InvalidArgumentError(f"amend = {shown(amend, 40)} must be True or False")
    return ReportRecord(key, plain_outcomes(outcomes), served_arm, source, amend, now_us)


def _reported(
    decision: DecisionRecord,
    report: ReportRecord,
    outcome: Outcome,
    values: tuple[int, ...] | None,
    arm: str,
    number: int,
) -> FeedbackRecord:
    """Return the record of a report on one group as first values; without ``values`` it is not learned."""
    return FeedbackRecord(
        decision_key=decision.decision_key,
        number=number,
        group=outcome.group,
        revision=0,
        arm=arm,
        row=decision.row,
        epoch=decision.epoch,
        values=values,
        previous=None,
        outcomes=outcome.reported,
        source=report.source,
        # The clock may have been set back, but no report may precede its decision.
        received_us=max(report.received_us, decision.created_us),
        amends=report.amend,
    )
