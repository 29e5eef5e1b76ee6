"""The spool directory of one router: this process's spool files, and those left by processes that exited."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from banditroute.core.ids import random_key
from banditroute.core.runtime.disk import sync_directory
from banditroute.errors import SpoolCorruptError, StoreUnavailableError
from banditroute.store.spool.file import SPOOL_BYTES, Spool

_ATTEMPTS = 5

_log = logging.getLogger("banditroute")


class Spools:
    """Opens spool files; many processes may share the directory, and many routers.

    A file is called ``<router>-<when and chance>.spool``, where ``<router>`` is a digest of its tenant and name.
    Beside it, ``.refused`` holds records that contradicted the log, in the same form: renamed to ``.spool``, it
    is tried again. Nothing is created before it is needed.

    Args:
        directory: Created, for its owner alone, when it is first needed; on a local file system.
        tenant, router: Whose records they are.
        limit_bytes: How large each file may grow.
        token: 16 bytes, in the order of time, for the name of a file.
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
        self._strange: set[Path] = set()

    def usable(self) -> bool:
        """Whether a spool can be opened now; it tries."""
        try:
            self.new().close()
        except StoreUnavailableError:
            return False
        return True

    def new(self, *, refused: bool = False) -> Spool:
        """A spool of this process: for records that wait, or for ``refused`` ones.

        Raises:
            StoreUnavailableError: if the directory does not allow it.
        """
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_directory(self.directory.parent)
        except OSError as error:
            raise StoreUnavailableError(
                f"spool directory {self.directory.name!r} cannot be used ({error.strerror})"
            ) from None
        suffix = "refused" if refused else "spool"
        attempts = 0
        while True:
            path = self.directory / f"{self._name}-{self._token().hex()}.{suffix}"
            attempts += 1
            try:
                return Spool(path, limit_bytes=self._limit_bytes)
            except StoreUnavailableError:
                # Somebody who looks for what the dead left may have taken the file before we had locked it.
                if attempts == _ATTEMPTS:
                    raise

    def orphans(self) -> Iterator[Spool]:
        """Take over the spools that no process has open, the oldest first, and return them."""
        for path in sorted(self.directory.glob(f"{self._name}-*.spool")):
            try:
                yield Spool(path, limit_bytes=self._limit_bytes)
            except StoreUnavailableError:
                continue
            except SpoolCorruptError as error:
                if path not in self._strange:
                    self._strange.add(path)
                    _log.warning("left as it is: %s", error)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
