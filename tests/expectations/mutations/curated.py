"""Corruptions of what `[curate]` leaves out, in a build that leaves nothing out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from routerset.schemas.tables import CURATED, PSEUDO_SPECIALISTS
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


MADE = "pseudo-specialist/x"


def _make(
    rule: str = "pseudo_specialists", items: int | None = None, **changes: Any
) -> Callable[[Copy], None]:
    """Add a made model to mmlu, listed by a rule, with a score on the first items, all by default."""

    def mutate(copy: Copy) -> None:
        row = {"kind": "model", "id": MADE, "benchmark": "mmlu", "scheme": None, "rule": rule}
        schema = pa.schema([field.with_nullable(True) for field in CURATED], CURATED.metadata)
        copy.table("tables/curated.parquet", pa.Table.from_pylist([row | {"detail": None}], schema=schema))
        n = len(copy.read(part("items", "mmlu"))) if items is None else items
        score = {"model_id": MADE, "category": "x", "score": 1.0, "is_synthetic": True}
        rows = [score | {"item": at} for at in range(n)]
        rows[-1] |= changes
        schema = pa.schema(
            [field.with_nullable(True) for field in PSEUDO_SPECIALISTS], PSEUDO_SPECIALISTS.metadata
        )
        (copy.root / part("pseudo_specialists", "mmlu")).parent.mkdir(parents=True)
        copy.table(part("pseudo_specialists", "mmlu"), pa.Table.from_pylist(rows, schema=schema))

    return mutate


def _prune(copy: Copy) -> None:
    """List a model that has no scores as one that the pool has no place for."""
    _make("models")(copy)
    (copy.root / part("pseudo_specialists", "mmlu")).unlink()


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
    Mutation("a model left out that has no scores", "curated.models_resolve", _prune),
    Mutation("a made model that is listed as left out", "curated.added_have_scores", _make("models")),
    *(
        Mutation(f"made without {column}", f"pseudo_specialists.{column}_not_null", _make(**{column: None}))
        for column in ("model_id", "category", "item", "score", "is_synthetic")
    ),
    Mutation("a made model on an unknown item", "pseudo_specialists.items_resolve", _make(item=10**6)),
    Mutation("a made model twice on an item", "pseudo_specialists.one_per_model_and_item", _make(item=0)),
    Mutation("a made score in between", "pseudo_specialists.made_scores_known", _make(score=0.5)),
    Mutation("a made model that says it is none", "pseudo_specialists.synthetic", _make(is_synthetic=False)),
    Mutation("a made model without an item", "pseudo_specialists.items_complete", _make(items=3)),
)
