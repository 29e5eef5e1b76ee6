"""An exclusive lock on an open file, which the operating system releases when the process ends."""

import errno
import os
import sys

_HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)

if sys.platform == "win32":
    import msvcrt

    # Beyond the end of any spool: a lock there does not block readers.
    _OFFSET = 2**31 - 2

    def _lock(fd: int) -> None:
        os.lseek(fd, _OFFSET, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(fd: int) -> None:
        # Not lockf: its locks do not exclude other threads, and closing any descriptor of the file releases them.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock(fd: int) -> bool:
    """Lock the file of ``fd`` until it is closed; return False if another process holds the lock.

    A forked child shares the lock as long as it keeps the descriptor open.

    Raises:
        OSError: if the file system does not support locks.
    """
    try:
        _lock(fd)
    except OSError as error:
        if error.errno in _HELD_BY_ANOTHER:
            return False
        raise
    return True
