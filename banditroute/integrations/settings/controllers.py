"""Settings of all controllers that need no object of the program; the others are added in Python."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field

from banditroute.controllers import (
    Average,
    Budget,
    CircuitBreaker,
    Latency,
    Onboarding,
    PerCohort,
    QualityFloor,
    Shares,
    Within,
)
from banditroute.integrations.settings.base import Settings
from banditroute.integrations.settings.caches import (
    EpochCacheSettings,
    LFUCacheSettings,
    LRUCacheSettings,
    SessionSettings,
    StaticCacheSettings,
)
from banditroute.integrations.settings.drift import DriftSettings
from banditroute.integrations.settings.rollout import ApprenticeSettings, HoldoutSettings, ShadowSettings


class BudgetSettings(Settings):
    """As :class:`~banditroute.controllers.Budget`."""

    builds: ClassVar[type] = Budget
    kind: Literal["budget"]
    usd_per_request: float | None = None
    usd_per_day: float | None = None
    total: float | None = None
    horizon: int | None = None
    per_request: dict[str, float] | None = None
    optimism: float = 1.5
    every: int = 25
    window: int = 1000
    patience: int = 250
    exploration: float = 0.05
    since: datetime | None = None
    name: str = "budget"


class LatencySettings(Settings):
    """As :class:`~banditroute.controllers.Latency`."""

    builds: ClassVar[type] = Latency
    kind: Literal["latency"]
    p: float
    seconds: float
    objective: str = "latency_s"
    step: float = 0.025
    slack: float = 5.0
    name: str = "latency"


class AverageSettings(Settings):
    """As :class:`~banditroute.controllers.Average`."""

    builds: ClassVar[type] = Average
    kind: Literal["average"]
    objective: str
    at_least: float | None = None
    at_most: float | None = None
    bounds: tuple[float, float] = (0.0, 1.0)
    step: float = 0.025
    slack: float = 5.0
    name: str | None = None


class WithinSettings(Settings):
    """As :class:`~banditroute.controllers.Within`."""

    builds: ClassVar[type] = Within
    kind: Literal["within"]
    objective: str
    share: float
    at_most: float | None = None
    at_least: float | None = None
    step: float = 0.025
    slack: float = 5.0
    name: str | None = None


class SharesSettings(Settings):
    """As :class:`~banditroute.controllers.Shares`."""

    builds: ClassVar[type] = Shares
    kind: Literal["shares"]
    min: dict[str, float] | None = None
    max: dict[str, float] | None = None
    slack: float = 5.0
    step: float = 0.1
    name: str = "shares"


class QualityFloorSettings(Settings):
    """As :class:`~banditroute.controllers.QualityFloor`."""

    builds: ClassVar[type] = QualityFloor
    kind: Literal["quality_floor"]
    baseline: str
    at_least: float
    baseline_mean: float | None = None
    objective: str = "quality"
    confidence: float = 0.95
    widths: float = 2.0
    name: str = "quality floor"


class CircuitBreakerSettings(Settings):
    """As :class:`~banditroute.controllers.CircuitBreaker`."""

    builds: ClassVar[type] = CircuitBreaker
    kind: Literal["circuit_breaker"]
    objective: str = "available"
    failures: int = 3
    cool_down_s: float = 10.0
    growth: float = 2.0
    longest_s: float = 300.0


class OnboardingSettings(Settings):
    """As :class:`~banditroute.controllers.Onboarding`, without a gate."""

    builds: ClassVar[type] = Onboarding
    kind: Literal["onboarding"]
    pulls: int = 20
    over: int = 200
    confidence: float = 0.95


class PerCohortSettings(Settings):
    """As :class:`~banditroute.controllers.PerCohort`: one ``controller`` for each cohort."""

    builds: ClassVar[type] = PerCohort
    kind: Literal["per_cohort"]
    controller: "ControllerSettings"

    def build(self) -> Any:
        """Return the object."""
        return PerCohort(self.controller.build)


ControllerSettings: TypeAlias = Annotated[
    BudgetSettings
    | LatencySettings
    | AverageSettings
    | WithinSettings
    | SharesSettings
    | QualityFloorSettings
    | DriftSettings
    | CircuitBreakerSettings
    | OnboardingSettings
    | PerCohortSettings
    | SessionSettings
    | StaticCacheSettings
    | LRUCacheSettings
    | LFUCacheSettings
    | EpochCacheSettings
    | ShadowSettings
    | ApprenticeSettings
    | HoldoutSettings,
    Field(discriminator="kind"),
]
PerCohortSettings.model_rebuild()
