"""A router from a configuration file and the environment."""

from banditroute.integrations.settings.router import RouterSettings

__all__ = ["RouterSettings"]
