"""Every fault is where the truth says it is, and nowhere else."""

from __future__ import annotations

import csv
import json
import math
import pickle
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.synth import Fault, Layout, Plan, write
from routerset.etl.synth.faults import Injury, applicable
from routerset.etl.synth.plan import carried_by
from routerset.etl.synth.truth import Truth
from routerset.schemas.tables import Reason
from tests.synth.parsing import Key, read_scores, read_zip, true_scores

SINGLE = [layout for layout in Layout if layout is not Layout.ALL]


def faulty(folder: Path, layout: Layout) -> Truth:
    """Dumps of one layout with every fault that it can show."""
    shown = frozenset(f for name in carried_by(layout) for f in applicable(layout, name))
    benchmarks = {
        Layout.DETAILS_OLD: ("arc", "winogrande"),
        Layout.DETAILS_NEW: ("hellaswag", "gsm8k"),
        Layout.WIDE: ("arc", "gpqa"),
        Layout.LM_EVAL: ("gsm8k", "ifeval"),
        Layout.ROUTEREVAL: ("gsm8k", "musr"),
    }
    return write(folder, Plan(models=9, layout=layout, faults=shown, benchmarks=benchmarks.get(layout)))


@pytest.mark.parametrize("layout", SINGLE)
def test_scores_are_the_truth_but_for_the_faults(tmp_path: Path, layout: Layout) -> None:
    truth = faulty(tmp_path / "dumps", layout)
    assert {i.fault for i in truth.injuries} == truth.plan.faults
    assert len({i.model_id for i in truth.injuries}) == len(truth.injuries)
    for name in truth.plan.placement():
        expected: dict[Key, list[float]] = {k: [s] for k, s in true_scores(truth, name).items()}
        for injury in truth.injuries:
            if injury.benchmark == name:
                change(expected, injury)
        found = read_scores(tmp_path / "dumps", layout, truth, name)
        assert {k: comparable(s) for k, s in found.items()} == {k: comparable(s) for k, s in expected.items()}


def comparable(scores: list[float]) -> list[str]:
    """Scores in any order, NaN equal to itself."""
    return sorted(map(str, scores))


def change(expected: dict[Key, list[float]], injury: Injury) -> None:
    """What a plain parser sees of one fault."""
    mine = [key for key in expected if key[:2] == (injury.model_id, injury.subset)]
    lost = [key for key in mine if key[2] in injury.lost]
    match injury.fault:
        case Fault.RERUN:
            for key in mine:
                expected[key].append(1.0 - expected[key][0])
        case Fault.MISSING_ROWS | Fault.TRUNCATED:
            for key in lost:
                del expected[key]
        case Fault.NAN:
            expected[lost[0]] = [math.nan]
        case Fault.STRAY_STRINGS if injury.layout is Layout.WIDE:
            expected[lost[0]] = [math.nan]
        case Fault.DUPLICATE_KEYS if injury.layout is Layout.WIDE:
            for key in mine:
                expected[key] *= 2
            expected[lost[0]] = [0.0, 1.0]
        case Fault.DUPLICATE_KEYS:
            doubled = [key for key in mine if key[2] == 13 % len(mine)]
            expected[doubled[0]] = [0.0, 1.0]


def rows_of(file: Path) -> list[object]:
    """Records of a file as they stand in it; a line that is no JSON as text."""
    if file.suffix == ".zip":
        return read_zip(file) or []
    if file.suffix == ".parquet":
        return pq.read_table(file).to_pylist()
    if file.suffix == ".csv":
        with file.open(newline="") as stream:
            return list(csv.reader(stream))[1:]
    rows: list[object] = []
    for line in file.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            rows.append(line)
    return rows


def gap(row: object) -> bool:
    """Whether a record, or a part of it, is no number where one is expected."""
    if isinstance(row, dict):
        return any(gap(value) for value in row.values())
    return row is None or row != row or (isinstance(row, list) and "" in row)


@pytest.mark.parametrize("layout", [each for each in SINGLE if each is not Layout.ROUTEREVAL])
def test_the_row_at_fault_is_the_one_that_is_named(tmp_path: Path, layout: Layout) -> None:
    truth = faulty(tmp_path / "dumps", layout)
    for injury in truth.injuries:
        file = tmp_path / "dumps" / injury.file
        assert file.is_file()
        if layout is not Layout.WIDE:
            assert injury.model_id.replace("/", "__") in injury.file
        if injury.row is None:
            continue
        rows = rows_of(file)
        row = rows[injury.row]
        match injury.fault:
            case Fault.NAN:
                assert gap(row)
                # a harness log repeats a document for the filters that do not count
                assert [i for i, each in enumerate(rows) if gap(each)] in (
                    [injury.row],
                    [injury.row, injury.row + 1],
                )
            case Fault.STRAY_STRINGS:
                assert isinstance(row, str) or any(" " in cell for cell in row)
            case Fault.TRUNCATED:
                assert injury.row == len(rows) - 1
                assert isinstance(row, str) or len(row) < len(rows[0])
            case Fault.DUPLICATE_KEYS:
                assert len(rows) > len(truth.items(injury.benchmark)) or layout in (
                    Layout.WIDE,
                    Layout.LM_EVAL,
                )
            case Fault.UNKNOWN_TASK:
                assert (len(rows), "riddles" in injury.file) == (1, True)
            case Fault.RERUN:
                assert row[0] == rows[injury.row - 1][0]
                assert row[1] < rows[injury.row - 1][1]


@pytest.mark.parametrize("layout", [Layout.DETAILS_OLD, Layout.DETAILS_NEW, Layout.LM_EVAL, Layout.MMLU_PRO])
def test_one_file_disagrees_about_the_gold_answer(tmp_path: Path, layout: Layout) -> None:
    truth = faulty(tmp_path / "dumps", layout)
    (injury,) = (i for i in truth.injuries if i.fault is Fault.CONFLICTING_GOLD)
    clean = write(tmp_path / "clean", replace(truth.plan, faults=frozenset()))
    assert clean.injuries == ()
    before = rows_of(tmp_path / "clean" / injury.file)
    after = rows_of(tmp_path / "dumps" / injury.file)
    differing = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    if layout is Layout.LM_EVAL and len(differing) == 2:
        assert differing == [injury.row, injury.row + 1]
    else:
        assert differing == [injury.row]
    one, other = before[differing[0]], after[differing[0]]
    gold = next(name for name in ("gold", "target", "answer") if name in one)
    assert one[gold] != other[gold]
    assert injury.reason is Reason.CONFLICTING_GOLD


def test_truncated_files_cannot_be_read(tmp_path: Path) -> None:
    plan = Plan(models=8, faults=frozenset({Fault.TRUNCATED}), benchmarks=("arc", "hellaswag", "mmlu_pro"))
    truth = write(tmp_path / "dumps", plan)
    assert [i.reason for i in truth.injuries] == [Reason.UNREADABLE_FILE] * 3
    for injury in truth.injuries:
        file = tmp_path / "dumps" / injury.file
        if file.suffix == ".zip":
            assert read_zip(file) is None
        else:
            with pytest.raises(pa.ArrowInvalid):
                pq.read_table(file)


def test_pickles_hold_an_unknown_task_and_a_gap(tmp_path: Path) -> None:
    truth = faulty(tmp_path / "dumps", Layout.ROUTEREVAL)
    (gap,) = (i for i in truth.injuries if i.fault is Fault.NAN)
    content = pickle.loads((tmp_path / "dumps" / gap.file).read_bytes())  # noqa: S301 - our own file
    assert list(content["data"]) == ["harness_gsm8k_5", "synthetic_riddles"]
    scores = content["data"]["harness_gsm8k_5"]["correctness"]
    assert math.isnan(scores[gap.row, content["model"].index(gap.model_id)])
    assert int((scores != scores).sum()) == 1


def test_all_layouts_show_their_faults_at_once(tmp_path: Path) -> None:
    truth = write(tmp_path / "dumps", Plan(models=8, faults=frozenset(Fault)))
    shown = {(i.layout, i.fault) for i in truth.injuries}
    assert shown == {
        (home, f) for name, home in truth.plan.placement().items() for f in applicable(home, name)
    }
    assert len(shown) == len(truth.injuries)
