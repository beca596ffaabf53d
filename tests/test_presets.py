"""Configs of other projects' files need a path alone, and give the scores and costs of the raw files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import routerset
from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.manifest import Manifest
from routerset.schemas.tables import COST_MEASURES

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
LLMROUTER = CONFIGS / ".." / ".." / "shared" / "dumps" / "llmrouter"
MODELS = ("org/small", "org/middle", "large-2026")
TASKS = ("counting", "reading")


def answers(seed: int, columns: Callable[[int, str, np.random.Generator], dict[str, object]]) -> pa.Table:
    """Answers of three LLMs to twelve questions of two tasks, in no order."""
    rng = np.random.default_rng(seed)
    cells = [(item, model) for item in range(12) for model in MODELS]
    return pa.Table.from_pylist([columns(*cells[at], rng) for at in rng.permutation(len(cells)).tolist()])


def question(item: int) -> str:
    """A question that does not fit on one line of CSV."""
    return f'Who said "{item}, and {item + 1}"?\nSay a name.'


def write_embedllm(folder: Path) -> str:
    """The seven columns, in three files; one row is there twice, and two rows disagree."""

    def row(item: int, model: str, rng: np.random.Generator) -> dict[str, object]:
        return {
            "prompt_id": item,
            "model_id": MODELS.index(model),
            "category_id": item % 2,
            "label": int(rng.integers(0, 2)),
            "model_name": model,
            "category": TASKS[item % 2],
            "prompt": question(item),
        }

    table = answers(1, row)
    first, second = table.slice(0, 1), table.slice(1, 1)
    other = second.set_column(3, "label", pa.array([1 - second["label"][0].as_py()]))
    whole = pa.concat_tables([table, first, other])
    for name, part in (("train", whole.slice(0, 20)), ("val", whole.slice(20, 8)), ("test", whole.slice(28))):
        duckdb.connect().from_arrow(part).write_csv(str(folder / f"{name}.csv"))
    (folder / "model_order.csv").write_text("model_id,model_name\n0,org/small\n")
    (folder / "question_order.csv").write_text("prompt_id,prompt\n0,x\n")
    return f"""select model_name, category, prompt, first(label)::float, null, null, null, null
        from read_csv(['{folder}/train.csv', '{folder}/val.csv', '{folder}/test.csv'], header = true)
        group by all having count(distinct label) = 1"""


def write_xroutebench(folder: Path) -> str:
    """The fourteen columns, a folder per config; some tokens and seconds are missing, one is negative."""

    def row(item: int, model: str, rng: np.random.Generator) -> dict[str, object]:
        tokens = int(rng.integers(0, 999))
        return {
            "task_name": TASKS[item % 2],
            "query": question(item),
            "ground_truth": f"name {item}",
            "metric": "em",
            "choices": None if item % 2 else json.dumps([f"name {item}", "nobody"]),
            "task_id": None,
            "model_name": model,
            "response": "I think it was ...",
            "token_num": 2 * tokens,
            "input_tokens": None if rng.random() < 0.2 else tokens,
            "output_tokens": tokens if rng.random() < 0.9 else -1,
            "response_time": None if rng.random() < 0.2 else float(rng.uniform(0, 9)),
            "performance": None if rng.random() < 0.1 else float(rng.uniform(0, 1)),
            "embedding_id": item,
        }

    table = answers(2, row)
    for name, part in (("a/train", table.slice(0, 20)), ("b/test", table.slice(20))):
        (folder / name).parent.mkdir()
        pq.write_table(part, folder / f"{name}.parquet")
    (folder / "models.json").write_text("{}")
    return f"""select model_name, task_name, query, performance::float, null, input_tokens::float,
        case when output_tokens >= 0 then output_tokens::float end, response_time::float
        from read_parquet('{folder}/*/*.parquet') where performance is not null"""


def write_irt_router(folder: Path) -> str:
    """Three columns, in three files."""

    def row(item: int, model: str, rng: np.random.Generator) -> dict[str, object]:
        return {"question": question(item), "llm": model, "performance": float(rng.uniform(0, 1))}

    table = answers(3, row)
    for name, part in (
        ("train", table.slice(0, 20)),
        ("test1", table.slice(20, 9)),
        ("test2", table.slice(29)),
    ):
        duckdb.connect().from_arrow(part).write_csv(str(folder / f"{name}.csv"))
    return f"""select llm, 'irt-router', question, performance::float, null, null, null, null
        from read_csv('{folder}/t*.csv', header = true)"""


PRESETS = {"embedllm": write_embedllm, "xroutebench": write_xroutebench, "irt-router": write_irt_router}


def ingest(preset: str, folder: Path) -> Manifest:
    """The tables that a preset makes of a folder."""
    config = load_config(CONFIGS / f"{preset}.toml")
    (source,) = config.sources
    glob = source.path.partition(f"dumps/{preset}/")[2]
    config = replace(config, sources=(replace(source, path=str(folder / "dumps" / glob)),))
    return build(config, folder / "out", Runner(), lambda *_: None, "ingest")


def cells(out: Path, benchmark: str) -> list[tuple[object, ...]]:
    """Scores with what the answers cost, by model, subset and text."""
    scores, items, costs = (
        out / f"tables/{t}/benchmark={benchmark}/part-0.parquet" for t in ("scores", "items", "costs")
    )
    measures = ", ".join(COST_MEASURES)
    raw = duckdb.connect()
    if costs.exists():
        raw.execute(f"create view costs as from read_parquet('{costs}', hive_partitioning = false)")
    else:
        nothing = ", ".join(f"null::float as {name}" for name in COST_MEASURES)
        raw.execute(f"create view costs as select '' as model_id, 0::int as item, {nothing} limit 0")
    return raw.sql(
        f"""select model_id::varchar, subset, question, score, {measures}
        from read_parquet('{scores}', hive_partitioning = false) s
        join read_parquet('{items}', hive_partitioning = false) i using (item)
        left join costs using (model_id, item) order by all"""
    ).fetchall()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_needs_a_path_alone(tmp_path: Path, preset: str) -> None:
    (tmp_path / "dumps").mkdir()
    expected = duckdb.sql(f"select * from ({PRESETS[preset](tmp_path / 'dumps')}) order by all").fetchall()
    manifest = ingest(preset, tmp_path)
    assert cells(tmp_path / "out", preset) == expected
    assert len(expected) > 30
    (row,) = manifest.stages["ingest"].info["accounting"]
    assert row["kept"] == len(expected)
    assert set(row["reasons"]) <= {"missing_score", "duplicate_key"}


def test_repeats_of_embedllm_count_once_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    write_embedllm(tmp_path / "dumps")
    (row,) = ingest("embedllm", tmp_path).stages["ingest"].info["accounting"]
    assert (row["read"], row["kept"], row["superseded"]) == (38, 35, 1)
    assert row["reasons"] == {"duplicate_key": 2}


@pytest.mark.usefixtures("ungated")
@pytest.mark.skipif(not LLMROUTER.exists(), reason=f"{LLMROUTER} is not there")
def test_llmrouters_own_files_become_a_release_with_prices(tmp_path: Path) -> None:
    routerset.build(CONFIGS / "llmrouter.toml", tmp_path)
    assert not routerset.validate(tmp_path).errors
    questions = json.loads((LLMROUTER / "test.json").read_text("utf-8"))
    expected = [
        (model, each["question"], score) for each in questions for model, score in each["scores"].items()
    ]
    release = tmp_path / "release"
    found = duckdb.sql(
        f"""select model_id::varchar, question, score::double
        from read_parquet('{release}/scores/llmrouter.parquet')
        join read_parquet('{release}/data/llmrouter/*.parquet') using (item)"""
    ).fetchall()
    assert sorted(found) == sorted((model, text, float(np.float32(score))) for model, text, score in expected)
    assert len(found) > 4000
    prices = json.loads((LLMROUTER / "default_llm.json").read_text("utf-8"))
    told = duckdb.sql(
        f"select model_id, usd_per_mtok_in, usd_per_mtok_out from read_parquet('{release}/models.parquet')"
    ).fetchall()
    models = {model for model, _, _ in expected}
    assert sorted(told) == sorted((m, prices[m]["input_price"], prices[m]["output_price"]) for m in models)
