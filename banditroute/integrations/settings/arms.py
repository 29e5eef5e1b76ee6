"""Settings of arms and objectives, with the meaning and the rules of :class:`~banditroute.Arm` and the others."""

from typing import ClassVar, Literal

from pydantic import Field

from banditroute.core.arms import Arm, Price
from banditroute.core.objectives import MAX_LIMIT, Objective
from banditroute.core.windows import OutcomeWindow
from banditroute.integrations.settings.base import Settings


class PriceSettings(Settings):
    """A price [USD per million tokens]."""

    builds: ClassVar[type] = Price
    input: float
    output: float


class ArmSettings(Settings):
    """An arm."""

    builds: ClassVar[type] = Arm
    name: str
    price: PriceSettings | None = None
    max_output_tokens: int | None = None
    prior: dict[str, float] = Field(default={})


class WindowSettings(Settings):
    """How long outcomes are awaited."""

    builds: ClassVar[type] = OutcomeWindow
    seconds: float
    missing: Literal["ignore", "default", "censor"] = "ignore"
    default: float | None = None
    learn: Literal["on_arrival", "after_window"] = "on_arrival"


class ObjectiveSettings(Settings):
    """An objective."""

    builds: ClassVar[type] = Objective
    name: str
    goal: Literal["max", "min"] = "max"
    bounds: tuple[float, float] | None = None
    scale: float | None = None
    limit: float = MAX_LIMIT
    group: str = ""
    window: WindowSettings | None = None
