"""Open LLM Leaderboard v1 details: one Parquet file per model and task, flat old or nested new columns.

Rows stand in an order that all models share but that is not the data set's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routerset.etl.synth import names
from routerset.etl.synth.faults import Injury, Target, injury
from routerset.etl.synth.model import generator, uniforms
from routerset.etl.synth.plan import Fault, Layout
from routerset.etl.synth.records import Record, mistaken, other_score, records, row_at_fault
from routerset.etl.synth.truth import Subset, Truth, subsets
from routerset.etl.synth.wording import Item
from routerset.schemas.tables import Reason

_TOKENS = pa.list_(pa.list_(pa.int32()))


def write(folder: Path, truth: Truth, benchmark: str, targets: tuple[Target, ...]) -> list[Injury]:
    """Write one benchmark below `folder`: `details_<org__name>/<time>/details_<task>_<time>.parquet`.

    The name of `folder` is the layout's and tells old columns from new ones.
    """
    old = folder.name == Layout.DETAILS_OLD
    models = truth.models(benchmark)
    injuries = []
    for subset in subsets(truth, benchmark, targets):
        n = len(subset.items)
        drawn = uniforms(generator(truth.plan.seed, benchmark, subset.name, "order"), n)
        order = np.argsort(drawn, kind="stable").tolist()
        texts = _texts(subset.items, subset.prompts, subset.benchmark.shots, old)
        scores = truth.scores(benchmark, subset.name)
        for place, model in enumerate(models):
            struck = subset.target(place)
            rows = records(order, scores[:, place].tolist(), struck)
            run = _Run(folder, subset, texts, old, place, model)
            task = names.details_task(subset.benchmark, subset.name, old)
            file = run.save(task, rows)
            if struck is not None:
                injuries.append(run.strike(struck, file, rows))
    return injuries


@dataclass(frozen=True)
class _Run:
    """One model's runs on one subset. texts: the columns that do not depend on the model, by key."""

    folder: Path
    subset: Subset
    texts: pa.Table
    old: bool
    place: int
    model: str

    def save(self, task: str, rows: Sequence[Record], days_before: int = 0) -> Path:
        day = "2023-07-19" if self.old else "2023-12-03"
        time = names.timestamp(day, self.place, colons=self.old, days_before=days_before)
        folder = self.folder / f"details_{names.folder_name(self.model)}" / time
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"details_{task}_{time}.parquet"
        pq.write_table(self.table(rows), file)
        return file

    def table(self, rows: Sequence[Record]) -> pa.Table:
        """Columns of one file, in the order of real files."""
        keys = [row.key for row in rows]
        columns = {name: self.texts[name].take(pa.array(keys)) for name in self.texts.column_names}
        if any(row.wrong_gold for row in rows):
            mended = [
                mistaken(self.subset.items[r.key]) if r.wrong_gold else self.subset.items[r.key] for r in rows
            ]
            columns |= _golds(mended, self.old)
        scores = np.array([row.score for row in rows])
        metrics = _metrics(self.subset.benchmark.name, scores, np.array(keys))
        if self.old:
            columns |= metrics
        else:
            columns["metrics"] = pa.StructArray.from_arrays(list(metrics.values()), list(metrics))
        columns["predictions"] = pa.array([[-1.5, -3.25]] * len(rows))
        if self.old and self.place % 2:
            hashes = pa.array([f"{key:016x}" for key in keys])
            columns["hashes"] = pa.StructArray.from_arrays([hashes, hashes], ["example", "full_prompt"])
        return pa.table(columns)

    def strike(self, struck: Target, file: Path, rows: list[Record]) -> Injury:
        """Faults of whole files; where the fault is in `rows` already, only its record."""
        row = row_at_fault(struck, rows)
        match struck.fault:
            case Fault.RERUN:
                task = names.details_task(self.subset.benchmark, self.subset.name, self.old)
                others = [replace(each, score=other_score(each.score)) for each in rows]
                file = self.save(task, others, days_before=30)
            case Fault.UNKNOWN_TASK:
                file, row = self.save(f"harness|{names.UNKNOWN_TASK}|5", rows[:1]), 0
            case Fault.TRUNCATED:
                whole = file.read_bytes()
                file.write_bytes(whole[: len(whole) * 2 // 3])
        made = injury(struck, self.model, file, self.folder, len(rows), row)
        if struck.fault is Fault.DUPLICATE_KEYS:
            # documents are told apart by content: a repeat is one more document, which no other model saw
            return replace(made, lost=(), reason=Reason.UNKNOWN_ITEM, quarantined=1)
        return made


def _texts(items: Sequence[Item], prompts: Sequence[str], shots: int, old: bool) -> pa.Table:
    """Columns that all models share, one row per document."""
    n = len(items)
    questions = pa.array([item.question for item in items])
    tokens = pa.array([[[1, 2, 3]]] * n, _TOKENS)
    if old:
        # the oldest files hold an id of the data set here, and no prompt
        ids = pa.array([f"{item.subset}_{item.key}" for item in items])
        columns = {"example": ids, "query": questions}
    else:
        columns = {"example": questions, "instruction": pa.array([""] * n), "full_prompt": pa.array(prompts)}
    columns["choices"] = pa.array([list(item.choices) or [item.answer] for item in items])
    columns |= _golds(items, old)
    columns |= {"input_tokens": tokens, "cont_tokens": tokens}
    asked = pa.array([shots] * n, pa.int64())
    columns |= {"num_asked_few_shots": asked, "num_effective_few_shots": asked}
    zeros = pa.array([0] * n, pa.int64())
    columns |= (
        {"truncated": zeros}
        if old
        else {"pred_logits": pa.array([[0.0]] * n), "padded": zeros, "truncated": zeros}
    )
    return pa.table(columns)


def _golds(items: Sequence[Item], old: bool) -> dict[str, pa.Array]:
    positions = pa.array([item.gold for item in items], pa.int64())
    if old:
        return {"gold": positions if items[0].choices else pa.array([item.answer for item in items])}
    return {"gold": pa.array([[item.answer] for item in items]), "gold_index": positions}


def _metrics(benchmark: str, scores: np.ndarray, keys: np.ndarray) -> dict[str, pa.Array]:
    """Metric columns. Without length normalisation another option often wins, hence acc of arc."""
    exact = pa.array(scores)
    match benchmark:
        case "arc" | "hellaswag":
            return {"acc": pa.array(np.where(keys % 3 == 0, 0.0, scores)), "acc_norm": exact}
        case "truthfulqa":
            return {"mc1": pa.array(np.where(scores > 0.5, 1.0, 0.0)), "mc2": exact}
        case _:
            return {"acc": exact}
