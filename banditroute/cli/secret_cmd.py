"""``banditroute db secret``: the stored secrets that authenticate decision ids."""

import json
from pathlib import Path
from typing import Annotated

import typer

from banditroute.cli.targets import ConfigOption, UrlArgument, target
from banditroute.errors import InvalidArgumentError

secret = typer.Typer(help="Show, rotate or drop the secrets of decision ids.", no_args_is_help=True)

_Router = Annotated[str | None, typer.Option(help="Name of the router; by default that of --config.")]
_Tenant = Annotated[str, typer.Option(help="Tenant of that router.")]


def _named(url: str | None, config: Path | None, router: str | None, tenant: str) -> tuple[str, str, str]:
    """Return URL, name and tenant of the router.

    Raises:
        InvalidArgumentError: if no router is named.
    """
    wanted = target(url, config)
    name = router or wanted.router
    if name is None:
        raise InvalidArgumentError("no router is named; give --router NAME, or --config FILE")
    return wanted.url, name, tenant or wanted.tenant


@secret.command()
def show(
    url: UrlArgument = None,
    router: _Router = None,
    tenant: _Tenant = "",
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Print the stored secrets in hexadecimal: the one that tags new ids first. They allow forging ids."""
    from banditroute.store.maintenance.secrets import secrets_of

    where, name, owner = _named(url, config, router, tenant)
    found = secrets_of(where, name, tenant=owner)
    if as_json:
        facts = {"issuing": found.issuing.hex(), "accepted": [each.hex() for each in found.accepted]}
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(f"issuing   {found.issuing.hex()}")
    for each in found.accepted:
        typer.echo(f"accepted  {each.hex()}")


@secret.command()
def rotate(
    url: UrlArgument = None, router: _Router = None, tenant: _Tenant = "", config: ConfigOption = None
) -> None:
    """Tag new ids with a new random secret. Older ids stay valid until ``db secret drop``."""
    from banditroute.store.maintenance.secrets import rotate_secret

    where, name, owner = _named(url, config, router, tenant)
    rotate_secret(where, name, tenant=owner)
    typer.echo(f"router {name!r} tags new ids with a new secret; ids under the old one stay valid")


@secret.command()
def drop(
    url: UrlArgument = None, router: _Router = None, tenant: _Tenant = "", config: ConfigOption = None
) -> None:
    """Drop all secrets but the issuing one, so that ids under them are refused. Restart the workers afterwards."""
    from banditroute.store.maintenance.secrets import drop_secrets

    where, name, owner = _named(url, config, router, tenant)
    count = drop_secrets(where, name, tenant=owner)
    typer.echo(f"dropped {count} accepted secrets of router {name!r}; restart its workers")
