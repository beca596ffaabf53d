"""Corruptions of what `[curate]` leaves out, in a build that leaves nothing out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from routerset.schemas.tables import CURATED
from tests.expectations.builds import Copy, Row, part
from tests.expectations.mutations.edits import PAPER, Mutation


def _list(side: str = "left_out", times: int = 1, **changes: Any) -> Callable[[Copy], None]:
    """List the last train item of mmlu under `paper`, as left out, and give it a side."""

    def mutate(copy: Copy) -> None:
        sides = copy.read(PAPER)["split"].to_pylist()
        item = max(at for at, found in enumerate(sides) if found == "train")
        name = copy.read(part("items", "mmlu"))["item_id"][item].as_py()
        row = {"kind": "item", "id": name, "benchmark": "mmlu", "scheme": "paper", "rule": "duplicates"}
        schema = pa.schema([field.with_nullable(True) for field in CURATED], CURATED.metadata)
        copy.table("tables/curated.parquet", pa.Table.from_pylist([row | changes] * times, schema=schema))
        copy.rows(PAPER, lambda rows: rows[item].update(split=side))

    return mutate


def _lose(copy: Copy) -> None:
    def edit(rows: list[Row]) -> None:
        rows[0]["split"] = "left_out"

    copy.rows(PAPER, edit)


def _miscount(copy: Copy) -> None:
    records = {"mmlu": {"kept": 10, "used": 9, "curated_away": 2}}
    said = {"scheme": "paper", "records": records}
    copy.json("manifest.json", lambda found: found["stages"]["curate"].update(info=said))


MUTATIONS = (
    *(
        Mutation(f"left out without {column}", f"curated.{column}_not_null", _list(**{column: None}))
        for column in ("kind", "id", "benchmark", "rule")
    ),
    Mutation("an item left out that is listed nowhere", "splits.left_out_as_listed", _lose),
    Mutation("a listed item with a side", "splits.left_out_as_listed", _list("train")),
    Mutation("a duplicate of nothing", "curated.duplicate_of_another", _list()),
    Mutation("no count of what is left out", "curated.benchmarks_counted", _list()),
    Mutation("records left out that do not add up", "curated.records_counted", _miscount),
    Mutation("an unknown item left out", "curated.items_resolve", _list(id="none")),
    Mutation("an item listed twice", "curated.listed_once", _list(times=2)),
    Mutation("something else left out", "curated.kind_known", _list(kind="subset")),
    Mutation("left out by an unknown rule", "curated.rule_known", _list(rule="whim")),
)
