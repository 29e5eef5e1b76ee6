"""File system calls that make files survive a power cut."""

import os
import sys
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make what was created in or removed from a directory survive a power cut."""
    if sys.platform != "win32":
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
