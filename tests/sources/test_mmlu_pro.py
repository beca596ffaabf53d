"""MMLU-Pro results: rows, lists that break off, and archives that must not be trusted."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources import mmlu_pro
from routerset.etl.sources.base import Dump, DumpUnreadable, Reading, Settings, SourceSpec
from routerset.etl.sources.parse import json_list

REAL = Path(__file__).resolve().parents[2] / ".." / "shared" / "dumps" / "mmlu_pro_results"
NAME = "model_outputs_org__model_5shots.zip"


def answer(question_id: object, pred: object = "B", **fields: object) -> dict[str, object]:
    asked = {"question_id": question_id, "question": f"{question_id}?", "options": ["a", "b"], "answer": "B"}
    return {**asked, "answer_index": 1, "cot_content": "", "pred": pred, "generated_text": "(B)", **fields}


def zipped(data: bytes, member: str = "x.json", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(member, data)
    return buffer.getvalue()


def read_bytes(folder: Path, data: bytes, name: str = NAME) -> Reading:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    spec = SourceSpec("mmlu_pro", str(folder))
    (dump,) = mmlu_pro.discover(spec)
    (reading,) = mmlu_pro.read(dump, spec)
    return reading


def read_rows(folder: Path, rows: Sequence[object]) -> Reading:
    return read_bytes(folder, zipped(json.dumps(rows).encode()))


def accounted(reading: Reading) -> bool:
    kept = sum(int(np.isfinite(block.values).sum()) for block in reading.blocks)
    superseded = sum(int(block.n_superseded.sum()) for block in reading.blocks)
    return sum(reading.n_read.values()) == kept + superseded + len(reading.quarantined)


def scores(reading: Reading) -> dict[str, float]:
    (block,) = reading.blocks
    return dict(zip(block.columns.doc_keys.to_pylist(), block.values[0].tolist(), strict=True))


# --- rows --------------------------------------------------------------------------------------------


def test_a_row_scores_where_prediction_and_answer_agree(tmp_path: Path) -> None:
    reading = read_rows(tmp_path, [answer(70), answer(71, "A"), answer(72, None), answer("73", "b")])
    assert scores(reading) == {"70": 1.0, "71": 0.0, "72": 0.0, "73": 0.0}
    assert reading.notes == {("mmlu_pro", "parse_failed"): 1}
    docs = reading.blocks[0].columns.docs().to_pylist()
    assert docs[0] == {
        "doc_key": "70",
        "question": "70?",
        "prompt": None,
        "choices": ["a", "b"],
        "gold": "b",
        "hash": None,
        "category": None,
    }


@pytest.mark.parametrize(
    "change", [{"question": "?"}, {"options": ["a", "c"]}, {"options": ["ab"]}, {"answer": "A"}]
)
def test_prints_change_with_text_and_gold(tmp_path: Path, change: dict[str, object]) -> None:
    def print_of(name: str, row: dict[str, object]) -> object:
        return read_rows(tmp_path / name, [row]).blocks[0].columns.prints[0].as_py()

    first, other = print_of("a", answer(70)), print_of("b", answer(70, **change))
    same = print_of("c", answer(70, "A", generated_text="x", category="y"))
    assert first == same
    assert first != other


ODD = (
    *("text", 1, None, [], {}, {"question_id": 1}, answer(True), answer(1.5), answer(""), answer(3, 4)),
    *(answer(5, score=float("nan")), answer(6, options=[None]), answer(7, answer=None)),
    answer(8, question="\ud800"),
)
ELEMENTS = st.one_of(
    st.builds(answer, st.integers(0, 9), st.sampled_from(["A", "B", None])), st.sampled_from(ODD)
)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(ELEMENTS, min_size=1, max_size=8), data=st.data())
def test_a_list_that_breaks_off_is_read_as_far_as_it_goes(
    tmp_path_factory: pytest.TempPathFactory, rows: list[object], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("zip")
    text = json.dumps(rows)
    ends = [len(json.dumps(rows[: i + 1])) - 1 for i in range(len(rows))]
    at = data.draw(st.one_of(st.sampled_from(ends), st.integers(1, len(text))))
    reading = read_bytes(folder, zipped(text[:at].encode()))
    assert reading.n_read == {"mmlu_pro": sum(end <= at for end in ends) + (at < len(text))}
    assert accounted(reading)


def test_rows_before_a_cut_keep_their_scores(tmp_path: Path) -> None:
    rows = [answer(i, "AB"[i % 2]) for i in range(20)]
    text = json.dumps(rows, indent=2)
    reading = read_bytes(tmp_path, zipped(text[: len(text) * 3 // 4].encode()))
    assert scores(reading) == {str(i): float(i % 2) for i in range(15)}
    assert reading.quarantined["row"].to_pylist() == [15]


# --- archives ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("member", ["../../evil.json", "/tmp/evil.json", "C:\\evil.json", "a/b/c.JSON"])
def test_the_name_of_a_member_is_never_a_path(tmp_path: Path, member: str) -> None:
    reading = read_bytes(tmp_path / "dump", zipped(json.dumps([answer(70)]).encode(), member))
    assert scores(reading) == {"70": 1.0}
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [NAME]


def test_an_archive_that_unfolds_too_far_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_list, "MAX_BYTES", 1000)
    with pytest.raises(DumpUnreadable, match="expected at most 200 times and 1000"):
        read_bytes(tmp_path, zipped(json.dumps([answer(i) for i in range(20)]).encode()))


def test_an_archive_that_lies_about_its_size_takes_no_more_memory_than_it_says(tmp_path: Path) -> None:
    data = bytearray(zipped(b"[" + b" " * (64 << 20) + b"]"))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(mark) + offset, 1000)
    tracemalloc.start()
    try:
        with pytest.raises(DumpUnreadable, match="CRC"):
            read_bytes(tmp_path, bytes(data))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_deflate_is_inflated(tmp_path: Path, method: int) -> None:
    with pytest.raises(DumpUnreadable, match="expected deflate"):
        read_bytes(tmp_path, zipped(json.dumps([answer(70)]).encode(), method=method))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_loses_no_record_and_raises_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    method = data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    sound = bytearray(zipped(json.dumps([answer(i) for i in range(4)]).encode(), method=method))
    for _ in range(data.draw(st.integers(1, 3))):
        sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    try:
        reading = read_bytes(
            tmp_path_factory.mktemp("zip"), bytes(sound[: data.draw(st.integers(1, len(sound)))])
        )
    except DumpUnreadable:
        return
    assert accounted(reading)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_json_loses_no_record_and_raises_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    sound = bytearray(json.dumps([answer(i) for i in range(4)]).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    try:
        reading = read_bytes(tmp_path_factory.mktemp("zip"), zipped(bytes(sound)))
    except DumpUnreadable:
        return
    assert accounted(reading)


@pytest.mark.parametrize("text", ["[" * 100_000, '[{"a":' * 50_000, "[" + "9" * 10_000 + "]"])
def test_hostile_json_is_one_bad_record(tmp_path: Path, text: str) -> None:
    reading = read_bytes(tmp_path, zipped(text.encode(), method=zipfile.ZIP_STORED))
    assert reading.quarantined["reason"].to_pylist() == ["malformed_row"]
    assert accounted(reading)


# --- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "model"),
    [
        (NAME, "org/model"),
        ("model_outputs_Meta-Llama-3_1-8B-Instruct_5shots.zip", "Meta-Llama-3_1-8B-Instruct"),
        ("model_outputs_o1_0shots.json.zip", "o1"),
        ("model_outputs_a_5shots_5shots.zip", "a_5shots"),
        ("model_outputs_x_5shots_2024-11-05_12-30-00.json.zip", "x"),
        ("model_outputs_x_0shot_20241105.zip", "x"),
        ("model_outputs_x-20240229_12shots.json.zip", "x-20240229"),
    ],
)
def test_the_name_of_a_file_names_the_model(tmp_path: Path, name: str, model: str) -> None:
    (block,) = read_bytes(tmp_path, zipped(json.dumps([answer(70)]).encode()), name).blocks
    assert block.runs.models == (model,)


@pytest.mark.parametrize("end", [".json", ".jsonl", "_2024-11-05T12-30-00.json"])
def test_files_that_are_not_zipped_say_the_same(tmp_path: Path, end: str) -> None:
    rows = [answer(70), answer(71.0, "A"), answer(72.5)]
    text = "\n".join(map(json.dumps, rows)) if end == ".jsonl" else json.dumps(rows)
    file = f"model_outputs_org__model_3shots{end}"
    (tmp_path / file).write_text(text, "utf-8")
    (reading,) = mmlu_pro.read(
        Dump("mmlu_pro", str(tmp_path / file), file, "", 0, ""), SourceSpec("mmlu_pro", "")
    )
    assert scores(reading) == {"70": 1.0, "71": 0.0}
    assert reading.quarantined["reason"].to_pylist() == ["missing_key"]
    assert reading.blocks[0].runs.settings == Settings("mmlu_pro", few_shot=3)
    told = reading.blocks[0].runs.timestamps[0]
    assert told == ("2024-11-05T12:30:00.000000" if "T" in end else None)


def test_one_bad_line_costs_no_other_line(tmp_path: Path) -> None:
    file = "model_outputs_org__model_3shots.jsonl"
    (tmp_path / file).write_text("\n".join([json.dumps(answer(70)), "{", json.dumps(answer(71))]), "utf-8")
    (reading,) = mmlu_pro.read(
        Dump("mmlu_pro", str(tmp_path / file), file, "", 0, ""), SourceSpec("mmlu_pro", "")
    )
    assert scores(reading) == {"70": 1.0, "71": 1.0}
    assert reading.quarantined["reason"].to_pylist() == ["malformed_row"]


def test_other_archives_are_no_dumps(tmp_path: Path) -> None:
    for name in ("eval_results.zip", "model_outputs_x.zip", "model_outputs_x_5shots.txt"):
        (tmp_path / name).write_bytes(b"")
    assert list(mmlu_pro.discover(SourceSpec("mmlu_pro", str(tmp_path)))) == []


# --- real files --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> dict[str, Reading]:
    if not REAL.is_dir():
        pytest.skip("the folder `shared` with real dumps is not beside the checkout")
    spec = SourceSpec("mmlu_pro", str(REAL))
    readings = [reading for dump in mmlu_pro.discover(spec) for reading in mmlu_pro.read(dump, spec)]
    return {reading.blocks[0].runs.models[0]: reading for reading in readings}


def test_real_files_are_read_whole(real: dict[str, Reading]) -> None:
    assert all(map(accounted, real.values()))
    found = {model: (reading.n_read["mmlu_pro"], len(reading.quarantined)) for model, reading in real.items()}
    assert found.pop("DeepSeek-Coder-V2") == (10_394, 43)
    assert found.pop("gemini-1.5-flash-002") == (12_012, 0)
    assert set(found.values()) == {(12_032, 0)}
    assert len(found) == 6
    assert set(real["DeepSeek-Coder-V2"].quarantined["reason"].to_pylist()) == {"not_an_object"}


def test_real_scores_are_those_of_a_plain_count(real: dict[str, Reading]) -> None:
    with zipfile.ZipFile(REAL / "model_outputs_gemma-7b_5shots.zip") as archive:
        rows = json.loads(archive.read(archive.namelist()[0]))
    assert scores(real["gemma-7b"]) == {str(r["question_id"]): float(r["pred"] == r["answer"]) for r in rows}
    assert real["gemma-7b"].notes == {("mmlu_pro", "parse_failed"): sum(r["pred"] is None for r in rows)}


def test_some_real_questions_differ_between_files(real: dict[str, Reading]) -> None:
    prints: dict[str, set[str]] = {}
    for reading in real.values():
        (block,) = reading.blocks
        keys, marks = block.columns.doc_keys.to_pylist(), block.columns.prints.to_pylist()
        for key, mark in zip(keys, marks, strict=True):
            prints.setdefault(key, set()).add(mark)
    assert len(prints) == 12_032
    assert sum(len(marks) > 1 for marks in prints.values()) == 48
