"""Reading of ``.npy`` files with plain numbers, without pickle.

The header is a Python literal that says type, order and shape; everything else is numbers. We parse the literal
ourselves, admit numeric types only, and compare the size it promises with the size of the file before a byte of
data is read, so that a forged header can neither execute anything nor ask for memory that is not there.
"""

import ast
import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from banditroute.errors import WorkloadError

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_MAX_HEADER = 10_000
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
            dtype, fortran, shape = _header(path, file)
            promised = file.tell() + math.prod(shape) * dtype.itemsize
            if promised != size:
                raise WorkloadError(f"{path}: the header promises {promised} bytes, but the file has {size}")
            values = np.fromfile(file, dtype=dtype)
    except OSError as error:
        raise WorkloadError(f"{path} cannot be read: {error.strerror or error}") from None
    return values.reshape(shape, order="F" if fortran else "C")


def _header(path: Path, file: BinaryIO) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    start = file.read(8)
    width = _LENGTH_BYTES.get(start[6]) if len(start) == 8 and start[:6] == _MAGIC else None
    if width is None:
        raise WorkloadError(f"{path} is not a .npy file")
    length = int.from_bytes(file.read(width), "little")
    if length > _MAX_HEADER:
        raise WorkloadError(f"{path}: a header of {length} bytes is longer than {_MAX_HEADER}")
    try:
        header = ast.literal_eval(file.read(length).decode("utf-8").strip())
        descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise WorkloadError(f"{path}: the .npy header cannot be parsed") from None
    if not (isinstance(descr, str) and descr[:1] in ("<", ">", "|", "=") and descr[1:] in _TYPES):
        raise WorkloadError(f"{path} holds values of type {descr!r:.60}; only plain real numbers are read")
    if not isinstance(fortran, bool) or not (isinstance(shape, tuple) and all(map(_is_size, shape))):
        raise WorkloadError(f"{path}: the .npy header has shape {shape!r:.60}, which is none")
    return np.dtype(descr), fortran, shape


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
