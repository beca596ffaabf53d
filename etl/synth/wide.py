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
from routerset.etl.synth.faults import Injury, Target, injury
from routerset.etl.synth.plan import Fault
from routerset.etl.synth.records import other_score
from routerset.etl.synth.truth import Subset, Truth, subsets
from routerset.etl.synth.wording import option_lines, target
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.tables import Reason

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
    parts = subsets(truth, benchmark, targets)
    return [made for subset in parts for made in _write_v2(folder, truth, subset)]


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
                injuries.append(injury(hit, models[hit.model], file, folder, row=hit.model))
            columns[_column(part, item.key)] = cells.cast(kind)
            row += 1
    pq.write_table(pa.table(columns), file)
    keys = [_column(part, item.key) for part in parts for item in part.items]
    prompts = [prompt for part in parts for prompt in part.prompts]
    pq.write_table(pa.table({"item": keys, "prompt": prompts}), folder / f"{benchmark}_items.parquet")
    return injuries


def _column(part: Subset, key: int) -> str:
    return f"{part.name}.{key}" if len(part.benchmark.subsets) > 1 else str(key)


def _write_v2(folder: Path, truth: Truth, subset: Subset) -> list[Injury]:
    models = truth.models(subset.benchmark.name)
    n = len(subset.items)
    single = len(subset.benchmark.subsets) == 1
    order = [*range(0, n, 2), *range(1, n, 2)]
    scores = truth.scores(subset.benchmark.name, subset.name)[order]
    rows = [_row(place, model, scores[:, place].tolist()) for place, model in enumerate(models)]
    title = names.TITLES[subset.benchmark.name] + ("" if single else f"__{subset.name}")
    file = folder / "results" / f"{title}_results.csv"
    file.parent.mkdir(exist_ok=True)
    struck = [(hit, _strike(hit, models[hit.model], rows, order)) for hit in subset.targets]
    injuries = [
        _differing(hit, injury(hit, models[hit.model], file, folder, n, _number(rows, row)), n)
        for hit, row in struck
    ]
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


def _strike(hit: Target, model: str, rows: list[list[str]], order: Sequence[int]) -> list[str] | None:
    """Apply a fault to the rows; returns the row that is at fault, if it is one."""
    at = next(i for i, cells in enumerate(rows) if cells[0] == names.folder_name(model))
    column = 2 + order.index(hit.key)
    row = rows[at]
    match hit.fault:
        case Fault.RERUN:
            row = _row(hit.model, model, [other_score(float(cell)) for cell in row[2:]], days_before=30)
            rows.insert(at + 1, row)
        case Fault.MISSING_ROWS:
            del rows[at]
            return None
        case Fault.NAN:
            row[column] = ""
        case Fault.STRAY_STRINGS:
            row[column] = _STRAY
        case Fault.DUPLICATE_KEYS:
            row = row.copy()
            row[column] = str(other_score(float(row[column])))
            rows.insert(at + 1, row)
        case Fault.TRUNCATED:
            rows.append(rows.pop(at))
    return row


def _differing(hit: Target, made: Injury, n: int) -> Injury:
    """What is at fault where a row holds all n documents."""
    match hit.fault:
        case Fault.MISSING_ROWS:
            return replace(made, lost=tuple(range(n)), extra=-n)
        case Fault.STRAY_STRINGS:
            return replace(made, lost=(hit.key,), reason=Reason.SCORE_OUT_OF_RANGE, extra=0)
        case Fault.DUPLICATE_KEYS:
            return replace(made, superseded=n - 1, extra=n)
        case Fault.TRUNCATED:
            return replace(made, reason=Reason.MALFORMED_ROW)
        case _:
            return made


def _number(rows: Sequence[list[str]], row: list[str] | None) -> int | None:
    return next((i for i, each in enumerate(rows) if each is row), None)


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
