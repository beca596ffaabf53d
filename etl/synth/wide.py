"""Tables with one row per model: Parquet without times for v1 benchmarks, CSV with runs for those of v2."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routerset.etl.synth import names
from routerset.etl.synth.faults import Injury, injury
from routerset.etl.synth.plan import Fault
from routerset.etl.synth.runs import Run, cut_off, runs
from routerset.etl.synth.truth import Subset, Truth, subsets
from routerset.etl.synth.wording import option_lines, target
from routerset.schemas.benchmarks import BENCHMARKS

_DAY = "2024-07-18"
_STRAY = "Error: CUDA out of memory"


def write(folder: Path, truth: Truth, benchmark: str) -> list[Injury]:
    """Write one benchmark below `folder`.

    v1: `<benchmark>_responses_wide.parquet` and `<benchmark>_items.parquet`. v2: per subset,
    `results/<title>__<subset>_results.csv` and `prompts/<benchmark>_<subset>_prompts.csv`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if BENCHMARKS[benchmark].leaderboard == "v1":
        return _write_v1(folder, truth, benchmark)
    return [made for part in subsets(truth, benchmark) for made in _write_v2(folder, truth, part)]


def _write_v1(folder: Path, truth: Truth, benchmark: str) -> list[Injury]:
    models, bank, scores = truth.models(benchmark), truth.bank(benchmark), truth.scores(benchmark)
    means = 100 * scores.mean(axis=0, dtype=np.float64)
    hits = [target for target in truth.targets if target.benchmark == benchmark]
    for hit in hits:
        scores[bank.rows(hit.subset).start + hit.key, hit.model] = np.nan
    lead = "" if len(bank.sizes) == 1 else "{}."
    items = [lead.format(subset) + str(key) for subset, size in bank.sizes.items() for key in range(size)]
    kind = pa.int8() if BENCHMARKS[benchmark].binary else pa.float64()
    columns = {"model": pa.array(models), "norm_score": pa.array(means)}
    columns |= {
        item: pa.array(row, from_pandas=True).cast(kind) for item, row in zip(items, scores, strict=True)
    }
    file = folder / f"{benchmark}_responses_wide.parquet"
    pq.write_table(pa.table(columns), file)
    prompts = [prompt for part in subsets(truth, benchmark) for prompt in part.prompts]
    pq.write_table(pa.table({"item": items, "prompt": prompts}), folder / f"{benchmark}_items.parquet")
    return [injury(hit, models[hit.model], file, folder, row=hit.model) for hit in hits]


def _write_v2(folder: Path, truth: Truth, subset: Subset) -> list[Injury]:
    name, n = subset.benchmark.name, len(subset.items)
    single = len(subset.benchmark.subsets) == 1
    title = names.TITLES[name] + ("" if single else f"__{subset.name}")
    file = folder / "results" / f"{title}_results.csv"
    order = [*range(0, n, 2), *range(1, n, 2)]
    scores = truth.scores(name, subset.name)
    rows = [["model", "timestamp", *map(str, order)]]
    injuries = []
    cut = next((hit.model for hit in subset.targets if hit.fault is Fault.TRUNCATED), None)
    # a file that is cut off lacks a part of its last row
    for place, model in sorted(enumerate(truth.models(name)), key=lambda each: each[0] == cut):
        for run in runs(model, place, order, scores[:, place].tolist(), subset.target(place)):
            missing = run.hit is not None and run.hit.fault is Fault.MISSING_ROWS
            rows += [] if missing else [_cells(run)]
            if run.hit is not None:
                injuries.append(injury(run.hit, model, file, folder, n, None if missing else len(rows) - 2))
    _write_csv(file, rows)
    if cut is not None:
        cut_off(file)
    prefix = name + ("" if single else f"_{subset.name}")
    documents = ([str(i.key), i.question + option_lines(i), target(i)] for i in subset.items)
    _write_csv(folder / "prompts" / f"{prefix}_prompts.csv", [["id", "prompt", "target"], *documents])
    return injuries


def _cells(run: Run) -> list[str]:
    """One row, all scores 0 or 1; some runs spell them with a point, some without."""
    spelled = ("0", "1") if run.place % 2 else ("0.0", "1.0")
    time = names.timestamp(_DAY, run.place, days_before=run.days_before)
    cells = [
        _STRAY if row.stray else "" if math.isnan(row.score) else spelled[int(row.score)] for row in run.rows
    ]
    return [names.folder_name(run.model), time, *cells]


def _write_csv(file: Path, rows: Iterable[Sequence[str]]) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
