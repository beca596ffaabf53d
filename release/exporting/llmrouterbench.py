"""LLMRouterBench (ynulihao/LLMRouterBench): a JSON file per dataset, split and model."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from routerset.release.exporting.cells import ROWS, Cell
from routerset.release.exporting.files import Files, Format, file_names
from routerset.release.exporting.lines import constant, joined, json_lines
from routerset.schemas.matrix import as_floats
from routerset.schemas.tables import Split

TIME = "19700101_000000"
_MEASURES = {"prompt_tokens": "prompt_tokens", "completion_tokens": "completion_tokens", "cost": "usd"}


def files(cell: Cell) -> Files:
    """`results/bench/DATASET/SPLIT/MODEL/DATASET-SPLIT-MODEL-TIME.json`; none for a model without scores."""
    for model, name in enumerate(file_names(cell.models)):
        for side in Split:
            places = cell.places(side)
            scores = as_floats(cell.scores[model, places])
            known = ~np.isnan(scores)
            if known.any():
                folder = f"results/bench/{cell.benchmark}/{side}/{name}"
                path = f"{folder}/{cell.benchmark}-{side}-{name}-{TIME}.json"
                yield path, _run(cell, side, model, places[known], scores[known])


def _run(cell: Cell, side: Split, model: int, places: np.ndarray, scores: np.ndarray) -> Iterator[bytes]:
    head = {
        "dataset_name": cell.benchmark,
        "split": side.value,
        "model_name": cell.models[model],
        "demo": False,
        "performance": round(float(scores.mean(dtype=np.float64)), 6),
        "counts": len(places),
    }
    yield json.dumps(head)[:-1].encode() + b', "records": ['
    for start in range(0, len(places), ROWS):
        some = slice(start, start + ROWS)
        lines = json_lines(_records(cell, model, places[some], scores[some]), omit_nulls=True)
        yield (b",\n" if start else b"\n") + joined(lines, ",\n")
    yield b"\n]}\n"


def _records(cell: Cell, model: int, places: np.ndarray, scores: np.ndarray) -> pa.Table:
    items = cell.items.take(pa.array(places))
    empty = constant(items, "", pa.string())
    columns = {
        "index": pa.array(places),
        "origin_query": items["text"],
        "prompt": items["prompt"],
        "prediction": empty,
        "ground_truth": empty,
        "score": pa.array(scores),
    }
    for name, measure in _MEASURES.items():
        if measure in cell.measures:
            found = cell.measures[measure][model, places]
            columns[name] = pa.array(found, mask=np.isnan(found))
    return pa.table({**columns, "raw_output": empty})


FORMAT = Format(
    "llmrouterbench",
    "LLMRouterBench",
    files,
    (
        "A folder of a group is the root that LLMRouterBench reads. A model's folder has `__` for `/`; its "
        "name stands in `model_name`. `index` is the item's place among those written. The time in file "
        "names is none: a release tells no time of a run.",
        "A record without a score is left out, since a null would be read as 0; so are tokens and costs "
        "that are not known. `prediction`, `ground_truth` and `raw_output` are empty: a release has no "
        "answers.",
        "`origin_query` is the question, `prompt` what the LLMs were sent; each stands in for the other "
        "where that is missing.",
    ),
    measures=tuple(_MEASURES.values()),
)
