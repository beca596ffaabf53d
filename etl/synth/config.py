"""The config that builds a set of synthetic dumps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from routerset.etl.synth.names import MODELS, TITLES
from routerset.etl.synth.plan import Layout, Plan
from routerset.schemas.benchmarks import BENCHMARKS

_MODEL_COLUMNS = {
    "model_id": "name",
    "revision": "sha",
    "precision": "precision",
    "params_b": "size",
    "architecture": "arch",
    "license": "license",
    "is_merge": "merged",
    "is_moe": "moe",
}


def build_config(folder: Path, plan: Plan) -> str:
    """TOML of a config that builds all that `plan` wrote: one `[[source]]` a layout, or a benchmark.

    folder: where the dumps lie, relative to the config file or absolute.
    """
    dataset: dict[str, object] = {"name": "synthetic", "benchmarks": list(plan.placement())}
    sections = [("dataset", dataset)]
    sections += [("[source]", source) for source in _sources(folder, plan)]
    models: dict[str, object] = {"path": (folder / MODELS).as_posix(), "columns": _MODEL_COLUMNS}
    sections += [("[models]", models), ("embed", {"encoders": ["minilm"], "text": "question"})]
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())
        for name, table in sections
    )


def _sources(folder: Path, plan: Plan) -> Iterator[dict[str, object]]:
    placement = plan.placement()
    for name, layout in placement.items():
        if layout is Layout.WIDE:
            yield {"format": "wide", "benchmark": name} | _wide(folder / layout, name)
    for layout in dict.fromkeys(placement.values()):
        path = (folder / layout).as_posix()
        match layout:
            case Layout.WIDE:
                pass
            case Layout.DETAILS_OLD | Layout.DETAILS_NEW:
                yield {"format": "details", "path": path}
            case Layout.LM_EVAL if placement.get("truthfulqa") is layout:
                # the harness calls mc2 `acc` in this one task
                yield {"format": "lm_eval", "path": f"{path}/*/samples_[!t]*"}
                yield {"format": "lm_eval", "path": f"{path}/*/samples_truthfulqa_mc2_*", "metric": "acc"}
            case _:
                yield {"format": layout.value, "path": path}


def _wide(folder: Path, name: str) -> dict[str, object]:
    several = len(BENCHMARKS[name].subsets) > 1
    if BENCHMARKS[name].leaderboard == "v1":
        source: dict[str, object] = {
            "path": (folder / f"{name}_responses_wide.parquet").as_posix(),
            "items": (folder / f"{name}_items.parquet").as_posix(),
            "ignore_columns": ["norm_score"],
        }
        return source | ({"column_pattern": r"(?P<subset>.+)\.(?P<doc_key>\d+)"} if several else {})
    middle = "__*" if several else ""
    source = {
        "path": (folder / "results" / f"{TITLES[name]}{middle}_results.csv").as_posix(),
        "items": (folder / "prompts" / f"{name}{'_{subset}' if several else ''}_prompts.csv").as_posix(),
        "item_columns": {"doc_key": "id", "question": "prompt", "gold": "target"},
    }
    return source | ({"subset_pattern": rf"{TITLES[name]}__(?P<subset>.+)_results\.csv"} if several else {})


def _toml(value: object) -> str:
    """A value in TOML; its strings are JSON's."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
