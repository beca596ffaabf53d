"""The pickle reader: plain data as the standard library reads it, and nothing else."""

from __future__ import annotations

import pickle
import struct
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sources.pickles import ArrayRef, PickleError, UnsafePickle, load_pickle
from tests.sources.hostile_pickles import Hostile, array, dtype, hostile_pickles, name, text

DUMPS = Path(__file__).resolve().parents[2] / ".." / "shared" / "dumps" / "routereval_pickles"
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
NUMBERS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "g", "F", "D"]


FRAGMENTS = {
    *(bytes([code]) for code in b"N(t]})\x85\x86\x87aesudl\x94Rb"),
    *(b"K\x01", b"K\x00", b"U\x01b", b"U\x01\xff", b"C\x08" + bytes(8), b"\x96\x08" + bytes(15)),
    *(b"h\x00", b"h\x01", b"h\x02", text("a"), text("latin1"), text("C")),
    *(name("numpy", "dtype"), name("numpy", "ndarray"), name("_codecs", "encode")),
    *(name("numpy.core.multiarray", "_reconstruct"), name("numpy.core.multiarray", "scalar")),
    *(name("numpy.core.numeric", "_frombuffer"), dtype("f8"), dtype("O8", "|")),
    *(array(b")", dtype("f8"), b"C\x08" + bytes(8)), array(b")", dtype("O8", "|"), b"]Na")),
}
Load = Callable[..., object]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(data: bytes, **limits: int) -> object:
        path = tmp_path / "x.pkl"
        path.write_bytes(data)
        return whole(load_pickle(path, **limits))

    return load


@pytest.fixture(scope="module")
def reload_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pickles") / "x.pkl"


@pytest.fixture(scope="module")
def reload(reload_path: Path) -> Callable[[bytes], object]:
    """What `load` is, for properties, which may not use fixtures of a single test."""

    def reload(data: bytes) -> object:
        reload_path.write_bytes(data)
        return whole(load_pickle(reload_path))

    return reload


def assert_plain(value: object) -> None:
    """Nothing but plain data, all of which can be looked at."""
    if isinstance(value, dict):
        assert all(isinstance(key, str | bytes | int | np.integer | None) for key in value)
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            assert_plain(item)
    elif isinstance(value, np.ndarray):
        assert value.dtype.kind in "?biufcSUO"
        if value.dtype == object:
            assert_plain(value.tolist())
        else:
            value.tolist()
    else:
        assert isinstance(value, str | bytes | int | float | np.generic | np.dtype | None)


def whole(value: object) -> object:
    """The data with every array that was left on disk loaded."""
    if isinstance(value, ArrayRef):
        return value.load()
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return type(value)(map(whole, value)) if isinstance(value, list | tuple) else value


def same(found: object, expected: object) -> bool:
    """Equal in types, values (NaN too), dtypes and memory order, all the way down."""
    if type(found) is not type(expected):
        return False
    if isinstance(expected, np.ndarray):
        return (
            (found.dtype, found.shape) == (expected.dtype, expected.shape)
            and found.flags.c_contiguous == expected.flags.c_contiguous
            and (
                found.tolist() == expected.tolist()
                if expected.dtype == object
                else found.tobytes() == expected.tobytes()
            )
        )
    if isinstance(expected, np.generic):
        return found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    return repr(found) == repr(expected)


def numpy1(data: bytes) -> bytes:
    """The pickle as numpy 1 spells it. Frame lengths are cut out: a file without them is as good."""
    data = data.replace(b"numpy._core", b"numpy.core")
    for module in (b"numpy.core.multiarray", b"numpy.core.numeric"):
        data = data.replace(bytes([len(module) + 1]) + module, bytes([len(module)]) + module)
    return data[:2] + data[11:] if data[2:3] == b"\x95" else data


# what is read


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


PYTHON2 = {  # cPickle of Python 2.7 with numpy 1.16
    0: b"""(dp1
S'model'
p2
(lp3
S'a/b'
p4
aVc\\u20ac
p5
asS'n'
p6
(I1
L12345678901234567890L
F0.5
I01
Ntp7
sS'data'
p8
cnumpy.core.multiarray
_reconstruct
p9
(cnumpy
ndarray
p10
(I0
tp11
S'b'
p12
tp13
Rp14
(I1
(I2
tp15
cnumpy
dtype
p16
(S'f8'
p17
I0
I1
tp18
Rp19
(I3
S'<'
p20
NNNI-1
I-1
I0
tp21
bI00
S"\\x00\\x00\\x00\\x00\\x00\\x00\\xf0?\\x00\\x00\\x00\\x00\\x00\\x00'@"
p22
tp23
bs.""",
    2: b"\x80\x02}q\x01(U\x05modelq\x02]q\x03(U\x03a/bq\x04"
    b"X\x04\x00\x00\x00c\xe2\x82\xacq\x05eU\x01nq\x06(K\x01"
    b"\x8a\x09\xd2\x0a\x1f\xeb\x8c\xa9\x54\xab\x00G?\xe0\x00\x00\x00\x00\x00\x00\x88Ntq\x07U\x04dataq\x08"
    b"cnumpy.core.multiarray\n_reconstruct\nq\x09cnumpy\nndarray\nq\x0aK\x00\x85q\x0bU\x01bq\x0c\x87q\x0dRq\x0e"
    b"(K\x01K\x02\x85q\x0fcnumpy\ndtype\nq\x10U\x02f8q\x11K\x00K\x01\x87q\x12Rq\x13(K\x03U\x01<q\x14NNN"
    b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x15b\x89U\x10\x00\x00\x00\x00\x00\x00\xf0?\x00\x00\x00\x00\x00\x00'@"
    b"q\x16tq\x17bu.",
}


@pytest.mark.parametrize("protocol", PYTHON2)
def test_python2_files(load: Load, protocol: int) -> None:
    expected = {
        "model": ["a/b", "c\u20ac"],
        "n": (1, 12345678901234567890, 0.5, True, None),
        "data": np.array([1.0, 11.5]),
    }
    assert same(pickle.loads(PYTHON2[protocol], encoding="latin1"), expected)  # noqa: S301  the fixture is right
    assert same(load(PYTHON2[protocol]), expected)


def test_large_python2_arrays_stay_on_disk(tmp_path: Path) -> None:
    values = np.arange(10_000.0)
    payload = b"T" + struct.pack("<i", values.nbytes) + values.tobytes()
    (tmp_path / "x.pkl").write_bytes(
        array(b"M" + struct.pack("<H", 10_000) + b"\x85", dtype("f8"), payload) + b"."
    )
    reference = load_pickle(tmp_path / "x.pkl")
    assert isinstance(reference, ArrayRef)
    assert same(reference.load(), values)


# arrays left on disk


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
    order=orders,
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


# what is refused


def test_the_corpus_bites(tmp_path: Path) -> None:
    """The standard library falls for every exploit that is marked so: the canary is no dummy."""
    canary = tmp_path / "canary"
    for hostile in hostile_pickles(str(canary)):
        if hostile.runs:
            try:
                pickle.loads(hostile.data)  # noqa: S301  our own exploit, which makes a folder
            except Exception as error:  # what it does after it has run is no matter
                last = error
            assert canary.exists(), (hostile.name, last)
            canary.rmdir()


@pytest.mark.parametrize("hostile", hostile_pickles("canary"), ids=lambda hostile: hostile.name)
def test_hostile_pickles_are_refused(
    hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.pkl").write_bytes(hostile.data)
    modules = set(sys.modules)
    tracemalloc.start()
    try:
        with pytest.raises(PickleError, match=r"^x\.pkl\[byte \d+, [A-Z0-9_]+\]: found .+: .+") as caught:
            load_pickle("x.pkl")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not hostile.runs or caught.type is UnsafePickle
    assert [path.name for path in tmp_path.iterdir()] == ["x.pkl"]
    assert set(sys.modules) == modules
    assert peak < 2_000_000 + 100 * len(hostile.data)
    assert len(str(caught.value)) < 2000


def test_messages_say_where_what_and_what_to_do(load: Load) -> None:
    for data, message in [
        (
            b"\x80\x04\x8c\x06pandas\x8c\x09DataFrame\x93.",
            "[byte 21, STACK_GLOBAL]: found the name 'pandas' 'DataFrame', expected plain data: "
            "save the file again with dicts and numpy arrays (to_dict, to_numpy), or as CSV",
        ),
        (
            b"]Pabc\n.",
            "[byte 1, PERSID]: found an opcode that is not admitted, expected those that make plain data: "
            "save the file again with dicts, lists, text and numpy arrays",
        ),
        (
            b"U\x01\xff.",
            "[byte 3, STOP]: found a Python 2 str beyond ASCII, expected one that is text or an array: "
            "save the file again with Python 3",
        ),
        (
            b"]X\x05\x00\x00\x00ab",
            "[byte 1, BINUNICODE]: found 2 bytes to the end of the file, expected 5: "
            "the file is damaged, get it again",
        ),
    ]:
        with pytest.raises(PickleError) as caught:
            load(data)
        assert str(caught.value).endswith("x.pkl" + message)


@pytest.mark.parametrize("data", [b"]" * 1000 + b"t.", b"(" + b"N" * 1000 + b"t.", text("a" * 70_000) + b"."])
def test_the_number_of_elements_is_bounded(load: Load, data: bytes) -> None:
    with pytest.raises(PickleError, match="found more than 1000 elements: allow more with max_elements"):
        load(data, max_elements=1000)


def test_missing_files_and_folders_are_no_pickle_errors(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.pkl"):
        with pytest.raises(OSError, match=path.name):
            load_pickle(path)


SAMPLE = {
    "model": ["org/name", "b\u20ac"],
    "data": {"arc": {"correctness": np.eye(3)}, "n": np.float64(0.5), "t": np.array(["a", "bc"])},
    "o": np.array(["x", None], dtype=object),
    "rest": (1, -1, 2**70, 1.5, True, None, b"\x00\xff"),
}
SAMPLES = [pickle.dumps(SAMPLE, protocol) for protocol in PROTOCOLS] + list(PYTHON2.values())


@pytest.mark.parametrize("data", SAMPLES, ids=[*map(str, PROTOCOLS), "Python 2, 0", "Python 2, 2"])
def test_truncated_anywhere(load: Load, data: bytes) -> None:
    for end in range(len(data)):
        with pytest.raises(PickleError):
            load(data[:end])


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
    st.integers(0, 2000),
    st.booleans(),
)
@settings(max_examples=500, deadline=None)
def test_damaged_files_give_plain_data_or_an_error(
    reload: Callable[[bytes], object], data: bytes, flips: list[tuple[int, int]], cut: int, truncate: bool
) -> None:
    damaged = bytearray(data)
    for position, value in flips:
        damaged[position % len(data)] = value
    try:
        found = reload(bytes(damaged[: cut % len(data)] if truncate else damaged))
    except PickleError:
        return
    assert_plain(found)


@given(st.lists(st.sampled_from(sorted(FRAGMENTS)), max_size=30).map(b"".join))
@settings(max_examples=500, deadline=None)
def test_opcodes_in_any_order_give_plain_data_or_an_error(
    reload: Callable[[bytes], object], data: bytes
) -> None:
    try:
        found = reload(data + b".")
    except PickleError:
        return
    assert_plain(found)
