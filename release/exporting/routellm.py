"""RouteLLM (lm-sys/RouteLLM): comparisons of a strong and a weak model, and tables to evaluate on."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from routerset.release.exporting.cells import Cell
from routerset.release.exporting.files import Files, Format, LeftOut
from routerset.release.exporting.lines import constant, csv, joined, json_lines
from routerset.schemas.matrix import as_floats
from routerset.schemas.tables import Split

FIXED = "prompt"


def files(cell: Cell) -> Files:
    """Comparisons of train, the prompts and vectors that they index, and a CSV of every other side.

    Raises LeftOut where no train item tells the two apart.
    """
    if FIXED in cell.models:
        raise LeftOut(f"{FIXED!r} cannot name a column of scores beside the prompts")
    train = cell.places(Split.TRAIN)
    strong, weak = as_floats(cell.scores[:, train])
    if not (strong != weak).any():
        raise LeftOut("on no train item does one of the two score more than the other")
    yield "pairwise_train.json", _listed(_comparisons(cell, strong, weak))
    items = cell.items.take(pa.array(train))
    index = {"idx": np.arange(len(train)), "item_id": items["item_id"], "prompt": items["text"]}
    yield "prompt_index.json", _listed(pa.table(index))
    if cell.vectors is not None:
        stream = io.BytesIO()
        np.save(stream, np.ascontiguousarray(cell.vectors[train], "<f4"), allow_pickle=False)
        yield "prompt_embeddings.npy", [stream.getvalue()]
    for side in (Split.VALIDATION, Split.TEST):
        places = cell.places(side)
        if len(places):
            right = as_floats(cell.scores[:, places]) == 1
            texts = cell.items["text"].take(pa.array(places))
            table = pa.table([texts, *right], names=[FIXED, *cell.models])
            yield f"{cell.benchmark}_{side}.csv", csv([table], table.schema)


def ties(cell: Cell) -> int:
    """Train items on which both models score the same."""
    strong, weak = as_floats(cell.scores[:, cell.places(Split.TRAIN)])
    return int((strong == weak).sum())


def _comparisons(cell: Cell, strong: np.ndarray, weak: np.ndarray) -> pa.Table:
    idx = np.flatnonzero(strong != weak)
    won = np.where(strong > weak, "model_a", "model_b")[idx]
    table = pa.table({"idx": idx})
    for name, model in zip(("model_a", "model_b"), cell.models, strict=True):
        table = table.append_column(name, constant(table, model, pa.string()))
    return table.append_column("winner", pa.array(won.tolist(), pa.string()))


def _listed(table: pa.Table) -> Iterator[bytes]:
    yield b"[\n" + joined(json_lines(table), ",\n") + b"\n]\n"


FORMAT = Format(
    "routellm",
    "RouteLLM",
    files,
    (
        "`model_a` is the strong model, `model_b` the weak one. RouteLLM knows no ties: train items on which "
        "both are right, or both wrong, are no comparison. They keep their `idx`, which is a row of "
        "`prompt_embeddings.npy` and an entry of `prompt_index.json`.",
        "The CSV files of validation and test hold what is evaluated: true where a model is right.",
        "An item that one of the two has no score on is left out; a benchmark with scores between 0 and 1, "
        "too.",
    ),
    pair=True,
    binary=True,
    vectors=True,
)
