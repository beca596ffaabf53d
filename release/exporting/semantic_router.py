"""vLLM semantic-router: JSON lines that its model selection is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from routerset.release.evaluator.categories import DOMAINS
from routerset.release.exporting.cells import Cell
from routerset.release.exporting.files import Files, Format
from routerset.release.exporting.lines import constant, jsonl
from routerset.schemas.tables import Split

OTHER, UNKNOWN = "other", "unknown"
CATEGORIES = (
    "math", "physics", "chemistry", "biology", "computer science", "history", "economics", "business", "law",
    "health", "psychology", "philosophy", OTHER, UNKNOWN,
)  # fmt: skip
"""The categories that semantic-router knows."""
FILES = {side: f"benchmark_{side}_data.jsonl" for side in Split} | {
    Split.TRAIN: "benchmark_training_data.jsonl"
}
_MATH = frozenset({"gsm8k", "math", "math_lvl5"})


def files(cell: Cell) -> Files:
    """A file of each side, a line per query and model."""
    for side, name in FILES.items():
        places = cell.places(side)
        if len(places):
            yield name, jsonl(_rows(cell, cell.records(places)))


def _rows(cell: Cell, records: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for table in records:
        seconds = (
            table["latency_s"] if "latency_s" in table.column_names else constant(table, 0.0, pa.float32())
        )
        yield pa.table(
            {
                "query": table["text"],
                "model_name": table["model_name"],
                "performance": table["performance"],
                "response_time": seconds,
                "category": _categories(cell.benchmark, table),
            }
        )


def _categories(benchmark: str, table: pa.Table) -> pa.Array:
    """Category of each record: asked once of each pair of category and subset."""
    about = pc.fill_null(table["category"], "")
    pairs = pc.binary_join_element_wise(about, table["subset"], "\t").combine_chunks().dictionary_encode()
    names = [category_of(benchmark, *pair.split("\t", 1)) for pair in pairs.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(pairs.indices)


def category_of(benchmark: str, category: str, subset: str) -> str:
    """The category that an item counts as, one of CATEGORIES: by what it is about, else by its subset.

    A subject that has none of its own is `other`; where nothing tells a subject, it is `unknown`.
    """
    if benchmark in _MATH:
        return "math"
    told = [name for name in (category, subset) if name]
    for name in told:
        known = DOMAINS.get(name, name).replace("_", " ").lower()
        for one in (known, known.removeprefix(f"{benchmark.replace('_', ' ')} ")):
            if one in CATEGORIES:
                return one
    return OTHER if category or subset != benchmark else UNKNOWN


FORMAT = Format(
    "semantic-router",
    "vLLM semantic-router",
    files,
    (
        "`query` is the question, or the prompt where an item has no question; of items of one side with "
        "equal texts the first alone is written, since they are told by it.",
        "`category` is that of MMLU's and MMLU-Pro's subjects; `other` for a subject that has none "
        "there, `unknown` where a benchmark tells none.",
        "`response_time` is in seconds: 0 where the release tells none of this benchmark, null for an answer "
        "that lacks it where it tells some.",
    ),
    unique=True,
    priced=True,
    weighs=True,
    measures=("latency_s",),
)
