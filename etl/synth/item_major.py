"""Tables with one row per item and one column per model; where it is asked for, with costs beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routerset.etl.synth.costs import draw_costs
from routerset.etl.synth.faults import Injury
from routerset.etl.synth.names import COST_SUFFIXES, ITEM_COLUMNS
from routerset.etl.synth.truth import Truth, subsets


def write(folder: Path, truth: Truth, benchmark: str) -> list[Injury]:
    """Write one benchmark below `folder`, as `<benchmark>/<subset>.parquet`."""
    models = truth.models(benchmark)
    (folder / benchmark).mkdir(parents=True, exist_ok=True)
    for subset in subsets(truth, benchmark):
        at, writer = 0, None
        for scores in truth.score_chunks(benchmark, subset.name):
            items = subset.items[at : at + len(scores)]
            texts = {
                "doc_key": [str(item.key) for item in items],
                "question": [item.question for item in items],
                "choices": pa.array([list(item.choices) or None for item in items], pa.list_(pa.string())),
                "gold": [item.choices[item.gold] if item.choices else item.answer for item in items],
                "subset": [subset.name] * len(items),
            }
            columns = {ITEM_COLUMNS[name]: values for name, values in texts.items()}
            columns |= dict(zip(models, scores.T, strict=True))
            if truth.plan.costs:
                lengths = np.array([len(prompt) for prompt in subset.prompts[at : at + len(scores)]])
                for measure, values in draw_costs(truth, benchmark, subset.name, at, lengths).items():
                    for model, of_model in zip(models, values.T, strict=True):
                        name = COST_SUFFIXES[measure].replace("{model}", model)
                        columns[name] = pa.array(of_model, from_pandas=True)
            table = pa.table(columns)
            if writer is None:
                writer = pq.ParquetWriter(folder / benchmark / f"{subset.name}.parquet", table.schema)
            writer.write_table(table)
            at += len(scores)
        if writer is not None:
            writer.close()
    return []
