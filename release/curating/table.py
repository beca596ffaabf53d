"""Table `curated`, and what later stages make of it.

Nothing is renumbered and no score goes: an item that is left out has no side under a scheme, so that no
router learns from it or is asked it, and no group is chosen by it. A model that is left out is in no group.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.release.files import read_table
from routerset.schemas.matrix import chunks
from routerset.schemas.tables import CURATED, LEFT_OUT, Split

ITEM, MODEL = "item", "model"
PRUNED, ADDED = "models", "pseudo_specialists"
"""Rules whose rows are of models."""
Row: TypeAlias = dict[str, str | None]


def curated_table(rows: Collection[Row]) -> pa.Table:
    """Table `curated`, sorted."""
    order = sorted(
        rows, key=lambda row: tuple(row[name] or "" for name in ("kind", "id", "benchmark", "scheme"))
    )
    return pa.Table.from_pylist(order, schema=CURATED)


def curated_of(path: Path) -> pa.Table:
    """Table `curated` of a build or a release; empty where there is none. Raises ReleaseInputError."""
    return read_table(path) if path.exists() else CURATED.empty_table()


def items_left_out(curated: pa.Table, benchmark: str, scheme: str) -> pa.Array:
    """Ids of the items of a benchmark that are left out under a scheme."""
    mine = pc.and_(pc.equal(curated["kind"], ITEM), pc.equal(curated["benchmark"], benchmark))
    under = pc.or_(pc.is_null(curated["scheme"]), pc.fill_null(pc.equal(curated["scheme"], scheme), False))
    return curated.filter(pc.and_(mine, under))["id"].combine_chunks()


def pruned_models(curated: pa.Table, benchmark: str) -> tuple[str, ...]:
    """Ids of the models that a benchmark's pool has no place for, ascending."""
    mine = pc.and_(pc.equal(curated["rule"], PRUNED), pc.equal(curated["benchmark"], benchmark))
    return tuple(sorted(curated.filter(mine)["id"].to_pylist()))


def leave_out(sides: pa.Table, item_ids: pa.ChunkedArray, left_out: pa.Array) -> pa.Table:
    """Table `splits` with LEFT_OUT in place of the side of some items; as it is where there are none.

    item_ids: of all items, in canonical order.
    """
    out = pc.is_in(item_ids, value_set=left_out)
    if not pc.any(out).as_py():
        return sides
    split = pc.if_else(out, LEFT_OUT, sides["split"].cast(pa.string())).combine_chunks()
    names = pa.array([*(side.value for side in Split), LEFT_OUT])
    codes = pc.index_in(split, value_set=names).cast(pa.int8())
    return pa.table([sides["item"], pa.DictionaryArray.from_arrays(codes, names)], schema=sides.schema)


def records_left_out(
    scores: Path, left_out: npt.NDArray[np.bool_], pruned: Collection[str] = ()
) -> tuple[int, int]:
    """Records of a file of scores: all of them, and those of items or models that are left out.

    left_out: (items,) which items are. pruned: models that are.
    """
    kept = away = 0
    with pq.ParquetFile(scores) as file:
        for chunk in chunks(file):
            of_model = np.array([model in pruned for model in chunk.models], bool)
            kept += len(chunk.items)
            away += int((left_out[chunk.items] | of_model[chunk.codes]).sum())
    return kept, away


def left_out_rows(item_ids: pa.ChunkedArray, left_out: pa.Array) -> npt.NDArray[np.bool_]:
    """(items,) which items are among some ids."""
    return np.asarray(pc.is_in(item_ids, value_set=left_out))
