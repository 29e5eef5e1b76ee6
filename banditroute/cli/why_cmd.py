"""``banditroute why``: explains one decision."""

import json
from typing import Annotated

import typer

from banditroute.core.explanation import Explanation
from banditroute.core.ids import DecisionIds
from banditroute.core.objectives import Objectives
from banditroute.errors import DecisionExpiredError, InvalidDecisionIdError


def why(
    url: Annotated[str, typer.Argument(help="Database URL, such as sqlite:///routing.db.", show_default=False)],
    decision_id: Annotated[str, typer.Argument(help="Decision id, as route() returned it.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Explain a decision: expected outcomes and probability of each arm, and the feedback. Reads only."""
    found = _explanation(url, decision_id)
    typer.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False) if as_json else str(found))


def _explanation(url: str, decision_id: str) -> Explanation:
    """Find the router that issued the id by the id's tag, then load the decision.

    A router with ``secret=`` in its configuration tags its ids with that secret, which is not in the database, so
    its ids cannot be matched here.
    """
    from banditroute.store.maintenance.views import find_decision, routers, secret_of

    for router in routers(url):
        ids = DecisionIds([secret_of(url, router.name, tenant=router.tenant)], router.tenant, router.name)
        try:
            body = ids.key(decision_id)
        except InvalidDecisionIdError:
            continue
        found = find_decision(url, router.name, body, tenant=router.tenant)
        if found is None:
            raise DecisionExpiredError(f"router {router.name!r} no longer holds the decision {decision_id!r:.60}")
        return Explanation(decision_id, *found, Objectives(router.objectives))
    raise InvalidDecisionIdError(f"{decision_id!r:.60} is not an id that a router of this database issued")
