"""Long dumps, however they are written, become the scores and costs that another reading of them finds."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.manifest import Manifest
from routerset.etl.synth import Layout, Plan, build_config, write
from routerset.etl.synth.costs import draw_costs
from routerset.etl.synth.truth import subsets
from routerset.schemas.tables import COST_MEASURES

ROOT = Path(__file__).resolve().parent.parent
CASE = ROOT / "tests" / "golden" / "cases" / "21-long"
ARENA = ROOT / ".." / "shared" / "dumps" / "routerarena"
NESTED = 'model = "by.model", score = "by.score", usd = "by.cost.usd", prompt_tokens = "by.cost.tokens"'
PLAIN = 'model = "llm", score = "label", usd = "price", prompt_tokens = "tokens"'


def records(seed: int = 0) -> pa.Table:
    """Answers of 7 models to 30 questions; some are missing, some have no price, some no tokens."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "id": f"q{item}",
            "question": f"What is {item} plus {item}?",
            "llm": f"org/m{model}",
            "label": float(rng.integers(0, 2)),
            "price": None if rng.random() < 0.2 else float(rng.integers(0, 1 << 20)) / 1024,
            "tokens": None if rng.random() < 0.2 else int(rng.integers(0, 999)),
        }
        for item in rng.permutation(30).tolist()
        for model in rng.permutation(7).tolist()
        if rng.random() > 0.05
    ]
    return pa.Table.from_pylist(rows)


def as_csv(table: pa.Table, path: Path) -> None:
    """Write as DuckDB writes CSV."""
    duckdb.connect().from_arrow(table).write_csv(str(path.with_suffix(".csv")))


def as_parquet(table: pa.Table, path: Path) -> None:
    """Write with scores and costs in structs of structs, in small row groups."""
    rows = [_nested(row) for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows), path.with_suffix(".parquet"), row_group_size=50)


def as_lines(table: pa.Table, path: Path) -> None:
    """Write as compressed lines."""
    text = "".join(json.dumps(_nested(row)) + "\n" for row in table.to_pylist())
    Path(f"{path}.jsonl.gz").write_bytes(gzip.compress(text.encode()))


def _nested(row: dict[str, object]) -> dict[str, object]:
    cost = {"usd": row["price"], "tokens": row["tokens"]}
    by = {"model": row["llm"], "score": row["label"], "cost": cost}
    return {"id": row["id"], "question": row["question"], "by": by}


def ingest(folder: Path, source: str) -> tuple[Path, Manifest]:
    """The build of a folder's `dumps`."""
    config = folder / "x.toml"
    config.write_text(f'[[source]]\nformat = "long"\nbenchmark = "gsm8k"\n{source}\n')
    return folder / "out", build(load_config(config), folder / "out", Runner(), lambda *_: None, "ingest")


def cells(out: Path, table: str) -> list[tuple[object, ...]]:
    """Rows of a table with keys of documents in place of items."""
    scores, items = (out / f"tables/{name}/benchmark=gsm8k/part-0.parquet" for name in (table, "items"))
    return duckdb.sql(
        f"""select model_id, doc_key, t.* exclude (model_id, item) from read_parquet('{scores}',
        hive_partitioning = false) t join read_parquet('{items}', hive_partitioning = false) using (item)
        order by all"""
    ).fetchall()


@pytest.mark.parametrize(
    ("write", "columns"), [(as_csv, PLAIN), (as_parquet, NESTED), (as_lines, NESTED)], ids=lambda v: v
)
def test_scores_and_costs_are_those_of_the_file(
    tmp_path: Path, write: Callable[[pa.Table, Path], None], columns: str
) -> None:
    table = records()
    (tmp_path / "dumps").mkdir()
    write(table, tmp_path / "dumps" / "all")
    out, built = ingest(tmp_path, f'path = "dumps"\ncolumns = {{ doc_key = "id", {columns} }}')
    raw = duckdb.connect()
    raw.register("raw", table)
    assert cells(out, "scores") == raw.sql("select llm, id, label::float from raw order by all").fetchall()
    costs = raw.sql(
        """select llm, id, price::float, tokens::float, null, null from raw
        where price is not null or tokens is not null order by all"""
    ).fetchall()
    assert cells(out, "costs") == costs
    (row,) = built.stages["ingest"].info["accounting"]
    n, prices = len(table), len(table) - table["price"].null_count
    assert row["costs"]["usd"] == {"kept": prices, "missing": n - prices, "bad": 0}
    assert set(row["costs"]) == {"usd", "prompt_tokens"}


def test_all_spellings_give_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for spelled, columns in ((as_csv, PLAIN), (as_parquet, NESTED), (as_lines, NESTED)):
        folder = tmp_path / spelled.__name__
        (folder / "dumps").mkdir(parents=True)
        spelled(records(), folder / "dumps" / "all")
        out, _ = ingest(folder, f'path = "dumps"\ncolumns = {{ doc_key = "id", {columns} }}')
        found.append([(out / f"tables/{t}/benchmark=gsm8k/part-0.parquet").read_bytes() for t in
                      ("items", "scores", "costs")])  # fmt: skip
    assert found[0] == found[1] == found[2]


def test_costs_stay_with_the_run_that_counts(tmp_path: Path) -> None:
    """The newer run counts, and has no price: that of the older one is no price of its answers."""
    (tmp_path / "dumps").mkdir()
    head = "model,doc_key,question,score,usd,completion_tokens,timestamp\n"
    old = [f"a/m,{i},What is {i}?,1,{i}.5,{i},2026-01-01\n" for i in range(4)]
    new = [f"a/m,{i},What is {i}?,0,,{'' if i == 3 else 10 * i},2026-02-01\n" for i in range(4)]
    (tmp_path / "dumps" / "t.csv").write_text(head + "".join(old + new))
    out, built = ingest(tmp_path, 'path = "dumps"')
    assert [row[2] for row in cells(out, "scores")] == [0.0] * 4
    assert cells(out, "costs") == [("a/m", str(i), None, None, 10.0 * i, None) for i in range(3)]
    (row,) = built.stages["ingest"].info["accounting"]
    assert row["costs"] == {
        "usd": {"kept": 0, "missing": 4, "bad": 0},
        "completion_tokens": {"kept": 3, "missing": 1, "bad": 0},
    }


def test_a_case_becomes_scores_with_costs(tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    lines = (CASE / "dumps" / "test.csv").read_text("utf-8").replace(",label\n", ",label,cost\n", 1)
    for model, cost in (("m0", "0.25"), ("m1", ""), ("m2", "-1")):
        for score in "01":
            lines = lines.replace(f",lab/{model},{score}\n", f",lab/{model},{score},{cost}\n")
    (tmp_path / "dumps" / "test.csv").write_text(lines)
    columns = (
        'model = "model_name", doc_key = "prompt_id", question = "prompt", score = "label", usd = "cost"'
    )
    out, built = ingest(tmp_path, f'path = "dumps"\ncolumns = {{ {columns} }}')
    assert len(cells(out, "scores")) == 15
    assert cells(out, "costs") == [("lab/m0", str(i), 0.25, None, None, None) for i in range(5)]
    info = built.stages["ingest"].info
    assert info["accounting"][0]["costs"] == {"usd": {"kept": 5, "missing": 10, "bad": 5}}
    assert len(info["bad_costs"]) == 3


@pytest.mark.parametrize("layout", [Layout.LONG, Layout.ITEM_MAJOR])
def test_synthetic_costs_are_those_that_were_drawn(tmp_path: Path, layout: Layout) -> None:
    plan = Plan(models=5, layout=layout, benchmarks=("gsm8k", "gpqa"), costs=True)
    truth = write(tmp_path / "dumps", plan)
    (tmp_path / "x.toml").write_text(build_config(Path("dumps"), plan))
    build(load_config(tmp_path / "x.toml"), tmp_path / "out", Runner(), lambda *_: None, "ingest")
    for name in plan.placement():
        expected = []
        for part in subsets(truth, name):
            lengths = np.array([len(prompt) for prompt in part.prompts])
            drawn = draw_costs(truth, name, part.name, 0, lengths)
            columns = [np.where(np.isnan(drawn[m]), None, drawn[m].astype(object)) for m in COST_MEASURES]
            for model, of_model in zip(truth.models(name), np.stack(columns).transpose(2, 1, 0), strict=True):
                expected += [(model, part.name, str(i), *row) for i, row in enumerate(of_model.tolist())]
        part_of = f"benchmark={name}/part-0.parquet"
        costs, items = (tmp_path / "out/tables" / table / part_of for table in ("costs", "items"))
        found = duckdb.sql(
            f"""select model_id, subset, doc_key, c.* exclude (model_id, item)
            from read_parquet('{costs}', hive_partitioning = false) c
            join read_parquet('{items}', hive_partitioning = false) using (item)"""
        ).fetchall()
        assert {row[:3]: row for row in found} == {row[:3]: row for row in expected}


@pytest.mark.skipif(not ARENA.exists(), reason=f"{ARENA} is not there")
def test_real_results_keep_every_score_and_cost(tmp_path: Path) -> None:
    columns = """model = "llm_selected", doc_key = "global_index", score = "evaluation_result.score",
        gold = "evaluation_result.ground_truth", usd = "evaluation_result.inference_cost",
        prompt_tokens = "token_usage.input_tokens", completion_tokens = "token_usage.output_tokens",
        success = "success" """.replace("\n", " ")
    out, _ = ingest(tmp_path, f'path = "{ARENA.resolve()}/*.jsonl"\ncolumns = {{ {columns} }}')
    good = "evaluation_result.score between 0 and 1"  # one of the real ones is below
    raw = f"read_json('{ARENA.resolve()}/*.jsonl', format = 'newline_delimited')"
    assert (
        cells(out, "scores")
        == duckdb.sql(
            f"""select llm_selected, global_index, evaluation_result.score::float from {raw} where {good}
            order by all"""
        ).fetchall()
    )
    assert (
        cells(out, "costs")
        == duckdb.sql(
            f"""select llm_selected, global_index, evaluation_result.inference_cost::float,
        token_usage.input_tokens::float, token_usage.output_tokens::float, null from {raw} where {good}
        order by all"""
        ).fetchall()
    )
