"""``banditroute status``: lists the routers of a database with their traffic and settings."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from banditroute.cli.targets import ConfigOption, UrlArgument, target

if TYPE_CHECKING:
    from banditroute.store.maintenance.views import RouterSummary


_CLIPPED = "an earlier release learned costs clipped to their bounds; what it learned is kept"


def status(
    url: UrlArgument = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show the routers of a database: traffic, feedback, arms and preferences. Reads only.

    With --config only the router of that configuration.
    """
    from banditroute.store.maintenance.views import routers

    wanted = target(url, config)
    found = [_facts(router) for router in routers(wanted.url) if wanted.is_about(router.name, router.tenant)]
    if as_json:
        typer.echo(json.dumps(found, indent=2, allow_nan=False))
    else:
        typer.echo("\n\n".join(map(_text, found)) or f"no {_routers(wanted.router)} in this database")


def _routers(name: str | None) -> str:
    return "routers" if name is None else f"router {name!r}"


def _facts(router: "RouterSummary") -> dict[str, Any]:
    last = router.last_decision_us
    return {
        "name": router.name,
        "tenant": router.tenant,
        "features": router.dimension,
        "objectives": {
            o.name: {"goal": o.goal, "bounds": list(o.bounds), "scale": o.scale} for o in router.objectives
        },
        "history_clipped": router.is_clipped,
        "preferences": dict(router.preferences.preferences),
        "preferences_version": router.preferences.version,
        "decisions": router.decisions,
        "feedback": router.feedback,
        "feedback_waiting": router.waiting,
        "last_decision_at": None if last is None else datetime.fromtimestamp(last / 1e6, UTC).isoformat(),
        "arms": {
            arm.record.arm.name: {"status": arm.record.status, "decisions": arm.decisions, "share": arm.share}
            for arm in router.arms
        },
        "database_bytes": router.database_bytes,
    }


def _text(facts: dict[str, Any]) -> str:
    owner = f" of {facts['tenant']}" if facts["tenant"] else ""
    preferences = ", ".join(f"{name}={weight:g}" for name, weight in facts["preferences"].items())
    waiting = f", {facts['feedback_waiting']} not yet learned from" if facts["feedback_waiting"] else ""
    width = max(map(len, facts["arms"]), default=0)
    return "\n".join(
        [
            f"{facts['name']}{owner}: {facts['decisions']} decisions, {facts['feedback']} feedbacks{waiting}",
            f"  last decision {facts['last_decision_at'] or 'never'}",
            f"  preferences   {preferences} (version {facts['preferences_version']})",
            *([f"  history       {_CLIPPED}"] if facts["history_clipped"] else []),
            *(
                f"  {name:{width}}  {arm['share']:6.1%}  {arm['decisions']:>9}  {arm['status']}"
                for name, arm in facts["arms"].items()
            ),
        ]
    )
