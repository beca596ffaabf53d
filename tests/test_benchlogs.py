"""Result files of LLMRouterBench and Every Eval Ever become the cells that another reading of them finds."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from routerset.etl.build import build
from routerset.etl.config import Config, Runner, load_config
from routerset.etl.manifest import Manifest
from tests.sources import golden

GOLDEN = Path(__file__).resolve().parent / "golden" / "sources"


def ingest(folder: Path, text: str) -> tuple[Path, Manifest]:
    """The build of a config."""
    config = folder / "x.toml"
    config.write_text(text, encoding="utf-8")
    return folder / "out", build(load_config(config), folder / "out", Runner(), lambda *_: None, "ingest")


def cells(out: Path, table: str, benchmark: str) -> list[tuple[object, ...]]:
    """Rows of a table with keys of documents in place of items."""
    scores, items = (out / f"tables/{name}/benchmark={benchmark}/part-0.parquet" for name in (table, "items"))
    return duckdb.sql(
        f"""select model_id, doc_key, t.* exclude (model_id, item) from read_parquet('{scores}',
        hive_partitioning = false) t join read_parquet('{items}', hive_partitioning = false) using (item)
        order by all"""
    ).fetchall()


ROUTERBENCH = """
[dataset]
min_models_per_item = 0.1

[[benchmark]]
name = "riddles"
metric = "grade"

[[source]]
format = "llmrouterbench"
path = "{dump}"
tasks = {{ sums = "gsm8k" }}
models = {{ "Small-8B" = "lab/Small-8B" }}
"""


@pytest.mark.parametrize(("benchmark", "dataset"), [("gsm8k", "sums"), ("riddles", "riddles")])
def test_llmrouterbench_gives_the_cells_of_the_newest_whole_run(
    tmp_path: Path, benchmark: str, dataset: str
) -> None:
    dump = GOLDEN / "llmrouterbench" / "sound" / "dump"
    out, _ = ingest(tmp_path, ROUTERBENCH.format(dump=dump.as_posix()))
    raw = f"""
        with files as (
            select *, unnest(records) as r from read_json('{dump}/results/bench/{dataset}/*/*/*.json',
            filename = true, union_by_name = true) where not demo
        ), newest as (
            select dataset_name, split, model_name, max(filename) as filename from files group by all
        )
        select replace(model_name, 'Small', 'lab/Small') as model, split || '/' || r.index as key, r.*
        from files join newest using (dataset_name, split, model_name, filename)
    """
    assert (
        cells(out, "scores", benchmark)
        == duckdb.sql(f"select model, key, score::float from ({raw}) order by all").fetchall()
    )
    assert (
        cells(out, "costs", benchmark)
        == duckdb.sql(
            f"""select model, key, cost::float, prompt_tokens::float, completion_tokens::float, null
        from ({raw}) order by all"""
        ).fetchall()
    )


EVER = """
[[benchmark]]
name = "places"
metric = "grade"

[[source]]
format = "every_eval_ever"
path = "{dump}"
"""


@pytest.mark.parametrize("benchmark", ["gsm8k", "places"])
def test_every_eval_ever_gives_the_cells_of_the_newest_run(tmp_path: Path, benchmark: str) -> None:
    dump = GOLDEN / "every_eval_ever" / "sound" / "dump"
    out, built = ingest(tmp_path, EVER.format(dump=dump.as_posix()))
    raw = f"""
        select model_id || if(model_id = 'lab/large', '@v2', '') as model, sample_id as key, s.*
        from read_json('{dump}/data/*/*/*/*_samples.jsonl') s where evaluation_name = '{benchmark}'
    """
    scores = duckdb.sql(f"select model, key, evaluation.score::float from ({raw}) order by all")
    assert cells(out, "scores", benchmark) == scores.fetchall()
    costs = duckdb.sql(
        f"""select model, key, null, token_usage.input_tokens::float, token_usage.output_tokens::float,
        (performance.latency_ms / 1000)::float from ({raw}) order by all"""
    )
    assert cells(out, "costs", benchmark) == costs.fetchall()
    (passed,) = built.stages["ingest"].info["passed_over"]
    assert "data/fair/lab/tiny/00000008-0000-4000-8000-000000000000.json" in passed.values()


CASES = [case for case in golden.cases() if case.startswith(("llmrouterbench/", "every_eval_ever/"))]


@pytest.mark.parametrize("case", CASES)
def test_every_record_is_accounted_for_in_a_build(tmp_path: Path, case: str) -> None:
    spec = golden.load_spec(case)
    config = Config(case, (spec,), registry=spec.registry)
    built = build(config, tmp_path / "out", Runner(), lambda *_: None, "ingest")
    for row in built.stages["ingest"].info["accounting"]:
        assert row["read"] == row["kept"] + row["superseded"] + row["quarantined"]
