"""One spool: a file in which payloads wait until the database is available again."""

import errno
import io
import logging
import os
import struct
import sys
import zlib
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from banditroute.core.runtime.disk import sync_directory
from banditroute.errors import SpoolCorruptError, StoreError, StoreUnavailableError
from banditroute.store.spool.lock import try_lock

SPOOL_BYTES: Final = 256 << 20
"""Maximum size of a spool [bytes]."""

PAYLOAD_BYTES: Final = 16 << 20
"""Maximum size of a payload [bytes]; a frame with a larger length is not read."""

HEADER: Final = b"BRSPOOL\x01"
FRAME: Final = struct.Struct("<4sII")
_MARK: Final = b"\xb5rec"
_CHUNK = 1 << 18
_FULL = (errno.ENOSPC, errno.EDQUOT)

_log = logging.getLogger("banditroute")


class Spool:
    """A queue of payloads in a file that no other process has open.

    The file is a header followed by frames: mark, length, CRC-32 of length and payload, payload. When
    :meth:`append` returns, its payloads are on stable storage. Opening keeps the longest valid prefix and cuts off
    the rest, which is the result of an unfinished write. The file lock ends with the process, so a spool that can
    be opened belongs to no running process.

    Payloads are removed in the order in which they were appended. The file itself changes only when the last one
    is removed: a process that opens it earlier reads all of them again.

    Args:
        path: Created if it does not exist, readable only by its owner.
        limit_bytes: Maximum size of the file.

    Raises:
        StoreUnavailableError: if another process has locked it, or the file cannot be opened.
        SpoolCorruptError: for a file that is not a spool of this version; the file is not changed.
    """

    def __init__(self, path: Path, *, limit_bytes: int = SPOOL_BYTES) -> None:
        self.path = path
        self.limit_bytes = limit_bytes
        self.waiting = 0
        self._start = self._end = len(HEADER)
        try:
            self._file = open(path, "r+b", buffering=0, opener=_private)  # noqa: SIM115  # open for life
        except OSError as error:
            raise StoreUnavailableError(f"spool {path.name!r} cannot be opened ({error.strerror})") from None
        try:
            self._open()
        except BaseException as error:
            self._file.close()
            if isinstance(error, OSError):
                raise StoreUnavailableError(f"spool {path.name!r} cannot be used ({error.strerror})") from None
            raise

    def __repr__(self) -> str:
        return f"Spool({self.path.name!r}, waiting={self.waiting})"

    @property
    def size(self) -> int:
        """Length of the file [bytes]."""
        return self._end

    @property
    def is_at_path(self) -> bool:
        """Whether the path still leads to this file; a deleted file can be read until it is closed."""
        return _is_at(self.path, self._file.fileno())

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write all payloads, or none, to stable storage.

        Raises:
            StoreUnavailableError: if the file would exceed its limit, or the disk refuses the write.
            StoreError: for a payload longer than :data:`PAYLOAD_BYTES`.
        """
        self._check_open()
        for payload in payloads:
            if len(payload) > PAYLOAD_BYTES:
                raise StoreError(f"a record of {len(payload)} bytes is longer than {PAYLOAD_BYTES}; not stored")
        frames = b"".join(_framed(payload) for payload in payloads)
        if self._end + len(frames) > self.limit_bytes:
            raise _full(f"{self.limit_bytes >> 20} MiB")
        try:
            self._write(self._end, frames)
        except OSError as error:
            # The refused payloads must not be read at the next opening.
            with suppress(OSError):
                self._file.truncate(self._end)
            if error.errno in _FULL:
                raise _full(str(error.strerror)) from None
            raise StoreUnavailableError(
                f"database unavailable and spool not written ({error.strerror}); feedback not recorded"
            ) from None
        self._end += len(frames)
        self.waiting += len(payloads)

    def peek(self, count: int, *, size: int = PAYLOAD_BYTES) -> list[bytes]:
        """Return the first waiting payloads: at most ``count``, and none after ``size`` bytes are exceeded.

        Raises:
            SpoolCorruptError: if the file was changed or damaged since it was written.
        """
        self._check_open()
        payloads: list[bytes] = []
        read = 0
        with suppress(OSError), closing(self._frames(self._start, self._end)) as frames:
            while len(payloads) < count and read < size and (payload := next(frames, None)) is not None:
                payloads.append(payload)
                read += len(payload)
        if self.waiting and count and not payloads:
            raise SpoolCorruptError(
                f"spool {self.path.name!r} was damaged at byte {self._start} after it was written"
            )
        return payloads

    def drop(self, payloads: Sequence[bytes]) -> None:
        """Remove the first payloads, which :meth:`peek` returned; the file is emptied with the last one."""
        self._check_open()
        self._start += sum(FRAME.size + len(payload) for payload in payloads)
        self.waiting -= len(payloads)
        if not self.waiting:
            with suppress(OSError):
                self._file.truncate(len(HEADER))
            self._start = self._end = len(HEADER)

    def close(self) -> None:
        """Close the file, and delete it if no payload waits; calling it again does nothing."""
        if self.waiting or self._file.closed:
            self._file.close()
        elif sys.platform == "win32":
            self._file.close()
            with suppress(OSError):
                self.path.unlink()
        else:
            # Delete it while it is locked, so that no other process can open it in between.
            with suppress(OSError):
                self.path.unlink()
            self._file.close()

    def set_aside(self) -> None:
        """Rename the damaged file, so that no process opens it as a spool again, and close it."""
        with suppress(OSError):
            self.path.rename(self.path.with_suffix(".damaged"))
        self._file.close()

    def abandon(self) -> None:
        """In a forked child: close the parent's file without changing it."""
        self._file.close()

    def _open(self) -> None:
        fd = self._file.fileno()
        # Its last owner may have deleted it after this process opened it and before the lock.
        if not try_lock(fd) or not _is_at(self.path, fd):
            raise StoreUnavailableError(f"spool {self.path.name!r} belongs to another process")
        size = os.fstat(fd).st_size
        self._file.seek(0)
        if size < len(HEADER):
            self._write(0, HEADER)
            sync_directory(self.path.parent)
        elif self._file.read(len(HEADER)) != HEADER:
            raise SpoolCorruptError(f"{self.path.name!r} is not a spool of this version")
        with closing(self._frames(self._end, size)) as frames:
            for payload in frames:
                self._end += FRAME.size + len(payload)
                self.waiting += 1
        if self._end < size:
            _log.warning(
                "spool %r ended in an unfinished write; %d bytes were cut off", self.path.name, size - self._end
            )
        self._file.truncate(self._end)

    def _frames(self, at: int, end: int) -> Generator[bytes, None, None]:
        """Yield the payloads from byte ``at`` on, up to ``end`` or the first incomplete or damaged frame."""
        reader = io.BufferedReader(self._file, _CHUNK)
        try:
            reader.seek(at)
            while len(head := reader.read(FRAME.size)) == FRAME.size:
                mark, length, crc = FRAME.unpack(head)
                at += FRAME.size + length
                if mark != _MARK or length > PAYLOAD_BYTES or at > end:
                    return
                payload = reader.read(length)
                if len(payload) != length or _crc(payload) != crc:
                    return
                yield payload
        finally:
            reader.detach()

    def _write(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        os.fsync(self._file.fileno())

    def _check_open(self) -> None:
        if self._file.closed:
            raise StoreUnavailableError(f"spool {self.path.name!r} is closed", code="store.closed")


def _full(how: str) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"database unavailable and feedback buffer full ({how}); feedback not recorded", code="store.full"
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _is_at(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def _framed(payload: bytes) -> bytes:
    return FRAME.pack(_MARK, len(payload), _crc(payload)) + payload


def _crc(payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(len(payload).to_bytes(4, "little")))
