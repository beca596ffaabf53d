"""What `[curate]` leaves out of a benchmark: rules on its items, and what later stages make of them.

Nothing is renumbered and no score goes: an item that is left out has no side under a scheme, so that no
router learns from it or is asked it, and no group is chosen by it. Table `curated` lists all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.release.auditing.duplicates import by_text
from routerset.release.auditing.subject import coded
from routerset.release.files import read_table
from routerset.schemas.tables import CURATED, LEFT_OUT, Split

DUPLICATES = ("text",)
SCOPES = ("train", "everywhere")
ITEM = "item"
BY_DUPLICATES = "duplicates"
Row: TypeAlias = dict[str, str | None]


def duplicates(items: pa.Table, sides: pa.Table, benchmark: str, scheme: str, scope: str) -> Iterator[Row]:
    """Rows of table `curated` for items whose question an item before them has (RouterBench+, dedup).

    items: with item_id and question_id, sides: table `splits` under one scheme, before anything is left out;
    both in canonical order. scope: `train` looks at its train items alone, `everywhere` at all.
    """
    looked_at = np.arange(len(items))
    if scope == "train":
        looked_at = np.flatnonzero(pc.equal(sides["split"].cast(pa.string()), Split.TRAIN.value).to_numpy())
    questions, ids = items["question_id"].to_pylist(), items["item_id"].to_pylist()
    for group in by_text(coded([questions[at] for at in looked_at.tolist()])[0]):
        first, *others = looked_at[group].tolist()
        for at in others:
            yield {
                "kind": ITEM,
                "id": ids[at],
                "benchmark": benchmark,
                "scheme": scheme,
                "rule": BY_DUPLICATES,
                "detail": f"asks what {ids[first]} asks",
            }


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


def records_left_out(scores: Path, left_out: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Records of a file of scores: all of them, and those of items that are left out.

    left_out: (items,) which items are.
    """
    kept = away = 0
    with pq.ParquetFile(scores) as file:
        for batch in file.iter_batches(columns=["item"]):
            kept += len(batch)
            away += int(left_out[batch["item"].to_numpy()].sum())
    return kept, away


def left_out_rows(item_ids: pa.ChunkedArray, left_out: pa.Array) -> npt.NDArray[np.bool_]:
    """(items,) which items are among some ids."""
    return np.asarray(pc.is_in(item_ids, value_set=left_out))
