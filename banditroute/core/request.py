"""A request: everything that a caller asks for besides the features."""

from collections.abc import Mapping
from dataclasses import dataclass

from banditroute.core.arrays import FloatArray


# Not frozen, which would treble the time to make one.
@dataclass(slots=True, eq=False)
class Request:
    """The terms of one request, checked.

    Attributes:
        preferences: Objective → weight, as given.
        weights: The same as an array, negative where less is better; shape (objectives,).
        excluded: Arm → the rule that keeps it out, before its cost is known.
        prompt_tokens: Length of the prompt, if known [tokens].
        max_cost_usd: What it may cost, if limited [USD].
        draw_key: Replaces the decision key in the draw.
        now_us: When it came, by the router's clock.
        session: The conversation that it belongs to, if any.
        incumbent: The arm that served this session last, if the caller knows.
        cohort: The kind of traffic it belongs to (a customer, a region), if that matters to a controller.
    """

    preferences: Mapping[str, float]
    weights: FloatArray
    excluded: Mapping[str, str]
    prompt_tokens: float | None
    max_cost_usd: float | None
    draw_key: str | None
    now_us: int
    session: str | None = None
    incumbent: str | None = None
    cohort: str | None = None
