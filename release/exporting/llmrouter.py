"""LLMRouter (ulab-uiuc/LLMRouter): what its routers read of a pool of LLMs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.release.exporting.cells import Cell
from routerset.release.exporting.files import Files, Format
from routerset.release.exporting.lines import constant, jsonl
from routerset.release.exporting.tensors import rows_by_number
from routerset.schemas.matrix import as_floats
from routerset.schemas.store import json_text
from routerset.schemas.tables import TOKENS, Split

VECTORS = "query_embeddings_longformer.pt"
LLMS, LLM_VECTORS = "default_llm.json", "default_llm_embeddings.json"
SIDES = (Split.TRAIN, Split.TEST)
_QUERIES, _ROUTING = "query_data_{}.jsonl", "default_routing_{}_data.jsonl"
_CONFIG = "config.yaml"


def files(cell: Cell) -> Files:
    """Queries and answers of train and test, vectors where there are any, LLMs, and a config."""
    names = {}
    for side in SIDES:
        places = cell.places(side)
        names[f"query_data_{side}"] = _QUERIES.format(side)
        yield _QUERIES.format(side), jsonl([_queries(cell, cell.items.take(pa.array(places)))])
        names[f"routing_data_{side}"] = _ROUTING.format(side)
        yield _ROUTING.format(side), jsonl(_answers(cell, cell.records(places)))
    llms = _llms(cell)
    names["llm_data"] = LLMS
    yield LLMS, [json_text(llms).encode()]
    if cell.vectors is not None:
        names["query_embedding_data"] = VECTORS
        yield VECTORS, [rows_by_number(cell.vectors)]
        told = zip(llms.items(), _centres(cell), strict=True)
        names["llm_embedding_data"] = LLM_VECTORS
        text = json.dumps({name: {**llm, "embedding": vector} for (name, llm), vector in told})
        yield LLM_VECTORS, [text.encode()]
    lines = ["data_path:", *(f"  {key}: {name}" for key, name in sorted(names.items()))]
    yield _CONFIG, ["\n".join([*lines, ""]).encode()]


def _queries(cell: Cell, items: pa.Table) -> pa.Table:
    return pa.table(
        {
            "task_name": constant(items, cell.benchmark, pa.string()),
            "query": items["text"],
            "ground_truth": constant(items, "", pa.string()),
            "metric": constant(items, cell.metric, pa.string()),
            "choices": pa.nulls(items.num_rows),
            "task_id": items["item_id"],
        }
    )


def _answers(cell: Cell, records: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for table in records:
        nothing = constant(table, 0, pa.int64())
        told = [name for name in TOKENS if name in table.column_names]
        sent, answered, seconds = (
            table[name] if name in table.column_names else nothing for name in (*TOKENS, "latency_s")
        )
        columns = {
            "model_name": table["model_name"],
            "response": constant(table, "", pa.string()),
            "token_num": _whole(pc.add(sent, answered)) if len(told) == len(TOKENS) else nothing,
            "input_tokens": _whole(sent),
            "output_tokens": _whole(answered),
            "response_time": pc.cast(seconds, pa.float32()),
            "api_key_used": constant(table, "", pa.string()),
            "performance": table["performance"],
            "embedding_id": table["place"],
            "user_id": pa.nulls(table.num_rows),
            "fig_id": pa.nulls(table.num_rows),
        }
        found = _queries(cell, table)
        for name, column in columns.items():
            found = found.append_column(name, column)
        yield found


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.round(pc.cast(column, pa.float64())), pa.int64())


def _llms(cell: Cell) -> dict[str, dict[str, object]]:
    """What is known of each candidate; a size or a price that is not known is no number."""
    found = {}
    for name, facts in zip(cell.models, cell.facts, strict=True):
        size = facts.get("params_b")
        told = [str(facts[key]) for key in ("org", "architecture", "license") if facts.get(key)]
        found[name] = {
            "size": "" if size is None else f"{size:g}B",
            "feature": ", ".join([name, *told]),
            "input_price": facts.get("usd_per_mtok_in"),
            "output_price": facts.get("usd_per_mtok_out"),
            "model": name,
            "service": "",
            "api_endpoint": "",
        }
    return found


def _centres(cell: Cell) -> Sequence[Sequence[float]]:
    """(m, d): the mean vector of the train queries, each as much as the LLM scored on it."""
    assert cell.vectors is not None
    train = cell.places(Split.TRAIN)
    weights = np.nan_to_num(as_floats(cell.scores[:, train])).astype(np.float64)
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    means = weights @ cell.vectors[train].astype(np.float64) / total
    rounded: list[list[float]] = np.round(means, 6).tolist()
    return rounded


FORMAT = Format(
    "llmrouter",
    "LLMRouter",
    files,
    (
        "`query` is the question, or the prompt where an item has no question. LLMRouter takes equal queries "
        "for one, so of items of one side with equal texts the first alone is written.",
        "There are no answers and no gold answers in a release: `response` and `ground_truth` are empty, "
        "`choices` null. `token_num`, `input_tokens`, `output_tokens` and `response_time` are 0 where the "
        "release tells none of this benchmark, and null for an answer that lacks it where it tells some.",
        "`embedding_id` counts from 0, train before test, and is the key in "
        f"`{VECTORS}`, whatever encoder made the vectors; `{LLM_VECTORS}` gives each LLM the mean vector of "
        "the train queries, weighted by its score on them. Without vectors neither file is there.",
        "An unknown size is empty, an unknown price null.",
        "LLMRouter looks for the files of `config.yaml` below its own folder: write this folder in front of "
        "each, and add the settings of a router.",
    ),
    unique=True,
    splits=False,
    priced=True,
    weighs=True,
    measures=(*TOKENS, "latency_s"),
    vectors=True,
)
