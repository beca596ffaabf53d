"""The pickle reader: plain data as the standard library reads it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources.pickles.reader import load_pickle
from tests.sources.hostile_pickles import array, dtype
from tests.sources.pickle_data import PROTOCOLS, PYTHON2, Load, same, whole

DUMPS = Path(__file__).resolve().parents[2] / ".." / "shared" / "dumps" / "routereval_pickles"
NUMBERS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "g", "F", "D"]


def numpy1(data: bytes) -> bytes:
    """The pickle as numpy 1 spells it. Frame lengths are cut out: a file without them is as good."""
    data = data.replace(b"numpy._core", b"numpy.core")
    for module in (b"numpy.core.multiarray", b"numpy.core.numeric"):
        data = data.replace(bytes([len(module) + 1]) + module, bytes([len(module)]) + module)
    return data[:2] + data[11:] if data[2:3] == b"\x95" else data


@pytest.mark.parametrize(
    "name",
    ["score/leaderboard_old", "prompt/leaderboard_old_prompt", "embed/leaderboard_old_embed/minilm_result"],
)
def test_real_files_read_as_pickle_reads_them(name: str) -> None:
    file = DUMPS / f"leaderboard_{name}.pkl"
    if not file.exists():
        pytest.skip("no RouterEval pickles beside the checkout")
    expected = pickle.loads(file.read_bytes())  # noqa: S301  the project's own file
    assert same(whole(load_pickle(file)), expected)


def _make_array(code: str, shape: list[int], order: str, data: bytes, writable: bool) -> np.ndarray:
    flat = np.frombuffer(data * 33, code)[: int(np.prod(shape, dtype=int))]
    return (flat.copy() if writable else flat).reshape(shape, order=order)


codes = st.sampled_from(["i1", "<i2", ">i4", "u8", "f2", "<f4", ">f8", "D", "S3"])
shapes, orders, bits = (
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from("CF"),
    st.binary(min_size=16, max_size=16),
)
arrays = st.builds(_make_array, codes, shapes, orders, bits, st.booleans())
numpy_scalars = st.builds(_make_array, codes, st.just([1]), orders, bits, st.booleans()).map(lambda a: a[0])
keys = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5) | st.binary(max_size=5)
leaves = keys | st.integers(-(2**70), 2**70) | st.floats() | arrays | numpy_scalars
plain = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain, st.sampled_from(PROTOCOLS))
@settings(deadline=None)
def test_plain_data_survives_every_protocol(
    reload: Callable[[bytes], object], data: object, protocol: int
) -> None:
    pickled = pickle.dumps(data, protocol)
    assert same(reload(pickled), data)
    assert same(reload(numpy1(pickled)), data)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("code", NUMBERS)
def test_every_kind_of_number_in_every_order_and_size(load: Load, code: str, protocol: int) -> None:
    for byteorder in "<>":
        dtype = np.dtype(code).newbyteorder(byteorder)
        small = (np.arange(24).reshape(2, 3, 4) % 2).astype(dtype)
        large = np.resize(small, (70, 1000)).astype(dtype)
        cases = [
            small,
            small.T,
            small.transpose(1, 0, 2),
            small[:, ::2],
            small[0, 0, 0],
            small[0, 0, :0],
            large,
            large.T,
        ]
        cases += [
            small[1, 1, 1:2].reshape(()),
            np.zeros((0, 5), dtype),
            np.zeros((5, 0), dtype, order="F"),
        ]
        for case in cases:
            pickled = pickle.dumps(case, protocol)
            # numpy makes some byte orders native while it loads; here the file's own stays
            expected = pickle.loads(pickled).astype(case.dtype, order="K")  # noqa: S301
            assert same(load(pickled), expected)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_text_arrays_and_text_scalars(load: Load, protocol: int) -> None:
    words = np.array([["a", "\xe9"], ["\U0001f600", ""]])
    long = np.array(["x" * 20_000, "y"])
    cases = [
        words,
        words.T,
        words.astype(words.dtype.newbyteorder(">")),
        np.char.encode(words, "utf-8"),
        long,
    ]
    cases += [
        words[0, 1],
        long[0],
        np.str_(""),
        np.bytes_(b""),
        np.bytes_(b"a"),
        np.array("abc"),
        np.array(long[0]),
    ]
    for case in cases:
        assert same(load(pickle.dumps(case, protocol)), case)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_object_arrays_of_text(load: Load, protocol: int) -> None:
    cells = np.array([["a", None, "b"], ["c", "d", "e"]], dtype=object)
    ragged = np.empty(2, dtype=object)
    ragged[:] = [["a", "b"], ["c", ["d", None]]]
    for case in [cells, cells.T, cells[:0], cells[0, :1].reshape(()), ragged]:
        assert same(load(pickle.dumps(case, protocol)), np.ascontiguousarray(case).reshape(case.shape))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_large_text_and_bytes_outside_arrays(load: Load, protocol: int) -> None:
    data = {
        "text": "\u20ac" * 100_000,
        "bytes": (b"\x00\xff" * 100_000, [b"a" * 100_000]),
        b"k" * 70_000: "\n\\",
        "tuples": ((b"a" * 70_000,) * 2, (1, 2, 3, 4, 5, b"a" * 70_000), ((b"b" * 70_000,), "c")),
    }
    assert load(pickle.dumps(data, protocol)) == data


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_scalars_as_keys(load: Load, protocol: int) -> None:
    keys = [np.str_("a"), np.bytes_(b"b"), *np.arange(2, dtype="i1"), np.uint64(7), np.int64(-7)]
    assert same(load(pickle.dumps(dict.fromkeys(keys), protocol)), dict.fromkeys(keys))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dtypes_are_plain_data(load: Load, protocol: int) -> None:
    for code in ["<f8", ">i2", "U7", "S3", "?"]:
        assert load(pickle.dumps(np.dtype(code), protocol)) == np.dtype(code)


def test_flags_of_a_dtype_have_no_effect(load: Load) -> None:
    # numpy itself takes numbers for pointers and crashes where the flags say so
    pointers = dtype("f8", "<", b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3f")
    assert same(load(array(b"K\x01\x85", pointers, b"C\x08" + bytes(8)) + b"."), np.zeros(1))


def test_parts_that_are_shared_stay_shared(tmp_path: Path) -> None:
    part, payload, long = ["a"], np.arange(3), b"x" * 100_000
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([(part, payload, long), {"k": (part, payload, long)}], 4))
    first, again = load_pickle(tmp_path / "x.pkl")
    assert all(one is other for one, other in zip(first, again["k"], strict=True))


@pytest.mark.parametrize("protocol", PYTHON2)
def test_python2_files(load: Load, protocol: int) -> None:
    expected = {
        "model": ["a/b", "c\u20ac"],
        "n": (1, 12345678901234567890, 0.5, True, None),
        "data": np.array([1.0, 11.5]),
    }
    assert same(pickle.loads(PYTHON2[protocol], encoding="latin1"), expected)  # noqa: S301  the fixture is right
    assert same(load(PYTHON2[protocol]), expected)
