"""Reads plain numbers from a ``.npy`` file; a forged file can neither run code nor exhaust memory.

The header is read by ``numpy.lib.format``, which parses it as a literal and never evaluates it. Only numeric types
are accepted, so nothing is unpickled, and the size that the header promises is compared with the size of the file
before any data is read.
"""

import math
import tokenize
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from banditroute.errors import WorkloadError
from banditroute.evaluation.workload.tables import MAX_BYTES

_READERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}
_TYPES = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})


def read_npy(path: Path) -> NDArray[Any]:
    """Read the array of plain numbers in ``path``.

    Raises:
        WorkloadError: if the file cannot be opened, is no ``.npy`` file, holds anything but real numbers, or is
            shorter or longer than its header says.
    """
    if not path.is_file():
        raise WorkloadError(f"there is no file {path}")
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            shape, fortran, dtype = _header(path, file)
            promised = file.tell() + math.prod(shape) * dtype.itemsize
            if promised != size:
                raise WorkloadError(f"{path}: the header promises {promised} bytes, but the file has {size}")
            if promised > MAX_BYTES:
                raise WorkloadError(f"{path} holds {promised} bytes, more than the {MAX_BYTES} that are read")
            values = np.fromfile(file, dtype=dtype)
    except OSError as error:
        raise WorkloadError(f"{path} cannot be read: {error.strerror or error}") from None
    return values.reshape(shape, order="F" if fortran else "C")


def _header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        # Version 3 differs in the names of the fields of a record alone, and records are not read.
        read_header = _READERS[npy_format.read_magic(file)]
    except (ValueError, KeyError):
        raise WorkloadError(f"{path} is not a .npy file of version 1 or 2") from None
    try:
        shape, fortran, dtype = read_header(file)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError):
        raise WorkloadError(f"{path}: the .npy header cannot be parsed") from None
    if dtype.str[1:] not in _TYPES:
        raise WorkloadError(f"{path} holds values of type {dtype.str!r:.60}; only plain real numbers are read")
    if any(size < 0 for size in shape):
        raise WorkloadError(f"{path}: the .npy header has shape {shape!r:.60}, which is none")
    return shape, fortran, dtype
