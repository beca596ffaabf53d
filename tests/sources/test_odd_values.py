"""Values and types of Arrow that no reader asked for: a column or a file costs itself, and ends no build."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.config import ModelsSpec
from routerset.etl.ingest.descriptions import describe
from routerset.etl.ingest.models import ModelFacts, models_table
from routerset.etl.sources.base import DumpUnreadable, ItemsUnreadable, SourceSpec
from routerset.etl.sources.parse.items_file import read_items
from tests.fuzz.sandbox import Sandbox
from tests.sources.test_odd_files import NAMES

LEAST, MOST = -(2**63), 2**63 - 1


def _times() -> list[pa.Array]:
    found: list[pa.Array] = []
    for unit in ("s", "ms", "us", "ns"):
        for value in (LEAST, LEAST + 1, MOST, -1, 253402300800, 2**55):
            whole = pa.array([value] * 3, pa.int64())
            found += [whole.view(pa.timestamp(unit)), whole.view(pa.duration(unit))]
            found += [whole.view(pa.timestamp(unit, zone)) for zone in ("UTC", "+99:59", "Europe/Berlin")]
    found += [pa.array([value] * 3, pa.int32()).view(pa.date32()) for value in (-(2**31), 2**31 - 1, 2932897)]
    found += [
        pa.array([value] * 3, pa.int64()).view(pa.date64()) for value in (LEAST, MOST, 86_400_000 * 10**9)
    ]
    for kind, width in (
        (pa.time32("s"), 4),
        (pa.time32("ms"), 4),
        (pa.time64("us"), 8),
        (pa.time64("ns"), 8),
    ):
        raw = pa.int32() if width == 4 else pa.int64()
        found += [pa.array([value] * 3, raw).view(kind) for value in (-1, 2 ** (8 * width - 1) - 1)]
    return found


def _others() -> list[pa.Array]:
    text, numbers = pa.array(["a", None, "c"]), pa.array([1, None, 3])
    struct = pa.StructArray.from_arrays([text, numbers], ["x", "y.z"])
    stamp = pa.array([MOST] * 3).view(pa.timestamp("us"))
    return [
        pa.array([decimal.Decimal(9) ** 30, None, decimal.Decimal("-0.5")], pa.decimal128(38, 5)),
        pa.array([decimal.Decimal(9) ** 60] * 3, pa.decimal256(76, 2)),
        pa.array([b"\xff\xfe", b"", None]),
        pa.array([b"\xff"] * 3, pa.binary(1)),
        pa.array(["a", "b", None], pa.large_string()),
        pa.array(["a", "b", None], pa.string_view()),
        pa.array([b"\xff", b"b", None], pa.binary_view()),
        pa.nulls(3),
        text.dictionary_encode(),
        numbers.dictionary_encode(),
        stamp.dictionary_encode(),
        struct,
        pa.StructArray.from_arrays([stamp], ["x"]),
        pa.array([[1], None, []], pa.list_(pa.int64())),
        pa.array([[1, 2]] * 3, pa.list_(pa.int64(), 2)),
        pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), stamp),
        pa.LargeListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int64()), text),
        pa.array([[[["x"]]]] * 3),
        pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())),
        pa.MapArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), pa.array(["a", "b", "c"]), stamp),
        pa.array([2**64 - 1, 0, None], pa.uint64()),
        pa.array([LEAST, MOST, None]),
        pa.array(np.array([65504, np.nan, -np.inf], np.float16)),
        pa.array([np.nan, np.inf, -0.0]),
        pa.array([True, None, False]),
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"\xff" * 16] * 3, pa.binary(16))),
        pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}', "{", None])),
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())),
        pa.StringArray.from_buffers(
            3, pa.py_buffer(np.array([0, 1, 2, 3], np.int32)), pa.py_buffer(b"\xffab")
        ),
    ]


COLUMNS = [*_times(), *_others()]
NAMED = pa.array(["org/a", "org/b", "org/c"])
ONES = pa.array([1.0, 0.0, 1.0])
DETAILS = (
    "example",
    "query",
    "choices",
    "gold_index",
    "gold",
    "full_prompt",
    "acc",
    "metrics",
    "doc",
    "note",
)


def written(path: Path, columns: dict[str, pa.Array]) -> bool:
    """Write a Parquet file; whether Parquet has such columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        pq.write_table(pa.table(columns), path)
    except (pa.ArrowException, NotImplementedError):
        path.unlink(missing_ok=True)
        return False
    return True


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path / "folder")


@pytest.mark.parametrize("place", ["q1", "model", "timestamp", "note"])
def test_in_wide_files(sandbox: Sandbox, place: str) -> None:
    good = {"model": NAMED, "q1": ONES, "q2": ONES}
    n = sum(written(sandbox.dumps / f"{i}.parquet", good | {place: c}) for i, c in enumerate(COLUMNS))
    assert sandbox.stage(SourceSpec("wide", str(sandbox.dumps), "gsm8k")).n_read >= n > 60


@pytest.mark.parametrize("place", DETAILS)
def test_in_details_files(sandbox: Sandbox, place: str) -> None:
    good = {"example": pa.array(["a", "b", "c"]), "acc": ONES}
    name = NAMES["details"].removeprefix("details_org__b")
    files = [sandbox.dumps / f"details_org__{i}{name}" for i in range(len(COLUMNS))]
    n = sum(written(file, good | {place: column}) for file, column in zip(files, COLUMNS, strict=True))
    assert sandbox.stage(SourceSpec("details", str(sandbox.dumps))).n_read >= n > 60


@pytest.mark.parametrize("place", ["item", "question", "prompt", "choices", "gold", "note"])
def test_in_an_items_file(tmp_path: Path, place: str) -> None:
    """Read, or an error that names it; never an error for a column that nobody asked for."""
    items = tmp_path / "items.parquet"
    good = {"item": pa.array(["q1", "q2", "q3"]), "question": pa.array(["a", "b", "c"])}
    refused = []
    for column in COLUMNS:
        if written(items, good | {place: column}):
            try:
                read_items(str(items), {})
            except ItemsUnreadable as error:
                refused.append(str(error))
    assert all("items.parquet" in message for message in refused)
    assert place != "note" or not refused


@pytest.mark.parametrize("place", ["model_id", "license", "params_b", "is_merge", "note"])
def test_in_a_models_file(tmp_path: Path, place: str) -> None:
    """Read, or an error that names it; never an error for a column that nobody asked for."""
    known = dict.fromkeys(("model_id", "license", "params_b", "is_merge"), NAMED)
    spec = ModelsSpec(str(tmp_path / "m.parquet"), {name: name for name in known})
    refused = []
    for column in COLUMNS:
        if written(tmp_path / "m.parquet", known | {place: column}):
            try:
                assert len(models_table({"org/a": ["gsm8k"]}, ModelFacts(describe([spec])), {})) == 1
            except DumpUnreadable as error:
                refused.append(str(error))
    assert all("m.parquet" in message for message in refused)
    assert place != "note" or not refused


@pytest.mark.parametrize(
    "value",
    [
        "1" * 400,
        "1e400",
        "-1e400",
        "NaN",
        "-Infinity",
        '"\\ud800"',
        "[" * 500 + "]" * 500,
        "true",
        "null",
        "{}",
    ],
)
@pytest.mark.parametrize("place", ["doc_id", "question_id", "exact_match", "doc", "target", "answer", "pred"])
def test_in_json(sandbox: Sandbox, place: str, value: str) -> None:
    keys = {"doc_id": "1", "exact_match": "1.0", "doc": '{"question": "q"}', "question_id": "1"}
    keys |= {"answer": '"A"', "pred": '"A"', "options": '["a"]', "answer_index": "0", place: value}
    row = "{" + ", ".join(f'"{name}": {text}' for name, text in keys.items()) + "}"
    sandbox.put({NAMES["lm_eval"]: row.encode() + b"\n", NAMES["mmlu_pro json"]: f"[{row}]".encode()})
    for form in ("lm_eval", "mmlu_pro"):
        assert sandbox.stage(SourceSpec(form, str(sandbox.dumps))).n_read == 1


def test_dates_of_python_are_dates(sandbox: Sandbox) -> None:
    """The sound ones among them are read as before."""
    when = pa.array([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2), None])
    columns = {"model": NAMED, "timestamp": when, "q1": pa.array([1.0, 0.0, 1.0])}
    assert written(sandbox.dumps / "b.parquet", columns)
    assert sandbox.stage(SourceSpec("wide", str(sandbox.dumps), "gsm8k")).n_scores == 3
