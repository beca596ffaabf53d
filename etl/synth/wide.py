"""Tables with one row per model: Parquet without times for v1 benchmarks, CSV with runs for those of v2."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routerset.etl.synth import names
from routerset.etl.synth.faults import Injury, Target
from routerset.etl.synth.plan import Fault
from routerset.etl.synth.records import other_score
from routerset.etl.synth.truth import Subset, Truth, subsets
from routerset.etl.synth.wording import option_lines, target
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.tables import Reason

TITLES = {
    "bbh": "Big-Bench-Hard",
    "gpqa": "GPQA",
    "ifeval": "IFEVAL",
    "math_lvl5": "MATH-LvL-5",
    "mmlu_pro": "MMLU-Pro",
    "musr": "MuSR",
}
"""Benchmark as file names of the v2 tables spell it."""
_DAY = "2024-07-18"
_STRAY = "Error: CUDA out of memory"


def write(folder: Path, truth: Truth, benchmark: str, targets: tuple[Target, ...]) -> list[Injury]:
    """Write one benchmark below `folder`.

    v1: `<benchmark>_responses_wide.parquet` and `<benchmark>_items.parquet`. v2: per subset,
    `results/<title>__<subset>_results.csv` and `prompts/<benchmark>_<subset>_prompts.csv`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if BENCHMARKS[benchmark].leaderboard == "v1":
        return _write_v1(folder, truth, benchmark, targets)
    return [
        injury for subset in subsets(truth, benchmark, targets) for injury in _write_v2(folder, truth, subset)
    ]


def _write_v1(folder: Path, truth: Truth, benchmark: str, targets: tuple[Target, ...]) -> list[Injury]:
    models = truth.models(benchmark)
    parts = list(subsets(truth, benchmark, targets))
    file = folder / f"{benchmark}_responses_wide.parquet"
    scores = truth.scores(benchmark)
    kind = pa.int8() if BENCHMARKS[benchmark].binary else pa.float64()
    columns = {
        "model": pa.array(models),
        "norm_score": pa.array(100 * scores.mean(axis=0, dtype=np.float64)),
    }
    injuries = []
    row = 0
    for part in parts:
        struck = {t.key: t for t in part.targets}
        for item in part.items:
            cells = pa.array(scores[row])
            if item.key in struck:
                hit = struck[item.key]
                cells = pa.array(scores[row], mask=np.arange(len(models)) == hit.model)
                injuries.append(_nan(hit, models[hit.model], file, folder))
            columns[_column(part, item.key)] = cells.cast(kind)
            row += 1
    pq.write_table(pa.table(columns), file)
    keys = [_column(part, item.key) for part in parts for item in part.items]
    prompts = [prompt for part in parts for prompt in part.prompts]
    pq.write_table(pa.table({"item": keys, "prompt": prompts}), folder / f"{benchmark}_items.parquet")
    return injuries


def _column(part: Subset, key: int) -> str:
    return f"{part.name}.{key}" if len(part.benchmark.subsets) > 1 else str(key)


def _nan(hit: Target, model: str, file: Path, folder: Path) -> Injury:
    where = file.relative_to(folder.parent).as_posix()
    found = Injury(hit.fault, hit.layout, hit.benchmark, hit.subset, model, where, row=hit.model)
    return replace(found, lost=(hit.key,), reason=Reason.MISSING_SCORE, quarantined=1)


def _write_v2(folder: Path, truth: Truth, subset: Subset) -> list[Injury]:
    models = truth.models(subset.benchmark.name)
    n = len(subset.items)
    single = len(subset.benchmark.subsets) == 1
    order = [*range(0, n, 2), *range(1, n, 2)]
    scores = truth.scores(subset.benchmark.name, subset.name)[order]
    rows = [_row(place, model, scores[:, place].tolist()) for place, model in enumerate(models)]
    title = TITLES[subset.benchmark.name] + ("" if single else f"__{subset.name}")
    file = folder / "results" / f"{title}_results.csv"
    file.parent.mkdir(exist_ok=True)
    made = [_strike(hit, models[hit.model], rows, order) for hit in subset.targets]
    where = file.relative_to(folder.parent).as_posix()
    injuries = [replace(found, file=where, row=_number(rows, at)) for found, at in made]
    text = _csv([["model", "timestamp", *map(str, order)], *rows])
    if any(hit.fault is Fault.TRUNCATED for hit in subset.targets):
        text = text[: -len(",".join(rows[-1])) // 2]
    file.write_text(text, encoding="utf-8", newline="")
    prefix = subset.benchmark.name + ("" if single else f"_{subset.name}")
    prompts = folder / "prompts" / f"{prefix}_prompts.csv"
    prompts.parent.mkdir(exist_ok=True)
    documents = [[str(i.key), i.question + option_lines(i), target(i)] for i in subset.items]
    prompts.write_text(_csv([["id", "prompt", "target"], *documents]), encoding="utf-8", newline="")
    return injuries


def _row(place: int, model: str, scores: Sequence[float], days_before: int = 0) -> list[str]:
    """Cells of one run, all scores 0 or 1; some runs spell them with a point, some without."""
    spelled = ("0", "1") if place % 2 else ("0.0", "1.0")
    time = names.timestamp(_DAY, place, days_before=days_before)
    return [names.folder_name(model), time, *[spelled[int(score)] for score in scores]]


def _strike(
    hit: Target, model: str, rows: list[list[str]], order: Sequence[int]
) -> tuple[Injury, list[str] | None]:
    """Apply a fault to the rows; returns what it did, and the row that is at fault, if it is one."""
    made = Injury(hit.fault, hit.layout, hit.benchmark, hit.subset, model, "")
    n = len(order)
    at = next(i for i, cells in enumerate(rows) if cells[0] == names.folder_name(model))
    column = 2 + order.index(hit.key)
    scores = [float(cell) for cell in rows[at][2:]]
    match hit.fault:
        case Fault.RERUN:
            rows.insert(at + 1, _row(hit.model, model, [other_score(s) for s in scores], days_before=30))
            return replace(made, superseded=n, extra=n), rows[at + 1]
        case Fault.MISSING_ROWS:
            del rows[at]
            return replace(made, lost=tuple(range(n)), extra=-n), None
        case Fault.NAN:
            rows[at][column] = ""
            return replace(made, lost=(hit.key,), reason=Reason.MISSING_SCORE, quarantined=1), rows[at]
        case Fault.STRAY_STRINGS:
            rows[at][column] = _STRAY
            return replace(made, lost=(hit.key,), reason=Reason.SCORE_OUT_OF_RANGE, quarantined=1), rows[at]
        case Fault.DUPLICATE_KEYS:
            again = rows[at].copy()
            again[column] = str(other_score(float(again[column])))
            rows.insert(at + 1, again)
            found = replace(made, reason=Reason.DUPLICATE_KEY, quarantined=2, superseded=n - 1, extra=n)
            return replace(found, lost=(hit.key,)), again
        case Fault.TRUNCATED:
            rows.append(rows.pop(at))
            lost = tuple(range(n))
            found = replace(made, lost=lost, reason=Reason.MALFORMED_ROW, quarantined=1, extra=1 - n)
            return found, rows[-1]
    raise ValueError(f"wide: {hit.fault} cannot be shown by a table of scores")


def _number(rows: Sequence[list[str]], row: list[str] | None) -> int | None:
    return next((i for i, each in enumerate(rows) if each is row), None)


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
