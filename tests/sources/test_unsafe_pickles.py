"""The pickle reader refuses all that is not plain data, before any code of the file runs."""

from __future__ import annotations

import pickle
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources.pickles.reader import PickleError, UnsafePickle, load_pickle
from tests.sources.hostile_pickles import Hostile, array, assert_bite, dtype, hostile_pickles, name, text
from tests.sources.pickle_data import PROTOCOLS, PYTHON2, Load

FRAGMENTS = {
    *(bytes([code]) for code in b"N(t]})\x85\x86\x87aesudl\x94Rb"),
    *(b"K\x01", b"K\x00", b"U\x01b", b"U\x01\xff", b"C\x08" + bytes(8), b"\x96\x08" + bytes(15)),
    *(b"h\x00", b"h\x01", b"h\x02", text("a"), text("latin1"), text("C")),
    *(name("numpy", "dtype"), name("numpy", "ndarray"), name("_codecs", "encode")),
    *(name("numpy.core.multiarray", "_reconstruct"), name("numpy.core.multiarray", "scalar")),
    *(name("numpy.core.numeric", "_frombuffer"), dtype("f8"), dtype("O8", "|")),
    *(array(b")", dtype("f8"), b"C\x08" + bytes(8)), array(b")", dtype("O8", "|"), b"]Na")),
}


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


def test_the_corpus_bites(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    assert_bite(hostile_pickles(str(canary)), canary)


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
    with pytest.raises(PickleError, match="found more than 1000 elements: save it as several smaller files"):
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
