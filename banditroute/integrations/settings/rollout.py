"""Settings of the controllers that compare the router with an incumbent: an arm, or a policy."""

from typing import ClassVar, Literal

from pydantic import Field

from banditroute.controllers import Apprentice, Holdout, Shadow
from banditroute.integrations.settings.base import Settings
from banditroute.integrations.settings.policies import PolicySettings


class ShadowSettings(Settings):
    """As :class:`~banditroute.controllers.Shadow`."""

    builds: ClassVar[type] = Shadow
    kind: Literal["shadow"]
    incumbent: str | PolicySettings | None = None
    name: str = "shadow"


class ApprenticeSettings(Settings):
    """As :class:`~banditroute.controllers.Apprentice`."""

    builds: ClassVar[type] = Apprentice
    kind: Literal["apprentice"]
    incumbent: str | PolicySettings | None = None
    share: float = 0.1
    agreement: float = 0.95
    margin: float = 0.0
    measures: dict[str, tuple[float, float]] = Field(default={"quality": (0.0, 1.0)})
    confidence: float = 0.95
    name: str = "apprentice"


class HoldoutSettings(Settings):
    """As :class:`~banditroute.controllers.Holdout`."""

    builds: ClassVar[type] = Holdout
    kind: Literal["holdout"]
    share: float = 0.05
    incumbent: str | PolicySettings | None = None
    by: Literal["request", "session"] = "request"
    measures: dict[str, tuple[float, float]] = Field(default={"quality": (0.0, 1.0)})
    confidence: float = 0.95
    name: str = "holdout"
