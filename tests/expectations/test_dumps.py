"""Raw dumps: good ones have no error, every corruption is caught by name, and nothing of a pickle is run."""

from __future__ import annotations

import csv
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routerset.etl.sources.pickles.reader import load_pickle
from routerset.etl.synth import Layout, Plan, write
from routerset.expectations.dumps import FORMATS, detect
from routerset.expectations.dumps.routereval import read as read_pickles
from routerset.expectations.suites import DUMPS
from routerset.expectations.validate import validate

DUMP_FOLDER = Path(__file__).resolve().parents[2] / ".." / "shared" / "dumps"
NAMES = {
    "wide": "results_wide.csv",
    "lm_eval": "samples_leaderboard_ifeval_2024-06-01T00-00-00.000000.jsonl",
    "details": "details_harness|gsm8k|5_2023-07-19T00:00:00.000000.parquet",
    "mmlu_pro": "model_outputs_M_5shots.zip",
    "routereval": "leaderboard_old.pkl",
}


def wide(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)


def good_rows(form: str) -> Any:
    """A small sound content of each format."""
    if form == "wide":
        return [
            ["model", "timestamp", "1", "2", "3"],
            ["a/x", "t1", "1", "0", "1"],
            ["a/y", "t1", "0", "0", "1"],
        ]
    if form == "lm_eval":
        return [
            {"doc_id": n, "doc_hash": f"d{n}", "target_hash": f"t{n}", "prompt_level_strict_acc": n % 2 == 0}
            for n in range(541)
        ]
    if form == "details":
        return [{"example": f"q{n}", "gold": f"a{n}", "acc": float(n % 2)} for n in range(1319)]
    if form == "mmlu_pro":
        return [
            {"question_id": n, "question": f"q{n}", "options": ["a", "b"], "answer": "A", "pred": "AB"[n % 2]}
            for n in range(12032)
        ]
    scores = np.zeros((1319, 3))
    return {"model": ["a/x", "a/y", "a/z"], "data": {"harness_gsm8k_5": {"correctness": scores}}}


def put(form: str, path: Path, content: Any) -> None:
    """Write a dump."""
    if form == "wide":
        wide(path, content)
    elif form == "lm_eval":
        path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in content))
    elif form == "details":
        pq.write_table(pa.Table.from_pylist(content), path)
    elif form == "mmlu_pro":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("m.json", json.dumps(content))
    else:
        path.write_bytes(pickle.dumps(content))


@dataclass(frozen=True)
class Corruption:
    form: str
    expected: str
    change: Callable[[Any], Any]


def at(row: int, **values: Any) -> Callable[[Any], Any]:
    return lambda rows: [*rows[:row], {**rows[row], **values}, *rows[row + 1 :]]


def cell(row: int, column: int, text: str) -> Callable[[Any], Any]:
    def change(rows: list[list[str]]) -> list[list[str]]:
        rows[row][column] = text
        return rows

    return change


def without(row: int, key: str) -> Callable[[Any], Any]:
    return lambda rows: [*rows[:row], {k: v for k, v in rows[row].items() if k != key}, *rows[row + 1 :]]


def scores(change: Callable[[np.ndarray], object]) -> Callable[[Any], Any]:
    def apply(content: Any) -> Any:
        array = content["data"]["harness_gsm8k_5"]["correctness"]
        found = change(array)
        if isinstance(found, np.ndarray):
            content["data"]["harness_gsm8k_5"]["correctness"] = found
        return content

    return apply


def value(item: int, model: int, score: float) -> Callable[[Any], Any]:
    def change(array: np.ndarray) -> None:
        array[item, model] = score

    return scores(change)


CORRUPTIONS = (
    Corruption("wide", "model_named", cell(1, 0, "")),
    Corruption("wide", "columns_differ", cell(0, 3, "1")),
    Corruption("wide", "cells_are_scores", cell(1, 3, "1.5")),
    Corruption("wide", "cells_are_scores", cell(1, 3, "yes")),
    Corruption("wide", "runs_told_apart", lambda rows: [*rows, rows[1]]),
    Corruption("wide", "reruns", lambda rows: [*rows, ["a/x", "t2", "1", "1", "1"]]),
    Corruption("wide", "cells_missing", cell(1, 3, "")),
    Corruption(
        "wide", "columns_filled", lambda rows: [[*row[:4], "" if n else "3"] for n, row in enumerate(rows)]
    ),
    Corruption("wide", "files_filled", lambda rows: rows[:1]),
    Corruption("lm_eval", "rows_sound", lambda rows: [*rows[:5], '{"doc_id": 5, "acc', *rows[6:]]),
    Corruption("lm_eval", "rows_sound", lambda rows: [*rows[:5], "[]", *rows[6:]]),
    Corruption("lm_eval", "rows_sound", without(3, "doc_id")),
    Corruption("lm_eval", "rows_sound", without(3, "prompt_level_strict_acc")),
    Corruption("lm_eval", "scores_in_range", at(3, prompt_level_strict_acc=1.5)),
    Corruption("lm_eval", "scores_in_range", at(3, prompt_level_strict_acc="right")),
    Corruption("lm_eval", "scores_missing", at(3, prompt_level_strict_acc=None)),
    Corruption("lm_eval", "one_gold_answer", at(3, doc_hash="d2")),
    Corruption("lm_eval", "one_document_per_key", lambda rows: [*rows, {**rows[3], "doc_hash": "other"}]),
    Corruption("lm_eval", "one_row_per_document", lambda rows: [*rows, rows[3]]),
    Corruption(
        "lm_eval", "official_metric", lambda rows: [{"doc_id": n, "acc": 1} for n in range(len(rows))]
    ),
    Corruption("lm_eval", "filters_named", lambda rows: [*rows, *rows]),
    Corruption("lm_eval", "documents_dense", lambda rows: rows[:3] + rows[4:]),
    Corruption("lm_eval", "items_whole", lambda rows: rows[:540]),
    Corruption("lm_eval", "files_readable", lambda rows: []),
    Corruption("details", "scores_in_range", at(3, acc=-0.5)),
    Corruption("details", "scores_missing", at(3, acc=None)),
    Corruption(
        "details", "rows_sound", lambda rows: [{k: v for k, v in r.items() if k != "acc"} for r in rows]
    ),
    Corruption("details", "one_gold_answer", at(3, example="q2")),
    Corruption("details", "one_score_per_document", at(3, example="q2", gold="a2")),
    Corruption("details", "items_whole", lambda rows: rows[:-1]),
    Corruption(
        "details", "files_readable", lambda rows: [{"gold": r["gold"], "acc": r["acc"]} for r in rows]
    ),
    Corruption("mmlu_pro", "rows_sound", lambda rows: [*rows, "Answer: B"]),
    Corruption("mmlu_pro", "rows_sound", without(3, "question_id")),
    Corruption("mmlu_pro", "one_gold_answer", lambda rows: [*rows, {**rows[3], "answer": "B"}]),
    Corruption("mmlu_pro", "one_row_per_question", lambda rows: [*rows, {**rows[3], "pred": "A"}]),
    Corruption("mmlu_pro", "one_text_per_question", lambda rows: [*rows, {**rows[3], "question": "new"}]),
    Corruption("mmlu_pro", "answers_parsed", at(3, pred=None)),
    Corruption("mmlu_pro", "items_whole", lambda rows: rows[:-20]),
    Corruption("mmlu_pro", "files_readable", lambda rows: {"rows": rows}),
    Corruption("routereval", "scores_in_range", value(4, 1, 2.0)),
    Corruption("routereval", "scores_missing", value(4, 1, np.nan)),
    Corruption("routereval", "models_differ", lambda c: c | {"model": ["a/x", "a/y", "a/x"]}),
    Corruption("routereval", "tasks_sound", scores(lambda array: array[:, :2])),
    Corruption("routereval", "items_whole", scores(lambda array: array[:-1])),
    Corruption("routereval", "task_known", lambda c: c | {"data": {"new": c["data"]["harness_gsm8k_5"]}}),
    Corruption("routereval", "plain_data", lambda c: c | {"path": Path("x")}),
)


@pytest.mark.parametrize("form", FORMATS)
def test_a_sound_dump_has_no_finding(form: str, tmp_path: Path) -> None:
    path = tmp_path / NAMES[form]
    put(form, path, good_rows(form))
    outcome = validate(path, load_pickle=load_pickle)
    assert {f.suite for f in outcome.findings} == {form}
    assert [f.expectation for f in (*outcome.errors, *outcome.warnings)] == []


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda c: f"{c.form}-{c.expected}")
def test_a_corruption_is_caught_by_name(corruption: Corruption, tmp_path: Path) -> None:
    path = tmp_path / NAMES[corruption.form]
    put(corruption.form, path, corruption.change(good_rows(corruption.form)))
    outcome = validate(path, table=corruption.form, load_pickle=load_pickle)
    failed = {f.expectation: f for f in (*outcome.errors, *outcome.warnings)}
    assert corruption.expected in failed
    assert [f for f in failed.values() if any("could_not_run" in e for e in f.examples)] == []
    assert len(failed[corruption.expected].examples) > 0


def test_every_expectation_of_a_dump_is_seen_to_fail() -> None:
    seen = {(c.form, c.expected) for c in CORRUPTIONS}
    missing = {(name, e.name) for name, suite in DUMPS.items() for e in suite.expectations} - seen
    # the same row of a suite as in the formats where it is seen to fail
    assert missing == {
        ("details", "files_filled"),
        ("details", "task_known"),
        ("lm_eval", "files_filled"),
        ("lm_eval", "task_known"),
        ("mmlu_pro", "files_filled"),
        ("routereval", "files_readable"),
        ("wide", "files_readable"),
    }


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("import pathlib; pathlib.Path('fired').touch()",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_never_run(protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "leaderboard_old.pkl"
    path.write_bytes(pickle.dumps({"model": Bomb()}, protocol))

    def never(_: Path) -> object:
        raise AssertionError("a pickle that was refused must not be loaded")

    outcome = validate(path, load_pickle=never)
    assert [f.expectation for f in outcome.errors] == ["plain_data"]
    assert "exec" in str(outcome.errors[0].examples[0]["problem"])
    assert not (tmp_path / "fired").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_of_noise_is_an_error_and_no_crash(form: str, tmp_path: Path) -> None:
    path = tmp_path / NAMES[form]
    path.write_bytes(bytes(range(256)) * 4)
    outcome = validate(path, table=form, load_pickle=load_pickle)
    assert {f.expectation for f in outcome.errors} & {"files_readable", "rows_sound"}


def damaged(form: str, folder: Path, damage: Callable[[bytes], bytes]) -> Path:
    """A dump with some rows of a format, and something done to its bytes."""
    content = good_rows(form)
    path = folder / NAMES[form]
    put(form, path, content[:40] if isinstance(content, list) else content)
    path.write_bytes(damage(path.read_bytes()))
    return path


@pytest.mark.parametrize("form", FORMATS)
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
def test_damage_of_any_kind_is_read_without_a_crash(form: str, tmp_path: Path, data: st.DataObject) -> None:
    def damage(whole: bytes) -> bytes:
        if data.draw(st.booleans(), label="cut"):
            return whole[: data.draw(st.integers(0, len(whole) - 1))]
        at, byte = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
        return whole[:at] + bytes([byte]) + whole[at + 1 :]

    path = damaged(form, tmp_path, damage)
    detect(path)
    read = partial(read_pickles, load=load_pickle) if form == "routereval" else FORMATS[form].read
    assert {"dump_files", "dump_rows"} <= set(read([path], tmp_path))


@pytest.mark.parametrize(
    ("name", "data"), [("cut.parquet", b"PAR1"), ("empty.csv", b""), ("latin.csv", b"\xe9,1\n")]
)
def test_a_damaged_table_among_wide_ones_is_named(name: str, data: bytes, tmp_path: Path) -> None:
    put("wide", tmp_path / NAMES["wide"], good_rows("wide"))
    (tmp_path / name).write_bytes(data)
    (tmp_path / "items.csv").write_text("id,question\n1,why?\n")
    (error,) = validate(tmp_path).errors
    assert error.expectation == "files_readable"
    assert [example["file"] for example in error.examples] == [name]
    (tmp_path / NAMES["wide"]).unlink()
    assert [f.expectation for f in validate(tmp_path).errors] == ["files_readable"]


def test_a_damaged_table_among_logs_is_no_log(tmp_path: Path) -> None:
    put("lm_eval", tmp_path / NAMES["lm_eval"], good_rows("lm_eval"))
    (tmp_path / "notes.csv").write_bytes(b"")
    outcome = validate(tmp_path)
    assert ({f.suite for f in outcome.findings}, outcome.errors) == ({"lm_eval"}, ())


@pytest.mark.parametrize("layout", [x for x in Layout if x is not Layout.ALL])
def test_synthetic_dumps_have_no_error(layout: Layout, tmp_path: Path) -> None:
    write(tmp_path / "dumps", Plan(models=12, layout=layout), lambda _: None)
    folder = {Layout.ROUTEREVAL: "routereval/leaderboard_score", Layout.WIDE: "wide/results"}.get(
        layout, layout
    )
    outcome = validate(tmp_path / "dumps" / folder, load_pickle=load_pickle)
    assert [(f.expectation, f.examples) for f in outcome.errors] == []


@pytest.mark.skipif(not DUMP_FOLDER.exists(), reason="the folder of real dumps is not beside the checkout")
def test_what_is_wrong_in_the_real_dumps() -> None:
    found = {
        name: {
            f.expectation: f.unexpected for f in validate(DUMP_FOLDER / name, load_pickle=load_pickle).errors
        }
        for name in (
            "openllm_v1_wide/gsm8k_responses_wide.parquet",
            "openllm_v2_wide/results",
            "mmlu_pro_results",
            "lm_eval_samples",
            "routereval_pickles/leaderboard_score",
        )
    }
    assert found == {
        "openllm_v1_wide/gsm8k_responses_wide.parquet": {},
        "openllm_v2_wide/results": {"runs_told_apart": 3},
        "mmlu_pro_results": {"rows_sound": 43, "one_gold_answer": 33},
        "lm_eval_samples": {},
        "routereval_pickles/leaderboard_score": {},
    }
