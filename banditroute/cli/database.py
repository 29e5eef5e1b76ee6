"""``banditroute db``: commands for operators of a database."""

import json
import time
from typing import Annotated, Any

import typer

db = typer.Typer(help="Create, upgrade, check and shrink a database of routers.", no_args_is_help=True)

_Url = Annotated[str, typer.Argument(help="Such as sqlite:///routing.db.", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

WRONG = 1


@db.command()
def init(url: _Url) -> None:
    """Create the tables; a router does it too, when it is first opened."""
    from banditroute.store.maintenance.setup import init
    from banditroute.store.schema.version import SCHEMA_VERSION

    created = init(url)
    typer.echo(
        f"{'created the schema, version' if created else 'nothing to do: the schema is already at version'} {SCHEMA_VERSION}"
    )


@db.command()
def current(url: _Url, as_json: _Json = False) -> None:
    """Show the schema version of the database, and the one that this library wants. Reads only."""
    from banditroute.store.maintenance.setup import current
    from banditroute.store.schema.version import SCHEMA_VERSION

    found = current(url)
    if as_json:
        typer.echo(json.dumps({"schema": found, "wanted": SCHEMA_VERSION}, indent=2))
    else:
        typer.echo(f"schema {found}, this library wants {SCHEMA_VERSION}")


@db.command()
def upgrade(url: _Url) -> None:
    """Bring the tables to this library's version, all or nothing; a SQLite file is copied before."""
    from banditroute.store.maintenance import upgrade as upgrading

    done = upgrading.upgrade(url)
    if done.before == done.after:
        typer.echo(f"nothing to do: the schema is {done.after}")
        return
    kept = f"; what was before is in {done.backup}" if done.backup else ""
    typer.echo(f"upgraded the schema from {done.before} to {done.after}{kept}")


@db.command()
def verify(
    url: _Url,
    router: Annotated[str | None, typer.Option(help="Only the router of that name.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose router it is.")] = "",
    as_json: _Json = False,
) -> None:
    """Replay the log and compare every sum bit for bit; check numbers and checksums. Reads only.

    The exit code is 1 if anything is wrong.
    """
    from banditroute.router.log_check import fold_of
    from banditroute.store.maintenance.verify import verify

    verdicts = verify(url, fold_of, router=router, tenant=tenant)
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
        good = "" if each.findings else ": OK"
        typer.echo(f"{_named(each)}: {each.replayed} feedbacks replayed, {each.compared} sums compared{good}")
        for finding in each.findings:
            typer.echo(f"  {finding}")
    if any(each.findings for each in verdicts):
        raise typer.Exit(WRONG)


@db.command()
def compact(
    url: _Url,
    older_than: Annotated[float, typer.Option(help="Days of which everything is kept.", min=1)] = 90,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show how much would be deleted.")] = False,
    as_json: _Json = False,
) -> None:
    """Delete decisions and feedback up to the newest snapshot that is older than so many days.

    What was learned from them stays, exactly. Feedback for them is refused from then on, and a router must be
    opened with the controllers that it had.
    """
    from banditroute.router.log_check import agrees, fold_of
    from banditroute.store.maintenance.compact import compact

    now_us = time.time_ns() // 1_000
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
