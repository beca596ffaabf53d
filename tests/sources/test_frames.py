"""Pickled DataFrames become the tables that pandas makes of them, and hostile ones are refused unrun."""

from __future__ import annotations

import bz2
import gzip
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.pickles.frames import read_frame
from routerset.schemas.tables import Reason
from tests.sources import golden
from tests.sources.hostile_frames import hostile_frames, one_column
from tests.sources.hostile_frames import objects as cells
from tests.sources.hostile_pickles import Hostile, assert_bite, hostile_pickles, text

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "frames"
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
PLAIN = {
    "sample_id": ["a.1", "b.2", "c.3"],
    "prompt": ["x", "y", None],
    "s": [1.0, 0.5, None],
    "t": [0.0, 1.0, 1.0],
    "i": [1, 2, 3],
    "b": [True, False, True],
    "o": ["1.0", "x", "True"],
}
KINDS = {
    "n": [5, 7, 9],
    **PLAIN,
    "d": ["2020-01-01 00:00:00", "2020-01-02 00:00:00", None],
    "dz": ["2020-01-01 00:00:00Z", "2020-01-02 00:00:00Z", None],
    "c": ["u", "v", "u"],
    "st": ["u", "v", None],
    "I": [1, None, 3],
    "B": [True, None, False],
    "F": [1.5, None, 3.0],
    "td": ["1", "2", None],
}


def values(table: pa.Table) -> dict[str, list[object]]:
    """Columns as lists, times as text without their fractions."""
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("s", column.type.tz)).cast(pa.string())
        elif pa.types.is_duration(column.type):
            column = column.cast(pa.duration("s"), safe=False).cast(pa.int64()).cast(pa.string())
        found[name] = column.to_pylist()
    return found


def read(frame: pd.DataFrame, path: Path, protocol: int = 4) -> pa.Table:
    frame.to_pickle(path, protocol=protocol)
    return read_frame(str(path), path.name)


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.pkl")), ids=lambda file: file.stem)
def test_files_of_older_versions(file: Path) -> None:
    """Written by those versions, each in a Python and with a numpy of its time."""
    assert values(read_frame(str(file), file.name)) == (KINDS if file.name.startswith("kinds") else PLAIN)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_kind_of_column_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    rng = np.random.default_rng(0)
    n = 20_000  # blocks of numbers are left on disk
    words = np.array(["", "a", "é€\U0001f600", "x" * 100, None], dtype=object)
    frame = pd.DataFrame(
        {
            **{f"f{at}": rng.random(n) for at in range(3)},
            "text": words[rng.integers(0, 5, n)],
            "small": rng.random(n).astype("f4"),
            "half": rng.random(n).astype("f2"),
            "big": rng.random(n).astype(">f8"),
            "byte": rng.integers(0, 200, n).astype("u1"),
            "flag": rng.random(n) < 0.5,
            "none": [None] * n,
            "again": words[rng.integers(0, 5, n)],
            "kind": pd.Categorical(words[rng.integers(1, 4, n)]),
            "time": pd.to_datetime(rng.integers(0, 10**9, n), unit="s"),
        }
    )
    frame.loc[3, "f1"] = None
    found = read(frame, tmp_path / "x.pkl", protocol)
    assert found.column_names == list(frame)
    for name in frame:
        expected = frame[name].astype(object).where(frame[name].notna(), None).tolist()
        assert found[name].to_pylist() == expected, name


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n", [3, 50_000])
def test_views_and_orders_of_memory(tmp_path: Path, order: str, n: int) -> None:
    matrix = np.asarray(np.arange(4 * n, dtype=float).reshape(n, 4), order=order)
    frame = pd.DataFrame(matrix, columns=list("abcd"))
    for each in (frame, frame.iloc[::2], frame[["d", "a"]], frame[["d", "c", "b"]], frame.iloc[:0]):
        found = read(each, tmp_path / "x.pkl")
        assert found.column_names == list(each)
        np.testing.assert_array_equal(np.array([found[name].to_numpy() for name in each]).T, each.to_numpy())


def test_an_index_with_a_name_is_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"key": ["a", "b"], "x": [1.0, 2.0]})
    by_key = read(frame.set_index("key"), tmp_path / "x.pkl")
    assert by_key.to_pydict() == {"key": ["a", "b"], "x": [1.0, 2.0]}
    frame.index.name = "row"
    assert read(frame, tmp_path / "x.pkl").to_pydict() == {"row": [0, 1], **frame.to_dict("list")}
    frame.index = pd.Index([7, 7])
    assert read(frame, tmp_path / "x.pkl").to_pydict() == frame.to_dict("list")


def test_labels_that_are_numbers_and_labels_that_repeat(tmp_path: Path) -> None:
    assert read(pd.DataFrame([[1, 2]]), tmp_path / "x.pkl").column_names == ["0", "1"]
    twice = pd.DataFrame([[1, "b"]], columns=["a", "a"])
    assert [column.to_pylist() for column in read(twice, tmp_path / "x.pkl").columns] == [[1], ["b"]]


def test_cells_of_objects(tmp_path: Path) -> None:
    cells = {
        "structs": [{"score": 1.0, "n": 3}, {"score": 0.0}, None],
        "lists": [["a", "b"], [], None],
        "arrays": [np.array([1, 2]), np.array([], int), np.nan],
        "mixed": [2, "a", float("inf")],
        "large": [2**70, 1, None],
        "flags": [True, False, None],
        "lone": ["\ud800", "b", ["\ud800"]],
        "bytes": [b"a", b"\xff", None],
        "numbers": [np.float64(0.5), 1, np.nan],
    }
    frame = pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in cells.items()})
    found = read(frame, tmp_path / "x.pkl").to_pydict()
    assert found == {
        "structs": [{"score": 1.0, "n": 3}, {"score": 0.0, "n": None}, None],
        "lists": [["a", "b"], [], None],
        "arrays": [[1, 2], [], None],
        "mixed": ["2", "a", "inf"],
        "large": [str(2**70), "1", None],
        "flags": [True, False, None],
        "lone": ["?", "b", "['\\ud800']"],
        "bytes": [b"a", b"\xff", None],
        "numbers": [0.5, 1.0, None],
    }


def test_fields_that_only_some_dicts_have_are_bounded(tmp_path: Path) -> None:
    n = 20_000
    column = pd.Series([{f"k{at}": 1 for at in range(5000)}] + [{}] * n, dtype=object)
    found = read(pd.DataFrame({"a": column}), tmp_path / "x.pkl")
    assert pa.types.is_large_string(found["a"].type)
    assert found["a"][1].as_py() == "{}"


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)])),
        pd.DataFrame({"a": [1]}, index=pd.to_datetime(["2020-01-01"])),
        pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([(1, 2)])),
        pd.DataFrame({"a": pd.arrays.SparseArray([1.0])}),
        pd.DataFrame({"a": [1j]}),
        pd.Series([1.0]),
        {"a": [1]},
    ],
    ids=["rows", "times", "labels", "sparse", "complex", "series", "dict"],
)
def test_other_objects_are_refused_with_what_to_do(tmp_path: Path, frame: object) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(frame))
    with pytest.raises(
        DumpUnreadable, match=r"^x\.pkl.*: found .+, expected .+: save the file again"
    ) as caught:
        read_frame(str(path), "x.pkl")
    assert caught.value.reason is Reason.UNSAFE_PICKLE


def test_compressed_files(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(30_000.0), "b": "x"})
    frame.to_pickle(tmp_path / "x.pkl")
    data = (tmp_path / "x.pkl").read_bytes()
    (tmp_path / "x.pkl.gz").write_bytes(gzip.compress(data))
    (tmp_path / "x.pkl.zst").write_bytes(pa.compress(data, "zstd", asbytes=True))
    plain = read_frame(str(tmp_path / "x.pkl"), "x")
    for name in ("x.pkl.gz", "x.pkl.zst"):
        assert read_frame(str(tmp_path / name), name).equals(plain)
    (tmp_path / "x.pkl.gz").write_bytes(gzip.compress(data)[:-100])
    (tmp_path / "x.pkl.bz2").write_bytes(bz2.compress(data))
    for name, found in (
        ("x.pkl.gz", "Compressed file ended"),
        ("x.pkl.bz2", "found bzip2, expected a pickle"),
    ):
        with pytest.raises(DumpUnreadable, match=rf"^{name}: {found}"):
            read_frame(str(tmp_path / name), name)


def test_remote_files_and_missing_ones(tmp_path: Path) -> None:
    with pytest.raises(DumpUnreadable, match=r"^x\.pkl: pickles are read in place: download the folder"):
        read_frame("memory://bucket/x.pkl", "x.pkl")
    with pytest.raises(OSError, match=r"x\.pkl"):
        read_frame(str(tmp_path / "x.pkl"), "x.pkl")


def test_the_corpus_bites(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    assert_bite(hostile_frames(str(canary)), canary)


def test_what_the_corpus_is_made_of_is_sound(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(one_column(cells(text("b"))))
    assert read_frame(str(tmp_path / "x.pkl"), "x.pkl").to_pydict() == {"a": ["b"]}


@pytest.mark.parametrize(
    "hostile", [*hostile_pickles("canary"), *hostile_frames("canary")], ids=lambda hostile: hostile.name
)
def test_hostile_files_are_refused(hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.pkl").write_bytes(hostile.data)
    tracemalloc.start()
    try:
        with pytest.raises(DumpUnreadable, match=r"^x\.pkl.*: .+") as caught:
            read_frame("x.pkl", "x.pkl")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [path.name for path in tmp_path.iterdir()] == ["x.pkl"]
    assert not hostile.runs or caught.value.reason is Reason.UNSAFE_PICKLE
    assert peak < 3_000_000 + 100 * len(hostile.data)
    assert len(str(caught.value)) < 2000


SAMPLES = [file.read_bytes() for file in sorted(GOLDEN.glob("*.pkl"))]


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=4),
)
@settings(max_examples=600, deadline=None)
def test_damaged_files_give_a_table_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, flips: list[tuple[int, int]]
) -> None:
    damaged = bytearray(data)
    for position, value in flips:
        damaged[position % len(data)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.pkl"
    path.write_bytes(damaged)
    try:
        found = read_frame(str(path), "damaged.pkl")
    except DumpUnreadable:
        return
    found.validate(full=True)


@pytest.mark.parametrize("data", SAMPLES[:2] + SAMPLES[-1:], ids=["old", "older", "new"])
def test_truncated_anywhere(tmp_path: Path, data: bytes) -> None:
    for end in range(0, len(data), 7):
        (tmp_path / "x.pkl").write_bytes(data[:end])
        with pytest.raises(DumpUnreadable):
            read_frame(str(tmp_path / "x.pkl"), "x.pkl")


def test_routerbench_is_the_same_as_a_pickle_and_as_csv() -> None:
    """The golden folders hold the same rows, and expect the same scores, costs and documents."""
    (table,) = golden.load_expected("item_major/routerbench")
    blocks = [reading["blocks"] for reading in table["readings"]]
    pickles = golden.load_expected("item_major/routerbench-pickle")
    readable = [each for each in pickles if "unreadable" not in each]
    assert [each["file"] for each in readable] == ["older.pkl.gz", "oldest.pickle", "zero.pkl"]
    for each in readable:
        assert [reading["blocks"] for reading in each["readings"]] == blocks
