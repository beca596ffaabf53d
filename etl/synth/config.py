"""The config that builds a set of synthetic dumps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from routerset.etl.synth.names import (
    COST_COLUMNS,
    COST_SUFFIXES,
    ITEM_COLUMNS,
    LONG_COLUMNS,
    MODELS,
    TITLES,
    TOKENIZER_FILE,
)
from routerset.etl.synth.plan import Layout, Plan
from routerset.etl.toml import toml_value
from routerset.schemas.benchmarks import BENCHMARKS

_MODEL_COLUMNS = {
    "model_id": "name", "revision": "sha", "precision": "precision", "params_b": "size",
    "architecture": "arch", "license": "license", "is_merge": "merged", "is_moe": "moe",
}  # fmt: skip


def build_config(folder: Path, plan: Plan) -> str:
    """TOML of a config that builds all that `plan` wrote: one `[[source]]` a layout, or a benchmark.

    folder: where the dumps lie, relative to the config file or absolute.
    """
    sections: list[tuple[str, Mapping[str, object]]] = [
        ("dataset", {"name": "synthetic", "benchmarks": list(plan.placement())}),
        *(("[source]", source) for source in _sources(folder, plan)),
        ("[models]", {"path": (folder / MODELS).as_posix(), "columns": _MODEL_COLUMNS}),
        ("groups", {"methods": ["greedy", "paper"]}),
        ("embed", {"encoders": ["minilm"], "text": "question"}),
        ("release", {"synthetic": True}),
        *([("costs", {"tokenizer": (folder / TOKENIZER_FILE).as_posix()})] if plan.counted else []),
    ]
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {toml_value(value)}\n" for key, value in table.items())
        for name, table in sections
    )


def _sources(folder: Path, plan: Plan) -> Iterator[Mapping[str, object]]:
    placement = plan.placement()
    for name, layout in placement.items():
        if layout is Layout.WIDE:
            wide = _wide_v1 if BENCHMARKS[name].leaderboard == "v1" else _wide_v2
            several = len(BENCHMARKS[name].subsets) > 1
            yield {"format": "wide", "benchmark": name} | wide((folder / layout).as_posix(), name, several)
        elif layout is Layout.LONG:
            known = LONG_COLUMNS | (COST_COLUMNS if plan.costs else {})
            path = f"{(folder / layout).as_posix()}/{name}"
            yield {"format": "long", "benchmark": name, "path": path, "columns": known}
        elif layout is Layout.ITEM_MAJOR:
            costs = {"cost_columns": COST_SUFFIXES} if plan.costs else {}
            path = f"{(folder / layout).as_posix()}/{name}"
            yield {"format": "item_major", "benchmark": name, "path": path, "columns": ITEM_COLUMNS, **costs}
    for layout in dict.fromkeys(placement.values()):
        path = (folder / layout).as_posix()
        if layout in (Layout.DETAILS_OLD, Layout.DETAILS_NEW):
            yield {"format": "details", "path": path}
        elif layout is Layout.LM_EVAL and placement.get("truthfulqa") is layout:
            # the harness calls mc2 `acc` in this one task
            yield {"format": "lm_eval", "path": f"{path}/*/samples_[!t]*"}
            yield {"format": "lm_eval", "path": f"{path}/*/samples_truthfulqa_mc2_*", "metric": "acc"}
        elif layout not in (Layout.WIDE, Layout.LONG, Layout.ITEM_MAJOR):
            yield {"format": layout.value, "path": path}


def _wide_v1(folder: str, name: str, several: bool) -> dict[str, object]:
    columns = {"column_pattern": r"(?P<subset>.+)\.(?P<doc_key>\d+)"} if several else {}
    return {
        "path": f"{folder}/{name}_responses_wide.parquet",
        "items": f"{folder}/{name}_items.parquet",
        "ignore_columns": ["norm_score"],
        **columns,
    }


def _wide_v2(folder: str, name: str, several: bool) -> dict[str, object]:
    title = TITLES[name]
    subsets = {"subset_pattern": rf"{title}__(?P<subset>.+)_results\.csv"} if several else {}
    return {
        "path": f"{folder}/results/{title}{'__*' if several else ''}_results.csv",
        "items": f"{folder}/prompts/{name}{'_{subset}' if several else ''}_prompts.csv",
        "item_columns": {"doc_key": "id", "question": "prompt", "gold": "target"},
        **subsets,
    }
