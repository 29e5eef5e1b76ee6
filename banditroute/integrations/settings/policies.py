"""Settings of policies; ``kind`` selects the policy."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from banditroute.integrations.settings.base import Settings
from banditroute.policies import EpsilonGreedy, Exploration, Fixed, LinTS, LinUCB, Uniform


class ExplorationSettings(Settings):
    """Burn-in and floor, as in :class:`~banditroute.Exploration`."""

    builds: ClassVar[type] = Exploration
    floor: float = 0.02
    burn_in: int = 5
    burn_in_share: float = 0.2
    wait_for: int = 5


class LinUCBSettings(Settings):
    """As :class:`~banditroute.LinUCB`."""

    builds: ClassVar[type] = LinUCB
    kind: Literal["linucb"]
    alpha: float = 1.5
    ridge: float = 32.0
    exploration: ExplorationSettings = ExplorationSettings()


class LinTSSettings(Settings):
    """As :class:`~banditroute.LinTS`."""

    builds: ClassVar[type] = LinTS
    kind: Literal["lints"]
    alpha: float = 0.5
    ridge: float = 32.0
    exploration: ExplorationSettings = ExplorationSettings()


class EpsilonGreedySettings(Settings):
    """As :class:`~banditroute.EpsilonGreedy`."""

    builds: ClassVar[type] = EpsilonGreedy
    kind: Literal["epsilon_greedy"]
    epsilon: float = 0.1
    ridge: float = 32.0


class UniformSettings(Settings):
    """As :class:`~banditroute.Uniform`."""

    builds: ClassVar[type] = Uniform
    kind: Literal["uniform"]


class FixedSettings(Settings):
    """As :class:`~banditroute.Fixed`."""

    builds: ClassVar[type] = Fixed
    kind: Literal["fixed"]
    arm: str


PolicySettings: TypeAlias = Annotated[
    LinUCBSettings | LinTSSettings | EpsilonGreedySettings | UniformSettings | FixedSettings,
    Field(discriminator="kind"),
]
