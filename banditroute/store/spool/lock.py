"""An exclusive lock on an open file, which ends with the process and with nothing else."""

import errno
import os
import sys

_HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)

if sys.platform == "win32":
    import msvcrt

    # Behind all that is ever written: a lock there blocks no reader.
    _PLACE = 2**31 - 2

    def _lock(fd: int) -> None:
        os.lseek(fd, _PLACE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(fd: int) -> None:
        # Not lockf: its locks do not exclude within a process, and closing any descriptor of the file ends them.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock(fd: int) -> bool:
    """Lock the file behind ``fd`` until it is closed; False if another holds it.

    A forked child shares the lock for as long as it keeps the descriptor open.

    Raises:
        OSError: where files cannot be locked.
    """
    try:
        _lock(fd)
    except OSError as error:
        if error.errno in _HELD_BY_ANOTHER:
            return False
        raise
    return True
