"""``banditroute db``: commands for operators of a database."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from banditroute.cli.secret_cmd import secret
from banditroute.cli.targets import ConfigOption, UrlArgument, target

db = typer.Typer(help="Create, upgrade, verify and compact a database of routers.", no_args_is_help=True)
db.add_typer(secret, name="secret")

_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

FINDINGS_EXIT = 1


@db.command()
def init(url: UrlArgument = None, config: ConfigOption = None) -> None:
    """Create the tables. A router creates them too when it is first opened."""
    from banditroute.store.maintenance.setup import init
    from banditroute.store.schema.version import SCHEMA_VERSION

    created = init(target(url, config).url)
    if created:
        typer.echo(f"created the tables at schema version {SCHEMA_VERSION}")
    else:
        typer.echo(f"nothing to do: the schema is already at version {SCHEMA_VERSION}")


@db.command()
def current(url: UrlArgument = None, config: ConfigOption = None, as_json: _Json = False) -> None:
    """Show the schema version of the database, and the version that this library needs. Reads only."""
    from banditroute.store.maintenance.setup import current
    from banditroute.store.schema.version import SCHEMA_VERSION

    found = current(target(url, config).url)
    if as_json:
        typer.echo(json.dumps({"schema": found, "wanted": SCHEMA_VERSION}, indent=2))
    else:
        typer.echo(f"schema version {found}; this library needs {SCHEMA_VERSION}")


@db.command()
def upgrade(url: UrlArgument = None, config: ConfigOption = None) -> None:
    """Upgrade the schema to this library's version in one transaction; a SQLite file is copied first."""
    from banditroute.store.maintenance import upgrade as upgrading

    done = upgrading.upgrade(target(url, config).url)
    if done.before == done.after:
        typer.echo(f"nothing to do: the schema is already at version {done.after}")
        return
    kept = f"; a copy of the old file is {done.backup}" if done.backup else ""
    typer.echo(f"upgraded the schema from {done.before} to {done.after}{kept}")


@db.command()
def backup(
    url: Annotated[str, typer.Argument(help="URL of a SQLite database.")],
    file: Annotated[Path, typer.Argument(help="New file for the copy.")],
) -> None:
    """Copy a SQLite database consistently, while workers use it. PostgreSQL has its own tools, such as pg_dump."""
    from banditroute.store.maintenance.backup import back_up

    back_up(url, file)
    typer.echo(f"copied the database to {file}")


@db.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A copy made by 'banditroute db backup'.")],
    url: Annotated[str, typer.Argument(help="URL of the SQLite database to replace.")],
) -> None:
    """Replace a SQLite database by a backup, and keep the replaced file under another name.

    Let no router open the database meanwhile. Routers that have it open keep new records in their spool; close
    and open them again afterwards.
    """
    from banditroute.store.maintenance.backup import restore

    replaced = restore(file, url)
    kept = f"; the replaced database is {replaced}" if replaced else ""
    typer.echo(f"restored {file}{kept}; close and open all routers on it")


@db.command()
def restored(url: UrlArgument = None, config: ConfigOption = None) -> None:
    """Tell a database that other tools have restored it, so that feedback on lost decisions is refused clearly.

    Run it after all workers were opened again and their spools are empty.
    """
    from banditroute.store.maintenance.backup import mark_restored

    mark_restored(target(url, config).url)
    typer.echo("noted; feedback on decisions newer than the backup is refused, and the rest is as before")


@db.command()
def verify(
    url: UrlArgument = None,
    config: ConfigOption = None,
    router: Annotated[
        str | None, typer.Option(help="Verify only the router of this name; by default that of --config, or all.")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Tenant of that router.")] = "",
    as_json: _Json = False,
) -> None:
    """Replay the log, compare every sum bit for bit, and check sequence numbers and checksums. Reads only.

    The exit code is 1 if there is any finding.
    """
    from banditroute.router.log_check import fold_of
    from banditroute.store.maintenance.verify import verify

    wanted = target(url, config)
    verdicts = verify(wanted.url, fold_of, router=router or wanted.router, tenant=tenant or wanted.tenant)
    if as_json:
        facts = [
            {
                "name": each.name,
                "tenant": each.tenant,
                "replayed": each.replayed,
                "compared": each.compared,
                "compacted": each.compacted._asdict(),
                "findings": list(each.findings),
            }
            for each in verdicts
        ]
        typer.echo(json.dumps(facts, indent=2))
    for each in () if as_json else verdicts:
        verdict = "" if each.findings else ": OK"
        typer.echo(f"{_named(each)}: {each.replayed} feedbacks replayed, {each.compared} sums compared{verdict}")
        for finding in each.findings:
            typer.echo(f"  {finding}")
    if any(each.findings for each in verdicts):
        raise typer.Exit(FINDINGS_EXIT)


@db.command()
def compact(
    url: UrlArgument = None,
    config: ConfigOption = None,
    older_than: Annotated[float, typer.Option(help="Keep everything that is younger [days].", min=1)] = 90,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show how much would be deleted.")] = False,
    as_json: _Json = False,
) -> None:
    """Delete decisions and feedback of all routers up to the newest snapshot older than the given number of days.

    What was learned from them is kept exactly. Later feedback for them is refused, and the router must be
    opened with the same controllers as before.
    """
    from banditroute.router.log_check import agrees, fold_of
    from banditroute.store.maintenance.compact import compact

    now_us = time.time_ns() // 1_000
    url = target(url, config).url
    done = compact(url, fold_of, agrees, older_than_days=older_than, now_us=now_us, dry_run=dry_run)
    if as_json:
        facts = [
            {
                "name": each.name,
                "tenant": each.tenant,
                "up_to": each.up_to._asdict(),
                "decisions": each.decisions,
                "feedback": each.feedback,
                "dry_run": dry_run,
            }
            for each in done
        ]
        typer.echo(json.dumps(facts, indent=2))
    for each in () if as_json else done:
        verb = "would be deleted" if dry_run else "deleted"
        typer.echo(f"{_named(each)}: {each.decisions} decisions and {each.feedback} feedbacks {verb}")


def _named(each: Any) -> str:
    return f"{each.name} of {each.tenant}" if each.tenant else str(each.name)
