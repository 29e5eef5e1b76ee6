"""Resolution of a report: the feedback records that it leads to."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from banditroute.core.arms import Price
from banditroute.core.log import DecisionRecord, FeedbackRecord, ReportRecord
from banditroute.core.objectives import Objectives
from banditroute.core.outcomes import Outcome, outcomes_by_group
from banditroute.core.revisions import transition
from banditroute.errors import StoreUnavailableError
from banditroute.router.state.arms import ArmCatalogue
from banditroute.router.state.sources import SourceCaps


@dataclass(frozen=True, slots=True)
class FeedbackResolver:
    """Turns reports into what is to be learned: in the router, or in the store for decisions the router lacks.

    Attributes:
        objectives: Those of the router.
        arms: Its arms, and what they cost when.
        sources: Whose feedback is learned.
        lock: Held while arms and sources are read.
        ready: Set as soon as arms and sources are those of the log; until then the store keeps its reports.
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
            UnknownArmError: if the arm that is said to have served never was.
            FeedbackConflictError: if other values are known and the report is no amendment.
        """
        with self.lock:
            arm = decision.arm if report.served_arm is None else report.served_arm
            # What a request cost is what its arm cost when it was decided, whenever the feedback comes.
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
        """Resolve a report for a store, which gives all feedback so far, each group's latest last.

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
        """Return the feedback to learn when a window closes: the outcomes that were held back, or the default."""
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
        """Refuse what no decision could make right; the rest is seen when the decision is.

        Raises:
            InvalidOutcomeError: for values that are refused.
            UnknownArmError: if the arm that is said to have served never was.
        """
        with self.lock:
            if report.served_arm is not None:
                self.arms.position(report.served_arm)
        outcomes_by_group(self.objectives, report.outcomes, "", Price(input=0.0, output=0.0))


def _reported(
    decision: DecisionRecord,
    report: ReportRecord,
    outcome: Outcome,
    values: tuple[int, ...] | None,
    arm: str,
    number: int,
) -> FeedbackRecord:
    """Return a report on one group as first values; without ``values`` it is recorded and not learned."""
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
        # The clock may have been set back since: nothing is reported before it was decided.
        received_us=max(report.received_us, decision.created_us),
        amends=report.amend,
    )
