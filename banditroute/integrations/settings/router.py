"""The settings of one router."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from banditroute.controllers import Controller
from banditroute.errors import BanditRouteError, InvalidArgumentError
from banditroute.integrations.settings.arms import ArmSettings, ObjectiveSettings
from banditroute.integrations.settings.base import Settings
from banditroute.integrations.settings.controllers import ControllerSettings
from banditroute.integrations.settings.policies import LinUCBSettings, PolicySettings
from banditroute.integrations.settings.problems import misplaced_boolean, problem
from banditroute.integrations.settings.source import from_environment, merged, read_file, variable_of
from banditroute.router import Router
from banditroute.router.differences import OnChange
from banditroute.store.databases.url import database_at


class RouterSettings(BaseModel):
    """A router as text: what a configuration file holds, and variables ``BANDITROUTE_*`` override.

    Keys mean what the parameters of :class:`~banditroute.Router` mean. The passwords in ``store`` and ``secret``
    appear neither in ``repr`` nor in messages.

    >>> settings = RouterSettings.of({"name": "support", "arms": [{"name": "small"}, {"name": "large"}]})
    >>> settings.router()
    <Router 'support': 2 arms, quality; LinUCB(...); 0 decisions, 0 feedbacks>
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False, title="banditroute"
    )

    name: str
    arms: list[ArmSettings]
    objectives: list[ObjectiveSettings] = Field(default=[ObjectiveSettings(name="quality")])
    preferences: dict[str, float] | None = None
    policy: PolicySettings = LinUCBSettings(kind="linucb")
    controllers: list[ControllerSettings] = []
    store: SecretStr | None = Field(default=None, description="A database URL; without one, memory.")
    spool: str | None = None
    features: int | list[str] | None = None
    intercept: bool = True
    x_max: float = 4.0
    seed: int = 0
    default_arm: str | None = None
    source_caps: dict[str, float] | None = None
    secret: SecretStr | None = Field(default=None, description="Tags the ids; at least 32 bytes of UTF-8.")
    tenant: str = ""
    on_change: OnChange = "keep"
    recent_bytes: int = 64 << 20

    @classmethod
    def read(cls, path: str | Path | None = None, *, environment: Mapping[str, str] | None = None) -> Self:
        """Read settings from a TOML or YAML file, and from the environment, which wins key by key.

        Args:
            path: The file; without one, only the environment is read.
            environment: Variables; those of the process by default.

        Raises:
            InvalidArgumentError: for a file that cannot be read, an unknown key, or a value that breaks its rule.
            MissingDependencyError: for a YAML file, without the extra ``yaml``.
        """
        below = {} if path is None else read_file(Path(path))
        variables = os.environ if environment is None else environment
        above = from_environment(variables)
        sources = [f"config {str(path)!r}"] * (path is not None) + ["BANDITROUTE_* variables"] * bool(above)
        return cls._checked(merged(below, above), " and ".join(sources) or "settings", variables)

    @classmethod
    def of(cls, given: Mapping[str, Any], *, origin: str = "settings") -> Self:
        """Check settings; ``origin`` says in messages where they come from.

        Raises:
            InvalidArgumentError: for an unknown key, or a value that breaks its rule.
        """
        return cls._checked(given, origin, {})

    @classmethod
    def _checked(cls, given: Mapping[str, Any], origin: str, variables: Mapping[str, str]) -> Self:
        try:
            settings = cls.model_validate(dict(given))
        except ValidationError as error:
            path, sentence = problem(given, error.errors())
            raise InvalidArgumentError(f"{variable_of(path, variables) or origin}: {sentence}") from None
        if boolean := misplaced_boolean(given):
            raise InvalidArgumentError(f"{origin}: {'.'.join(boolean)}: true and false are no numbers or texts")
        for name, part in settings._parts():
            try:
                part.build()
            except BanditRouteError as error:
                raise InvalidArgumentError(f"{origin}: {name}: {error}") from None
        return settings

    def router(self, **overrides: Any) -> Router:
        """Open the router.

        Args:
            **overrides: Arguments of :class:`~banditroute.Router` that replace settings, or that no file can hold.

        Raises:
            InvalidArgumentError, StoreError: as :class:`~banditroute.Router` does.
        """
        return Router(**(self.arguments() | overrides))

    def check(self) -> None:
        """Open the router in memory and close it: this finds settings that contradict one another.

        Raises:
            InvalidArgumentError, UnknownArmError: as :class:`~banditroute.Router` does.
            MissingDependencyError: for a store whose driver is not installed.
        """
        if self.store is not None:
            database_at(self.store.get_secret_value())
        self.router(store=None, spool=None).close()

    def build_controllers(self) -> list[Controller]:
        """Return new controllers, the outermost first."""
        return [each.build() for each in self.controllers]

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of the router."""
        found: dict[str, Any] = {name: _plain(getattr(self, name)) for name in self.model_fields_set}
        if self.secret is not None:
            found["secret"] = self.secret.get_secret_value().encode()
        return found

    def _parts(self) -> list[tuple[str, Settings]]:
        """Path and table of everything that builds an object."""
        return [
            *((f"arms.{index}", arm) for index, arm in enumerate(self.arms)),
            *((f"objectives.{index}", objective) for index, objective in enumerate(self.objectives)),
            ("policy", self.policy),
            *((f"controllers.{index}", controller) for index, controller in enumerate(self.controllers)),
        ]


def _plain(value: Any) -> Any:
    match value:
        case Settings():
            return value.build()
        case SecretStr():
            return value.get_secret_value()
        case list():
            return [_plain(item) for item in value]
    return value
