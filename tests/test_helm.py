"""Run folders of HELM become the scores and costs that another reading of them finds."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.ingest.batches import plan_batches
from routerset.etl.sources import helm
from routerset.etl.sources.base import DumpUnreadable, Reading, SourceSpec
from routerset.etl.sources.helm import choose_metric
from tests.golden.sources.helm.make import entry, instance, put, run, stat, state
from tests.sources import golden

NAME, MODEL = "mmlu:subject=anatomy,model=openai_x", "openai/x"


def readings(folder: Path, **spec: object) -> list[Reading]:
    """All readings of the runs below a folder."""
    source = SourceSpec("helm", str(folder), **spec)  # type: ignore[arg-type]
    return [r for dump in helm.discover(source) for r in helm.read(dump, source)]


def of(folder: Path, name: str = NAME, **spec: object) -> tuple[str, str, str]:
    """Benchmark, subset and metric of a run of that name."""
    put(str(folder / "run"), [entry("id1", [stat("exact_match", 1.0)])], run(name, MODEL))
    (block,) = [block for r in readings(folder, **spec) for block in r.blocks]
    return block.columns.benchmark, block.columns.subset, block.columns.metric


def test_a_build_holds_what_duckdb_reads_in_the_raw_files(tmp_path: Path) -> None:
    case = golden.ROOT / "helm" / "sound" / "dump"
    config, out = tmp_path / "x.toml", tmp_path / "out"
    config.write_text(f'[[source]]\nformat = "helm"\npath = "{case}"\nmetric = "exact_match"\n')
    build(load_config(config), out, Runner(), lambda *_: None, "ingest")
    raw = f"""select replace(regexp_extract(filename, 'model=([^/]+)', 1), '_', '/') as model_id,
        question as text, s.name.name as metric, s.mean as mean from
        (select filename, instance_id, unnest(stats) as s from read_json('{case}/*/per_instance_stats.json*',
        filename = true))
        join (values ('id1', 'Which bone is in the arm?'), ('id2', 'Which organ pumps blood?'),
        ('id3', 'Where is the retina?')) as t(instance_id, question) using (instance_id)
        where s.mean is not null"""
    wide = f"""select model_id, text, max(mean) filter (metric = 'exact_match')::float as score,
        max(mean) filter (metric = 'num_prompt_tokens')::float as prompt_tokens,
        max(mean) filter (metric = 'num_output_tokens')::float as completion_tokens,
        max(mean) filter (metric = 'inference_runtime')::float as latency_s from ({raw}) group by all"""
    for table, columns in (("scores", "score"), ("costs", "prompt_tokens, completion_tokens, latency_s")):
        scores, items = (f"{out}/tables/{name}/benchmark=mmlu/part-0.parquet" for name in (table, "items"))
        found = duckdb.sql(
            f"""select model_id, question, {columns} from read_parquet('{scores}', hive_partitioning = false)
            join read_parquet('{items}', hive_partitioning = false) using (item) order by all"""
        ).fetchall()
        assert found == duckdb.sql(f"select model_id, text, {columns} from ({wide}) order by all").fetchall()
        assert len(found) == 6


@pytest.mark.parametrize(
    ("name", "spec", "expected"),
    [
        (NAME, {}, ("mmlu", "anatomy")),
        (
            "mmlu:subject=virology,method=x,model=a_b",
            {"tasks": {"mmlu": "mmlu/{subject}"}},
            ("mmlu", "virology"),
        ),
        (NAME, {"tasks": {"mmlu:subject=anatomy": "mmlu/virology"}}, ("mmlu", "virology")),
        ("gsm:model=a_b,stop=none", {}, ("gsm8k", "gsm8k")),
        ("commonsense:dataset=hellaswag,method=x,model=a_b", {}, ("hellaswag", "hellaswag")),
        ("gpqa:subset=gpqa_main,model=a_b", {}, ("gpqa", "main")),
        ("what", {"benchmark": "gsm8k"}, ("gsm8k", "gsm8k")),
        ("what", {"benchmark": "mmlu", "subset": "anatomy"}, ("mmlu", "anatomy")),
    ],
)
def test_the_task_is_told_by_the_name_of_the_run(
    tmp_path: Path, name: str, spec: dict[str, object], expected: tuple[str, str]
) -> None:
    assert of(tmp_path, name, **spec)[:2] == expected


@pytest.mark.parametrize("subject", ["", ",subject=../x"])
def test_a_name_that_tells_no_usable_subset_is_no_path(tmp_path: Path, subject: str) -> None:
    put(str(tmp_path / "run"), [entry("id1", [stat("exact_match", 1.0)])], run(f"what:a=b{subject}", MODEL))
    (reading,) = readings(tmp_path, tasks={"what": "mmlu/{subject}"})
    assert [row["reason"] for row in reading.quarantined.to_pylist()] == ["unknown_task"]


def test_the_metric_that_counts() -> None:
    assert choose_metric(["num_bytes", "quasi_exact_match"], ["acc"], None) == "quasi_exact_match"
    assert choose_metric(["exact_match", "acc"], ["acc"], None) == "acc"
    assert choose_metric(["exact_match", "num_bytes"], ["num_bytes"], "num_bytes") == "num_bytes"
    for names, asked in ((["exact_match", "f1_score"], None), (["exact_match"], "f1_score"), ([], None)):
        with pytest.raises(DumpUnreadable, match=r"found exact_match|found none"):
            choose_metric(names, [asked or "acc"], asked)


def test_trials_are_runs_of_which_one_counts(tmp_path: Path) -> None:
    """And a perturbed instance is none of the original's answers."""
    stats = [entry(key, [stat("exact_match", float(t))], t) for t in (0, 1) for key in ("id1", "id2", "id3")]
    stats = [each for each in stats if each != stats[-1]]
    stats += [entry("id1", [stat("exact_match", 0.5)], perturbation={"name": "typos"})]
    states = [state(instance(key), t) for t in (0, 1) for key in ("id1", "id2", "id3")]
    put(str(tmp_path / "dump"), stats, run(NAME, MODEL), states)
    config, out = tmp_path / "x.toml", tmp_path / "out"
    config.write_text('[[source]]\nformat = "helm"\npath = "dump"\n')
    built = build(load_config(config), out, Runner(), lambda *_: None, "ingest")
    table = f"{out}/tables/scores/benchmark=mmlu/part-0.parquet"
    assert duckdb.sql(f"select score from read_parquet('{table}')").fetchall() == [(0.0,)] * 3
    (row,) = built.stages["ingest"].info["accounting"]
    assert (row["read"], row["kept"], row["superseded"]) == (5, 3, 2)
    prompts = duckdb.sql(f"select prompt from '{out}/tables/items/*/*.parquet'").fetchall()
    assert all(str(prompt).startswith("Answer, 0.") for (prompt,) in prompts)


@pytest.mark.parametrize("name", ["run_spec.json", "scenario_state.json"])
def test_a_file_beside_it_is_a_part_of_a_dump(tmp_path: Path, name: str) -> None:
    """A run is read again when one of its files changed, and none of them is passed over."""
    states = [state(instance("id1"))]
    put(str(tmp_path / "run"), [entry("id1", [stat("exact_match", 1.0)])], run(NAME, MODEL), states)
    spec = SourceSpec("helm", str(tmp_path))
    (before,), passed_over = plan_batches([spec], "code")
    path = tmp_path / "run" / name
    path.write_text(json.dumps(json.loads(path.read_text()) | {"more": 1}))
    (after,), _ = plan_batches([spec], "code")
    assert before.fingerprint != after.fingerprint
    assert passed_over == []
