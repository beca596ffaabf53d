"""Result files of LLMRouterBench and Every Eval Ever become the cells that another reading of them finds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import routerset
from routerset.etl.build import build
from routerset.etl.config import Config, Runner, load_config
from routerset.etl.manifest import Manifest
from routerset.etl.sources import llmrouterbench
from routerset.etl.sources.base import SourceSpec
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


@pytest.mark.usefixtures("ungated")
@pytest.mark.parametrize(("config", "form"), [(ROUTERBENCH, "llmrouterbench"), (EVER, "every_eval_ever")])
def test_they_become_a_release(tmp_path: Path, config: str, form: str) -> None:
    text = config.format(dump=(GOLDEN / form / "sound" / "dump").as_posix())
    (tmp_path / "x.toml").write_text(f"{text}\n[embed]\nencoders = []\n")
    routerset.build(tmp_path / "x.toml", tmp_path / "out")
    assert routerset.validate(tmp_path / "out").errors == ()
    assert routerset.verify(tmp_path / "out" / "release") == []
    costs = duckdb.sql(f"from '{tmp_path}/out/release/costs/gsm8k.parquet'")
    assert len(costs) == 6


CASES = [case for case in golden.cases() if case.startswith(("llmrouterbench/", "every_eval_ever/"))]


@pytest.mark.parametrize("case", CASES)
def test_every_record_is_accounted_for_in_a_build(tmp_path: Path, case: str) -> None:
    spec = golden.load_spec(case)
    config = Config(case, (spec,), registry=spec.registry)
    built = build(config, tmp_path / "out", Runner(), lambda *_: None, "ingest")
    for row in built.stages["ingest"].info["accounting"]:
        assert row["read"] == row["kept"] + row["superseded"] + row["quarantined"]


def result(split: str, indices: Sequence[int], score: float) -> str:
    """A result of LLMRouterBench on some documents."""
    records = [{"index": i, "origin_query": f"{split} {i}?", "score": score, "cost": score} for i in indices]
    return json.dumps({"dataset_name": "gsm8k", "split": split, "model_name": "lab/m", "records": records})


def test_splits_are_parts_of_one_run_whenever_they_ran(tmp_path: Path) -> None:
    for split, day, indices, score in (
        ("train", 1, range(1, 9), 0.0),
        ("train", 2, range(1, 9), 1.0),
        ("test", 5, range(1, 4), 1.0),
        ("test", 3, range(1, 4), 0.0),
        ("test", 7, range(1, 2), 0.0),
    ):
        path = tmp_path / "dumps" / split / f"gsm8k-{split}-m-2025080{day}_000000.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(result(split, indices, score))
    out, built = ingest(tmp_path, '[[source]]\nformat = "llmrouterbench"\npath = "dumps"\n')
    keys = [f"{split}/{i}" for split, n in (("test", 3), ("train", 8)) for i in range(1, n + 1)]
    assert cells(out, "scores", "gsm8k") == [("lab/m", key, 1.0) for key in keys]
    assert [row[:3] for row in cells(out, "costs", "gsm8k")] == [("lab/m", key, 1.0) for key in keys]
    (row,) = built.stages["ingest"].info["accounting"]
    assert (row["read"], row["kept"], row["superseded"]) == (23, 11, 12)


def test_an_object_in_pieces_is_what_it_is_as_a_whole(tmp_path: Path) -> None:
    """Records as large as a piece that is read, marks inside of strings, members behind the list."""
    texts = ['a "b" ] } , \\ ' * 9_000, "{[" * 70_000, "", "\u00e9" * 200_000, '"' * 99_999]
    records = [
        {"raw_output": text, "index": i, "extra": [[{}, text]], "score": 1.0, "origin_query": f"{i}?"}
        for i, text in enumerate(texts)
    ]
    head = {"split": "a", "records_of": [1, {"records": []}], "model_name": "m"}
    text = json.dumps({**head, "records": records, "counts": 5, "dataset_name": "gsm8k"}, ensure_ascii=False)
    (tmp_path / "all.json.zst").write_bytes(pa.compress(text.encode(), codec="zstd", asbytes=True))
    spec = SourceSpec("llmrouterbench", str(tmp_path))
    (dump,) = llmrouterbench.discover(spec)
    first, second = llmrouterbench.read(dump, spec)
    assert len(first.quarantined) == 0
    assert not any(note in (llmrouterbench.OTHER_COUNT, llmrouterbench.DEMO) for _, note in first.notes)
    (block,) = second.blocks
    assert block.columns.doc_keys.to_pylist() == [f"a/{i}" for i in range(5)]
    assert block.values.tolist() == [[1.0] * 5]
