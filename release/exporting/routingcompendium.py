"""RoutingCompendium (Wikit/RoutingCompendium-perf): a row per prompt, with lists of models and scores."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from routerset.release.exporting.cells import Cell
from routerset.release.exporting.files import Files, Format
from routerset.release.exporting.lines import parquet
from routerset.schemas.matrix import as_floats
from routerset.schemas.tables import Split


def files(cell: Cell) -> Files:
    """A Parquet file of each side that has items."""
    for side in Split:
        places = cell.places(side)
        if len(places):
            yield f"{side}.parquet", [parquet(_rows(cell, places))]


def _rows(cell: Cell, places: np.ndarray) -> pa.Table:
    items = cell.items.take(pa.array(places))
    scores = as_floats(cell.scores[:, places]).T
    known = ~np.isnan(scores)
    offsets = pa.array(np.append(0, known.sum(axis=1).cumsum()), pa.int32())
    model = np.nonzero(known)[1]
    names = pa.array(cell.models, pa.string()).take(pa.array(model))
    return pa.table(
        {
            "prompt": items["text"],
            "dataset": items["subset"],
            "models_name": pa.ListArray.from_arrays(offsets, names),
            "models_performance": pa.ListArray.from_arrays(offsets, pa.array(scores[known])),
        }
    )


FORMAT = Format(
    "routingcompendium",
    "RoutingCompendium",
    files,
    (
        "`dataset` is the subset. A row lists the models that have a score on its prompt, and no others; "
        "the two lists go together. There is no cost table.",
    ),
)
