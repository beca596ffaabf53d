"""EmbedLLM (richardzhuang0412/EmbedLLM): CSV, a row per prompt and model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.release.exporting.cells import Cell
from routerset.release.exporting.files import Files, Format
from routerset.release.exporting.lines import csv
from routerset.release.exporting.tensors import tensor
from routerset.schemas.tables import Split

ROWS = pa.schema(
    [
        ("prompt_id", pa.int64()),
        ("model_id", pa.int64()),
        ("category_id", pa.int64()),
        ("label", pa.int64()),
        ("model_name", pa.string()),
        ("category", pa.string()),
        ("prompt", pa.string()),
    ]
)
FILES = {Split.TRAIN: "train.csv", Split.VALIDATION: "val.csv", Split.TEST: "test.csv"}


def files(cell: Cell) -> Files:
    """Three CSV files, the order of prompts and of models, and the vectors of prompts where there are any."""
    categories = pa.array(sorted(set(cell.items["subset"].to_pylist())), pa.string())
    for side, name in FILES.items():
        yield name, csv(_rows(cell, side, categories), ROWS)
    prompts = {"prompt_id": np.arange(cell.items.num_rows), "prompt": cell.items["text"]}
    models = {"model_id": np.arange(len(cell.models)), "model_name": list(cell.models)}
    for name, columns in (("question_order.csv", prompts), ("model_order.csv", models)):
        table = pa.table(columns)
        yield name, csv([table], table.schema)
    if cell.vectors is not None:
        yield "question_embeddings.pth", [tensor(cell.vectors)]


def _rows(cell: Cell, side: Split, categories: pa.Array) -> Iterator[pa.Table]:
    for table in cell.records(cell.places(side)):
        columns = (
            table["place"],
            table["model"],
            pc.index_in(table["subset"], value_set=categories),
            table["score"],
            table["model_name"],
            table["subset"],
            table["text"],
        )
        yield pa.table(dict(zip(ROWS.names, columns, strict=True)))


FORMAT = Format(
    "embedllm",
    "EmbedLLM",
    files,
    (
        "`prompt_id` counts the prompts written, train before validation before test, and is a row of "
        "`question_embeddings.pth`; `model_id` counts the models in their order; `category` is the subset.",
        "`label` is 0 or 1: a benchmark with scores between them is left out, since EmbedLLM would cut them "
        "to 0. A missing score is no row.",
    ),
    binary=True,
    vectors=True,
)
