"""``banditroute why``: explains one decision."""

import json
from typing import Annotated

import typer

from banditroute.cli.targets import ConfigOption, Target, UrlArgument, target
from banditroute.core.explanation import Explanation
from banditroute.core.ids import DecisionIds
from banditroute.core.objectives import Objectives
from banditroute.errors import DecisionExpiredError, InvalidArgumentError, InvalidDecisionIdError


def why(
    url: UrlArgument = None,
    decision_id: Annotated[
        str | None, typer.Argument(help="Decision id, as route() returned it.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Explain a decision: expected outcomes and probability of each arm, and the feedback. Reads only.

    With --config no URL is given, only the decision id.
    """
    if config is not None and decision_id is None:
        url, decision_id = None, url
    wanted = target(url, config)
    if decision_id is None:
        raise InvalidArgumentError("no decision is named; give the id that route() returned")
    found = _explanation(wanted, decision_id)
    typer.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False) if as_json else str(found))


def _explanation(wanted: Target, decision_id: str) -> Explanation:
    """Find the router that issued the id by the id's tag, then load the decision.

    A router with ``secret=`` tags its ids with that secret, which is not in the database, so its ids are matched
    only with a configuration that holds the secret.
    """
    from banditroute.store.maintenance.secrets import secrets_of
    from banditroute.store.maintenance.views import find_decision, routers

    for router in routers(wanted.url):
        if not wanted.is_about(router.name, router.tenant):
            continue
        stored = secrets_of(wanted.url, router.name, tenant=router.tenant)
        secrets = [stored.issuing, *stored.accepted, *([wanted.secret] if wanted.secret else [])]
        ids = DecisionIds(secrets, router.tenant, router.name)
        try:
            body = ids.key(decision_id)
        except InvalidDecisionIdError:
            continue
        found = find_decision(wanted.url, router.name, body, tenant=router.tenant)
        if found is None:
            raise DecisionExpiredError(f"router {router.name!r} no longer holds the decision {decision_id!r:.60}")
        return Explanation(decision_id, *found, Objectives(router.objectives))
    raise InvalidDecisionIdError(f"{decision_id!r:.60} is not an id that a router of this database issued")
