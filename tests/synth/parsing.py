"""Scores in synthetic dumps, read with plain parsers that share nothing with the writers or our sources."""

from __future__ import annotations

import csv
import json
import math
import pickle
import zipfile
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from routerset.etl.synth import Layout
from routerset.etl.synth.truth import Truth

Key = tuple[str, str, int]
"""Model, subset, key of the document."""
METRICS = {
    "arc": "acc_norm", "hellaswag": "acc_norm", "mmlu": "acc", "truthfulqa": "mc2", "winogrande": "acc",
    "gsm8k": "acc", "ifeval": "prompt_level_strict_acc", "bbh": "acc_norm", "gpqa": "acc_norm",
    "musr": "acc_norm", "math_lvl5": "exact_match", "mmlu_pro": "acc",
}  # fmt: skip


def true_scores(truth: Truth, benchmark: str) -> dict[Key, float]:
    """What the model drew, before any fault."""
    scores = truth.scores(benchmark).tolist()
    models = truth.models(benchmark)
    return {
        (model, item.subset, item.key): score
        for item, row in zip(truth.items(benchmark), scores, strict=True)
        for model, score in zip(models, row, strict=True)
    }


def read_scores(folder: Path, layout: Layout, truth: Truth, benchmark: str) -> dict[Key, list[float]]:
    """Every score of a benchmark's files, in file order; NaN where a cell is empty."""
    found: dict[Key, list[float]] = defaultdict(list)
    if layout is Layout.WIDE:
        _wide(folder, truth, benchmark, found)
    elif layout is Layout.LM_EVAL:
        _lm_eval(folder, benchmark, found)
    elif layout is Layout.MMLU_PRO:
        _mmlu_pro(folder, truth, found)
    elif layout is Layout.LONG:
        for file in sorted((folder / "long" / benchmark).glob("*.parquet")):
            for row in pq.read_table(file).to_pylist():
                found[row["model_name"], row["category"], int(row["prompt_id"])].append(row["label"])
    elif layout is Layout.ITEM_MAJOR:
        for file in sorted((folder / "item_major" / benchmark).glob("*.parquet")):
            for row in pq.read_table(file).to_pylist():
                for model in truth.models(benchmark):
                    found[model, row["eval_name"], int(row["sample_id"])].append(row[model])
    elif layout is Layout.ROUTEREVAL:
        _routereval(folder, truth, benchmark, found)
    else:
        _details(folder, truth, benchmark, found)
    return found


def subset_of_task(benchmark: str, task: str) -> str:
    """Subset that a dump's task name means, worked out from the name alone."""
    for lead in (
        "leaderboard_",
        f"{benchmark}_",
        "math_",
        "harness|hendrycksTest-",
        "harness_hendrycksTest_",
    ):
        task = task.removeprefix(lead)
    task = task.removesuffix("|5").removesuffix("_5").removesuffix("_hard")
    several = ("mmlu", "bbh", "gpqa", "musr", "math_lvl5")
    return task if benchmark in several else benchmark


def _wide(folder: Path, truth: Truth, benchmark: str, found: dict[Key, list[float]]) -> None:
    parquet = folder / "wide" / f"{benchmark}_responses_wide.parquet"
    if parquet.exists():
        table = pq.read_table(parquet).to_pydict()
        for name, cells in table.items():
            if name in ("model", "norm_score"):
                continue
            subset, _, key = name.rpartition(".")
            for model, cell in zip(table["model"], cells, strict=True):
                found[model, subset or benchmark, int(key)].append(math.nan if cell is None else float(cell))
        return
    names = {
        "bbh": "Big-Bench-Hard__*", "gpqa": "GPQA__*", "ifeval": "IFEVAL", "math_lvl5": "MATH-LvL-5__*",
        "mmlu_pro": "MMLU-Pro", "musr": "MuSR__*",
    }  # fmt: skip
    for file in sorted((folder / "wide" / "results").glob(names[benchmark] + "_results.csv")):
        subset = file.name.removesuffix("_results.csv").partition("__")[2] or benchmark
        with file.open(newline="") as stream:
            for row in csv.DictReader(stream):
                model = row.pop("model").replace("__", "/")
                row.pop("timestamp")
                for key, cell in row.items():
                    if cell is not None:
                        found[model, subset, int(key)].append(_number(cell))


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _lm_eval(folder: Path, benchmark: str, found: dict[Key, list[float]]) -> None:
    metric = {"truthfulqa": "acc", "gsm8k": "exact_match"}.get(benchmark, METRICS[benchmark])
    task = {"arc": "arc_challenge", "math_lvl5": "leaderboard_math"}.get(benchmark, benchmark)
    for file in sorted((folder / "lm_eval").glob(f"*/samples*{task}_*.json*")):
        if benchmark == "mmlu" and "leaderboard_mmlu_pro" in file.name:
            continue
        subset = subset_of_task(benchmark, file.name.removeprefix("samples_").rsplit("_", 1)[0])
        for line in file.read_text().splitlines():
            row = _json(line)
            if isinstance(row, dict) and row.get("filter") != "flexible-extract":
                model = file.parent.name.replace("__", "/")
                found[model, subset, row["doc_id"]].append(float(row[metric]))


def _json(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _details(folder: Path, truth: Truth, benchmark: str, found: dict[Key, list[float]]) -> None:
    keys = {(i.subset, i.question, i.choices): i.key for i in truth.items(benchmark)}
    tasks = {"arc": "arc?challenge", "mmlu": "hendrycksTest-*", "truthfulqa": "truthfulqa?mc"}
    pattern = f"details_*/*/details_harness|{tasks.get(benchmark, benchmark)}|*.parquet"
    for layout in (Layout.DETAILS_OLD, Layout.DETAILS_NEW):
        for file in sorted((folder / layout).glob(pattern)):
            try:
                rows = pq.read_table(file).to_pylist()
            except pa.ArrowInvalid:
                continue
            model = file.parents[1].name.removeprefix("details_").replace("__", "/")
            subset = subset_of_task(benchmark, file.name.removeprefix("details_").rsplit("_", 1)[0])
            for row in rows:
                choices = () if benchmark == "gsm8k" else tuple(row["choices"])
                scores = row if layout is Layout.DETAILS_OLD else row["metrics"]
                question = row["query" if layout is Layout.DETAILS_OLD else "example"]
                key = keys[subset, question, choices]
                found[model, subset, key].append(scores[METRICS[benchmark]])


def _mmlu_pro(folder: Path, truth: Truth, found: dict[Key, list[float]]) -> None:
    keys = {item.question: item.key for item in truth.items("mmlu_pro")}
    for file in sorted((folder / "mmlu_pro").glob("*.zip")):
        model = file.name.removeprefix("model_outputs_").partition("_5shots")[0].replace("__", "/")
        for row in read_zip(file) or []:
            if isinstance(row, dict):
                key = keys[row["question"]]
                found[model, "mmlu_pro", key].append(float(row["pred"] == row["answer"]))


def read_zip(file: Path) -> list[object] | None:
    """The list in a result zip; None where the zip is cut off."""
    try:
        with zipfile.ZipFile(file) as archive:
            (member,) = archive.namelist()
            return list(json.loads(archive.read(member)))
    except zipfile.BadZipFile:
        return None


def _routereval(folder: Path, truth: Truth, benchmark: str, found: dict[Key, list[float]]) -> None:
    names = {"arc": "harness_arc_challenge_25", "mmlu": "harness_hendrycksTest_", "math_lvl5": "math_"}
    for file in sorted((folder / "routereval" / "leaderboard_score").glob("*.pkl")):
        content = pickle.loads(file.read_bytes())  # noqa: S301 - a file that this test wrote itself
        for task, entry in content["data"].items():
            if benchmark == "mmlu" and task == "mmlu_pro":
                continue
            if names.get(benchmark, benchmark) in task:
                for key, row in enumerate(entry["correctness"].tolist()):
                    for model, score in zip(content["model"], row, strict=True):
                        found[model, subset_of_task(benchmark, task), key].append(score)
