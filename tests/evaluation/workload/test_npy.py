from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from banditroute.errors import WorkloadError
from banditroute.evaluation.workload.npy import read_npy

DTYPES = st.sampled_from(["<f2", "<f4", ">f8", "<i4", "|u1", "|b1"])


@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=1, max_dims=3), elements=st.integers(0, 1)), st.booleans())
@settings(max_examples=40, deadline=None)
def test_reads_what_numpy_wrote(array: NDArray[Any], fortran: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        np.save(path, np.asfortranarray(array) if fortran else array)
        read = read_npy(path)
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_refuses_objects_without_unpickling_them(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(WorkloadError, match="plain real numbers"):
        read_npy(path)


@pytest.mark.parametrize("change", [-1, 1])
def test_refuses_a_size_that_does_not_match(tmp_path: Path, change: int) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(6.0).reshape(2, 3))
    data = path.read_bytes()
    path.write_bytes(data[:change] if change < 0 else data + b"\0")
    with pytest.raises(WorkloadError, match="promises"):
        read_npy(path)


def forged(descr: str = "'<f8'", order: str = "False", shape: str = "(2,)") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a .npy file"),
        (b"PK\x03\x04 something else", "not a .npy file"),
        (b"\x93NUMPY\x09\x00\x10\x00", "not a .npy file"),
        (b"\x93NUMPY\x03\x00\x10\x00", "not a .npy file of version 1 or 2"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", "cannot be parsed"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b" " * 65_535, "cannot be parsed"),
        (forged(descr="("), "cannot be parsed"),
        (forged(descr="__import__('os').getcwd()"), "cannot be parsed"),
        (forged(descr="[('a', '<f8')]"), "plain real numbers"),
        (forged(descr="'<U4'"), "plain real numbers"),
        (forged(descr="'<c16'"), "plain real numbers"),
        (forged(shape="(1 << 60, 1 << 60)"), "cannot be parsed"),
        (forged(shape="(1000000000000, 1000000000000)"), "promises"),
        (forged(shape="(-2,)"), "shape"),
        (forged(shape="2"), "cannot be parsed"),
        (forged(order="3"), "cannot be parsed"),
        (forged(descr="'O'"), "plain real numbers"),
        (forged(descr="'V8'"), "plain real numbers"),
    ],
)
def test_refuses_forged_headers(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(data)
    with pytest.raises(WorkloadError, match=said):
        read_npy(path)


def test_negative_control_the_forged_file_is_fine_unforged(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(forged())
    np.testing.assert_array_equal(read_npy(path), np.zeros(2))


def test_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="there is no file"):
        read_npy(tmp_path / "none.npy")
