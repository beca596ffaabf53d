"""Large arrays of a pickle stay on disk until they are asked for, whole or row by row."""

from __future__ import annotations

import pickle
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources.pickles.reader import ArrayRef, PickleError, load_pickle
from tests.sources.hostile_pickles import array, dtype, text
from tests.sources.pickle_data import Load, same


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_only_large_arrays_stay_on_disk(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(
        pickle.dumps([np.zeros(1 << 13), np.zeros((1 << 13) + 1), np.zeros((100, 1000)).T], protocol)
    )
    small, large, fortran = load_pickle(path)
    assert isinstance(small, np.ndarray)
    assert (large.path, large.shape, large.dtype, large.fortran) == (
        str(path),
        (8193,),
        np.dtype("f8"),
        False,
    )
    assert (fortran.shape, fortran.fortran) == ((1000, 100), True)


@given(
    n=st.integers(9000, 9100),
    start=st.integers(-10, 9200),
    stop=st.integers(-10, 9200),
    code=st.sampled_from(["i8", ">f4", "U3"]),
    rest=st.sampled_from([(), (3,), (2, 2)]),
    order=st.sampled_from("CF"),
)
@settings(max_examples=50, deadline=None)
def test_rows_are_slices(
    reload_path: Path, n: int, start: int, stop: int, code: str, rest: tuple[int, ...], order: str
) -> None:
    values = np.arange(n * int(np.prod(rest, dtype=int))).astype(code).reshape((n, *rest), order=order)
    reload_path.write_bytes(pickle.dumps({"a": values}, 4))
    reference = load_pickle(reload_path)["a"]
    if isinstance(reference, ArrayRef):
        rows = reference.rows(start, stop)
        assert np.array_equal(rows, values[start:stop])
        assert (rows.dtype, rows.flags.writeable) == (values.dtype, False)


def test_large_python2_arrays_stay_on_disk(tmp_path: Path) -> None:
    values = np.arange(10_000.0)
    payload = b"T" + struct.pack("<i", values.nbytes) + values.tobytes()
    (tmp_path / "x.pkl").write_bytes(
        array(b"M" + struct.pack("<H", 10_000) + b"\x85", dtype("f8"), payload) + b"."
    )
    reference = load_pickle(tmp_path / "x.pkl")
    assert isinstance(reference, ArrayRef)
    assert same(reference.load(), values)


def test_an_array_without_axes_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(np.array("x" * 20_000), 4))
    with pytest.raises(IndexError):
        load_pickle(tmp_path / "x.pkl").rows(0, 1)


def test_arrays_are_read_only(load: Load) -> None:
    for values in load(
        pickle.dumps([np.zeros(3), np.zeros(0), np.zeros(10_000), np.array(["a"], object)], 4)
    ):
        assert not values.flags.writeable


def test_a_file_that_shrinks_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(np.zeros((100, 1000)), 4))
    reference = load_pickle(path)
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(PickleError, match=r"x\.pkl\[array at byte 1\d\d\]: found the end of the file"):
        reference.load()


@pytest.mark.parametrize(("values", "value"), [(np.zeros(70_000, "?"), 2), (np.full(20_000, "a"), 255)])
def test_large_arrays_are_checked_when_they_are_read(tmp_path: Path, values: np.ndarray, value: int) -> None:
    data = bytearray(pickle.dumps(values, 4))
    data[-100:-90] = bytes([value]) * 10
    (tmp_path / "x.pkl").write_bytes(data)
    with pytest.raises(PickleError, match=r"found a (truth value|character)"):
        load_pickle(tmp_path / "x.pkl").load()


def test_a_huge_file_costs_next_to_nothing(tmp_path: Path) -> None:
    # 12 arrays of 5000 x 3500 float64, 1.7 GB, as holes of a sparse file
    with (tmp_path / "x.pkl").open("wb") as file:
        file.write(b"\x80\x04}(")
        for subset in range(12):
            state = array(b"M\x88\x13M\xac\r\x86", dtype("f8"), b"\x8e" + struct.pack("<Q", 5000 * 3500 * 8))
            file.write(text(str(subset)) + state.removesuffix(b"tb"))
            file.seek(5000 * 3500 * 8, 1)
            file.write(b"tb")
        file.write(b"u.")
    tracemalloc.start()
    start = time.perf_counter()
    found = load_pickle(tmp_path / "x.pkl")
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [reference.shape for reference in found.values()] == [(5000, 3500)] * 12
    assert not found["11"].rows(4990, 5000).any()
    assert (seconds < 1, peak < 1 << 20) == (True, True)
