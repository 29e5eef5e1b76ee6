"""Settings of the drift controller and its detectors."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from banditroute.controllers import ADWIN, Drift, PageHinkley
from banditroute.integrations.settings.base import Settings


class ADWINSettings(Settings):
    """As :class:`~banditroute.controllers.ADWIN`."""

    builds: ClassVar[type] = ADWIN
    kind: Literal["adwin"]
    delta: float = 0.002
    clock: int = 8


class PageHinkleySettings(Settings):
    """As :class:`~banditroute.controllers.PageHinkley`."""

    builds: ClassVar[type] = PageHinkley
    kind: Literal["page_hinkley"]
    delta: float = 0.15
    threshold: float = 28.0


class DriftSettings(Settings):
    """As :class:`~banditroute.controllers.Drift`."""

    builds: ClassVar[type] = Drift
    kind: Literal["drift"]
    detectors: list[Annotated[ADWINSettings | PageHinkleySettings, Field(discriminator="kind")]] = Field(
        default=[ADWINSettings(kind="adwin"), PageHinkleySettings(kind="page_hinkley")]
    )
    halvings: int = 3
    grace: int = 30
    window: int = 1024
    watch_share: float = 0.02
    watch_requests: int = 5_000
