"""RouterBench (withmartian/routerbench): a row per prompt, three columns per model."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from routerset.release.exporting.cells import Cell
from routerset.release.exporting.files import Files, Format, LeftOut
from routerset.release.exporting.lines import csv, parquet
from routerset.schemas.matrix import as_floats
from routerset.schemas.tables import Split

FIXED = ("sample_id", "prompt", "eval_name", "oracle_model_to_route_to")
NOBODY = "no_model_correct"


def files(cell: Cell) -> Files:
    """A Parquet and a CSV file of each side with items. Raises LeftOut for names that no column can have."""
    odd = next((model for model in cell.models if model in FIXED or "|" in model), None)
    if odd is not None:
        raise LeftOut(f"{odd!r} cannot name a column beside {', '.join(FIXED)} and <model>|total_cost")
    for side in Split:
        places = cell.places(side)
        if len(places):
            table = wide(cell, places)
            yield f"routerbench_{side}.parquet", [parquet(table)]
            yield f"routerbench_{side}.csv", csv([table], table.schema)


def wide(cell: Cell, places: np.ndarray) -> pa.Table:
    """Some items as RouterBench has them; what is not known is null."""
    items = cell.items.take(pa.array(places)).combine_chunks()
    scores = as_floats(cell.scores[:, places])
    columns = {"sample_id": items["item_id"], "prompt": items["text"], "eval_name": items["subset"]}
    columns |= {model: _known(row) for model, row in zip(cell.models, scores, strict=True)}
    columns |= {f"{model}|model_response": pa.nulls(len(places), pa.string()) for model in cell.models}
    told = cell.measures.get("usd")
    for at, model in enumerate(cell.models):
        costs = pa.nulls(len(places), pa.float32()) if told is None else _known(told[at, places])
        columns[f"{model}|total_cost"] = costs
    filled = np.nan_to_num(scores)
    best = np.where(filled.max(axis=0) > 0, filled.argmax(axis=0), len(cell.models))
    names = pa.array([*cell.models, NOBODY], pa.string())
    return pa.table({**columns, "oracle_model_to_route_to": names.take(pa.array(best))})


def _known(values: np.ndarray) -> pa.Array:
    return pa.array(values, pa.float32(), mask=np.isnan(values))


FORMAT = Format(
    "routerbench",
    "RouterBench",
    files,
    (
        "RouterBench has no splits: each side is a table of its own, as Parquet and as CSV. There is no "
        "pickle: `pandas.read_parquet` reads the same, and runs no code.",
        "A missing score or cost is null, and `<model>|model_response` always, since a release has no "
        f"answers. `oracle_model_to_route_to` is the first of the best in the order of the columns, "
        f"`{NOBODY}` where no score is above 0. `eval_name` is the subset.",
    ),
    priced=True,
    measures=("usd",),
)
