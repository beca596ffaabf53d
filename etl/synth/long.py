"""Tables with one row per item and model, in the order of items, and where it is asked for with costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routerset.etl.synth.costs import draw_costs
from routerset.etl.synth.faults import Injury
from routerset.etl.synth.names import COST_COLUMNS, LONG_COLUMNS
from routerset.etl.synth.truth import Truth, subsets

ROWS = 1 << 21
"""Rows of one file at most, more or less."""


def write(folder: Path, truth: Truth, benchmark: str) -> list[Injury]:
    """Write one benchmark below `folder`, as `<benchmark>/<subset>-<k>.parquet`."""
    models, names = truth.models(benchmark), LONG_COLUMNS | COST_COLUMNS
    (folder / benchmark).mkdir(parents=True, exist_ok=True)
    for subset in subsets(truth, benchmark):
        at, number, writer = 0, 0, None
        for scores in truth.score_chunks(benchmark, subset.name):
            items = subset.items[at : at + len(scores)]
            n = len(models)
            rows = pa.array(np.repeat(np.arange(len(items)), n))
            texts = {
                "doc_key": [str(item.key) for item in items],
                "question": [item.question for item in items],
                "choices": pa.array([list(item.choices) or None for item in items], pa.list_(pa.string())),
                "gold": [item.choices[item.gold] if item.choices else item.answer for item in items],
            }
            columns = {"model": pa.array(list(models) * len(items))}
            columns |= {name: pa.array(values).take(rows) for name, values in texts.items()}
            columns |= {"subset": pa.repeat(subset.name, n * len(items)), "score": pa.array(scores.ravel())}
            if truth.plan.costs:
                lengths = np.array([len(prompt) for prompt in subset.prompts[at : at + len(scores)]])
                for name, values in draw_costs(truth, benchmark, subset.name, at, lengths).items():
                    columns[name] = pa.array(values.ravel(), from_pandas=True)
            table = pa.table({names[name]: column for name, column in columns.items()})
            if writer is None:
                path = folder / benchmark / f"{subset.name}-{number}.parquet"
                writer, written = pq.ParquetWriter(path, table.schema), 0
            writer.write_table(table)
            at, written = at + len(scores), written + len(table)
            if written >= ROWS:
                writer.close()
                writer, number = None, number + 1
        if writer is not None:
            writer.close()
    return []
