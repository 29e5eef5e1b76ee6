"""PgBouncer in transaction mode before a PostgreSQL server of the tests, as hosted databases are often reached."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

_PORT = 6432
_PATHS = ("/usr/sbin", "/usr/local/sbin")


@contextmanager
def transaction_pooler(url: str, *, connections: int = 4) -> Iterator[str]:
    """Run PgBouncer before the database at ``url``, and yield the URL of the same database behind it.

    It has the settings of a fresh installation, so it refuses options at start-up.
    """
    program = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), *_PATHS]))
    if program is None:
        pytest.skip("PgBouncer is not installed (package pgbouncer)")
    database = make_url(url)
    host = database.host or database.query.get("host", "127.0.0.1")
    directory = Path(tempfile.mkdtemp(prefix="br-"))
    own: dict[str, Any] = {}
    user = getpass.getuser()
    if os.geteuid() == 0:
        # It refuses to run as root.
        user = "postgres"
        own = {"user": user, "group": user, "extra_groups": []}
        shutil.chown(directory, user, user)
    login = database.username or user
    password = f" password={database.password}" if database.password else ""
    (directory / "users").write_text(f'"{login}" ""\n')
    (directory / "ini").write_text(
        f"[databases]\n{database.database} = host={host} port={database.port or 5432} user={login}{password}\n"
        f"[pgbouncer]\nlisten_addr=\nunix_socket_dir={directory}\nlisten_port={_PORT}\nauth_type=any\n"
        f"auth_file={directory}/users\npool_mode=transaction\ndefault_pool_size={connections}\n"
    )
    log = (directory / "log").open("wb")
    process = subprocess.Popen([program, directory / "ini"], stdout=log, stderr=log, cwd=directory, **own)
    try:
        _wait_for(directory / f".s.PGSQL.{_PORT}", process)
        yield database.set(
            host=None, port=None, password=None, query={"host": str(directory), "port": str(_PORT)}
        ).render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(10)
        log.close()
        shutil.rmtree(directory, ignore_errors=True)


def _wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a server listens on a socket."""
    while process.poll() is None:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    pytest.fail("PgBouncer did not start")
