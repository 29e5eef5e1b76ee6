"""The stored secrets of a router: shows, rotates and drops them."""

import time
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, select, update

from banditroute.core.ids import new_secret
from banditroute.store.maintenance.views import looking_at, router_id_of
from banditroute.store.schema import tables
from banditroute.store.sql.read import accepted_secrets
from banditroute.store.sql.settings import accept_secret, increment_revision


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of a router that authenticate its ids.

    Attributes:
        issuing: Tags new ids.
        accepted: Other secrets whose ids are valid, the newest first.
    """

    issuing: bytes = field(repr=False)
    accepted: tuple[bytes, ...] = field(repr=False)


def secrets_of(url: str, router: str, *, tenant: str = "") -> Secrets:
    """Return a router's stored secrets.

    Raises:
        InvalidArgumentError: if there is no such database or router.
        SchemaVersionError: if the database has another schema than this library.
        StoreUnavailableError: if the database cannot be read now.
    """
    with looking_at(url) as database, database.read("cannot read the secrets") as connection:
        number = router_id_of(connection, router, tenant)
        table = tables.router
        issuing = connection.execute(select(table.c.secret).where(table.c.router_id == number)).scalar_one()
        return Secrets(bytes(issuing), accepted_secrets(connection, number))


def rotate_secret(url: str, router: str, *, tenant: str = "") -> None:
    """Tag new ids with a new random secret; ids under the old one stay valid.

    Running workers use the new secret within about a second. Raises as :func:`secrets_of`.
    """
    with looking_at(url) as database:

        def work(connection: Connection) -> None:
            number = router_id_of(connection, router, tenant)
            # This locks the router, so that two rotations at once keep both secrets.
            increment_revision(connection, number)
            table = tables.router
            here = table.c.router_id == number
            old = connection.execute(select(table.c.secret).where(here)).scalar_one()
            connection.execute(update(table).where(here).values(secret=new_secret()))
            accept_secret(connection, number, old, time.time_ns() // 1_000)

        database.write("secret not rotated", work)


def drop_secrets(url: str, router: str, *, tenant: str = "") -> int:
    """Drop all secrets but the issuing one; return how many.

    Ids under them become invalid, in running workers when they are opened again. Raises as :func:`secrets_of`.
    """
    with looking_at(url) as database:

        def work(connection: Connection) -> int:
            number = router_id_of(connection, router, tenant)
            increment_revision(connection, number)
            return connection.execute(delete(tables.secret).where(tables.secret.c.router_id == number)).rowcount

        return database.write("secrets not dropped", work)
