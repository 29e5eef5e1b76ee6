"""The base class of all tables of the configuration."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A table of the configuration that builds one object; unknown keys are refused.

    Only the keys that were set are passed on, so the defaults are those of the object, and so are its rules.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)

    builds: ClassVar[type]

    def build(self) -> Any:
        """Return the object.

        Raises:
            InvalidArgumentError: for a value that breaks a rule of the object.
        """
        return self.builds(**self.arguments())

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of the object."""
        return {name: _built(getattr(self, name)) for name in self.model_fields_set if name != "kind"}


def _built(value: Any) -> Any:
    match value:
        case Settings():
            return value.build()
        case list():
            return [_built(item) for item in value]
        case dict():
            return {key: _built(item) for key, item in value.items()}
    return value
