"""The explanation of a decision: as text for people, as a dict for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from banditroute.core.decision import expectations, expected_utility
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.objectives import Objectives
from banditroute.core.outcomes import beyond_limit


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """The predictions of every arm at a decision, and the outcomes of the decision.

    The ``decision_id`` is empty for a decision that was not made (:meth:`banditroute.Router.would_choose`).

    ``str()`` is a table, :meth:`to_dict` holds the same as plain values, notebooks show HTML. What stands behind ±
    is a width as in :class:`~banditroute.core.decision.Expectation`: with very many arms, at most that for those
    that could not win.
    """

    decision_id: str
    decision: DecisionRecord = field(repr=False)
    feedback: Sequence[FeedbackRecord] = field(repr=False)
    objectives: Objectives = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, fit for JSON."""
        decision = self.decision
        expected = expectations(decision, self.objectives)
        utility = expected_utility(decision, self.objectives)
        arms = {
            arm: {
                "probability": float(decision.probabilities[i]),
                "expected_utility": float(utility[i]),
                "expected": {
                    name: {"mean": expectation.mean, "width": expectation.width}
                    for name, expectation in expected[arm].items()
                },
                "excluded": decision.excluded.get(arm),
            }
            for i, arm in enumerate(decision.arms)
        }
        return {
            "decision_id": self.decision_id,
            "arm": decision.arm,
            "propensity": float(decision.probabilities[decision.arms.index(decision.arm)]),
            "mode": decision.mode,
            "cause": decision.cause,
            "preferences": dict(decision.preferences),
            "state_version": decision.n_feedback,
            "decided": decision.number,
            "created_at": _time(decision.created_us),
            "arms": arms,
            "effects": dict(decision.effects),
            "feedback": [
                {
                    "group": record.group,
                    "served_arm": record.arm,
                    "outcomes": dict(record.outcomes) if record.values is not None else None,
                    "beyond_limit": self._beyond_limit(record),
                    "revision": record.revision,
                    "source": record.source,
                    "received_at": _time(record.received_us),
                }
                for record in self.feedback
            ],
        }

    def __str__(self) -> str:
        facts = self.to_dict()
        wishes = ", ".join(f"{name} {weight:g}" for name, weight in facts["preferences"].items())
        verb = "was" if self.decision_id else "would be"
        lines = [
            f"{facts['arm']} {verb} chosen with probability {facts['propensity']:.3f} ({facts['cause']})",
            f"at {facts['created_at']}, after {facts['state_version']} feedbacks, with preferences {wishes}",
            "",
            *_aligned(self._rows(facts)),
            "",
        ]
        for name, effects in facts["effects"].items():
            lines.append(f"{name}: {', '.join(_fact(key, value) for key, value in effects.items())}")
        for item in facts["feedback"]:
            values = ", ".join(f"{k} = {v:g}" for k, v in (item["outcomes"] or {}).items()) or "retracted"
            if item["beyond_limit"]:
                values = f"{', '.join(f'{k} = {v:g}' for k, v in item['beyond_limit'].items())}, beyond its limit"
            served = "" if item["served_arm"] == facts["arm"] else f", served by {item['served_arm']}"
            lines.append(f"feedback {item['received_at']}: {values}{served}")
        if self.decision_id and not facts["feedback"]:
            lines.append("no feedback yet")
        return "\n".join(lines)

    def _beyond_limit(self, record: FeedbackRecord) -> dict[str, float]:
        """Return the reported values because of which a record was not learned."""
        names = beyond_limit(self.objectives, record.outcomes) if record.values is None else ()
        return {name: record.outcomes[name] for name in names}

    def _rows(self, facts: dict[str, Any]) -> list[list[str]]:
        rows = [["arm", *(objective.name for objective in self.objectives), "utility", "probability", ""]]
        for name, arm in facts["arms"].items():
            cells = [_plus_minus(arm["expected"].get(objective.name)) for objective in self.objectives]
            note = arm["excluded"] or ("← chosen" if name == facts["arm"] else "")
            rows.append([name, *cells, f"{arm['expected_utility']:.4f}", f"{arm['probability']:.4f}", note])
        return rows

    def _repr_html_(self) -> str:
        from html import escape

        facts = self.to_dict()
        head, *body = self._rows(facts)
        cells = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in body)
        header = "".join(f"<th>{escape(c)}</th>" for c in head)
        title = f"<b>{escape(facts['arm'])}</b>, propensity {facts['propensity']:.3f}, {escape(facts['cause'])}"
        return f"<p>{title}</p><table><tr>{header}</tr>{cells}</table>"


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="milliseconds")


def _fact(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        value = ", ".join(_fact(name, part) for name, part in value.items()) or "none"
    elif isinstance(value, list):
        value = ", ".join(map(str, value)) or "none"
    elif isinstance(value, float):
        value = f"{value:.4g}"
    return f"{key.replace('_', ' ')} {value}"


def _plus_minus(expectation: dict[str, float] | None) -> str:
    return "-" if expectation is None else f"{expectation['mean']:.4g} ± {expectation['width']:.2g}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
