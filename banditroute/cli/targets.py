"""The database that a command works on: its URL, or the configuration of a router that uses it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from banditroute.errors import InvalidArgumentError

UrlArgument: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        help="Database URL, such as sqlite:///routing.db, unless --config names it.", show_default=False
    ),
]
ConfigOption: TypeAlias = Annotated[
    Path | None, typer.Option("--config", help="Configuration of a router, in place of the URL.")
]


@dataclass(frozen=True, slots=True)
class Target:
    """A database, and the router that the command is about.

    Attributes:
        url: The database.
        router: Name of the router; None for all of them.
        tenant: Its tenant.
        secret: What tags its ids, if it is not in the database.
        spool: Its spool directory, if it is not the default one.
    """

    url: str = field(repr=False)
    router: str | None = None
    tenant: str = ""
    secret: bytes | None = field(default=None, repr=False)
    spool: Path | None = None

    def is_about(self, name: str, tenant: str) -> bool:
        """Return whether the command is about the router of this name and tenant."""
        return self.router is None or (name, tenant) == (self.router, self.tenant)


def target(url: str | None, config: Path | None) -> Target:
    """Return what the URL or the configuration names.

    Raises:
        InvalidArgumentError: if both are given, or neither, or the configuration has no store.
    """
    if config is None:
        if url is None:
            raise InvalidArgumentError("no database is named; give its URL, or --config FILE")
        return Target(url)
    if url is not None:
        raise InvalidArgumentError("the database is named twice; give its URL or --config, not both")
    from banditroute.integrations.settings import RouterSettings

    settings = RouterSettings.read(config)
    if settings.store is None:
        raise InvalidArgumentError(f"config {str(config)!r} names no store; set store, or give the database URL")
    return Target(
        settings.store.get_secret_value(),
        settings.name,
        settings.tenant,
        settings.secret.get_secret_value().encode() if settings.secret else None,
        Path(settings.spool) if settings.spool else None,
    )
