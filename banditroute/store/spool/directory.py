"""The spools of one router in a directory: this process's spool files, and those left by exited processes."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from banditroute.core.ids import SECRET_BYTES, random_key
from banditroute.core.runtime.disk import sync_directory
from banditroute.core.runtime.private_files import problem_of
from banditroute.errors import SpoolCorruptError, StoreUnavailableError
from banditroute.store.spool.file import SPOOL_BYTES, Spool

_ATTEMPTS = 5

_log = logging.getLogger("banditroute")


class Spools:
    """Opens spool files; many processes and many routers may share the directory.

    A file is named ``<router>-<time and random>.spool``, where ``<router>`` is a digest of its tenant and name. A
    ``.refused`` file next to it contains records that contradicted the log, in the same format; rename it to
    ``.spool`` to replay it again. No file or directory is created before it is needed.

    Args:
        directory: On a local file system; created when it is first needed, accessible only by its owner.
        tenant, router: Tenant and name of the router.
        limit_bytes: Maximum size of each file.
        token: Returns 16 bytes for the name of a file, ordered by time.
    """

    def __init__(
        self,
        directory: Path,
        *,
        tenant: str,
        router: str,
        limit_bytes: int = SPOOL_BYTES,
        token: Callable[[], bytes] = random_key,
    ) -> None:
        self.directory = directory
        self._limit_bytes = limit_bytes
        self._token = token
        scope = b"".join(len(part).to_bytes(4, "big") + part for part in map(_bytes, (tenant, router)))
        self._name = hashlib.blake2b(scope, digest_size=8).hexdigest()
        self._unreadable: set[Path] = set()

    def usable(self) -> bool:
        """Return whether a spool can be opened now, by opening one."""
        try:
            self.new().close()
        except StoreUnavailableError:
            return False
        return True

    def secret(self, new: bytes) -> bytes:
        """Return the secret that this router's workers share here while its database is unavailable.

        The first worker stores ``new`` in the directory; the workers after it read it.

        Raises:
            StoreUnavailableError: if the directory cannot be used.
        """
        path = self.directory / f"{self._name}.secret"
        part = path.with_suffix(f".{self._token().hex()}.part")
        try:
            try:
                with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(new)
                    file.flush()
                    os.fsync(file.fileno())
                # Linking is atomic, and fails if another worker was first.
                os.link(part, path)
            finally:
                part.unlink(missing_ok=True)
            sync_directory(self.directory)
        except FileExistsError:
            return self._stored_secret(path) or new
        except OSError as error:
            raise _unusable(self.directory, error) from None
        return new

    @staticmethod
    def _stored_secret(path: Path) -> bytes | None:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            secret, facts = file.read(), os.fstat(file.fileno())
        is_private = facts.st_uid == os.geteuid() and not facts.st_mode & 0o077
        return secret if is_private and len(secret) == SECRET_BYTES else None

    def new(self, *, refused: bool = False) -> Spool:
        """Open a new spool of this process, for waiting records or for ``refused`` ones.

        Raises:
            StoreUnavailableError: if the directory cannot be used.
        """
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_directory(self.directory.parent)
        except OSError as error:
            raise _unusable(self.directory, error) from None
        suffix = "refused" if refused else "spool"
        attempts = 0
        while True:
            path = self.directory / f"{self._name}-{self._token().hex()}.{suffix}"
            attempts += 1
            try:
                return Spool(path, limit_bytes=self._limit_bytes)
            except StoreUnavailableError:
                # A process that looks for orphans may have locked the new file before this one did.
                if attempts == _ATTEMPTS:
                    raise

    def orphans(self) -> Iterator[Spool]:
        """Open and yield the spools that no process has open, oldest first."""
        for path in sorted(self.directory.glob(f"{self._name}-*.spool")):
            problem = problem_of(self.directory) or problem_of(path)
            if problem is not None:
                self._warn(path, f"it, or its directory, {problem}")
                continue
            try:
                yield Spool(path, limit_bytes=self._limit_bytes)
            except StoreUnavailableError:
                continue
            except SpoolCorruptError as error:
                self._warn(path, str(error))

    def _warn(self, path: Path, reason: str) -> None:
        if path not in self._unreadable:
            self._unreadable.add(path)
            _log.warning("spool file %r is left unchanged: %s", path.name, reason)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _unusable(directory: Path, error: OSError) -> StoreUnavailableError:
    return StoreUnavailableError(f"spool directory {directory.name!r} cannot be used ({error.strerror})")
