"""Tables with a row per item become the scores and costs that another reading of them finds, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.manifest import Manifest
from routerset.etl.sources import item_major
from routerset.etl.sources.base import DumpUnreadable, SourceSpec, SpecError
from routerset.etl.sources.parse.csv_text import Dialect
from routerset.etl.sources.parse.frames import frame_of, open_frame
from routerset.etl.sources.parse.item_major_layout import ItemMajorOptions
from routerset.etl.sources.parse.models_in_cells import list_of, pairs_of

ROOT = Path(__file__).resolve().parent.parent
CASE = ROOT / "tests" / "golden" / "cases" / "20-item-major"
ROUTERDC = ROOT / ".." / "shared" / "dumps" / "llmrouter" / "test.json"
MODELS = ("meta/llama-2-70b-chat", "gpt-3.5-turbo-1106", "claude v1".replace(" ", "-"))
Row = tuple[object, ...]


def ingest(folder: Path, config: str) -> tuple[Path, Manifest]:
    path = folder / "x.toml"
    path.write_text(config)
    return folder / "out", build(load_config(path), folder / "out", Runner(), lambda *_: None, "ingest")


def source(**keys: object) -> str:
    lines = [
        f"{key} = {value if isinstance(value, str) else json.dumps(value)}" for key, value in keys.items()
    ]
    return "\n".join(['[[source]]\nformat = "item_major"\npath = "dumps"', *lines]) + "\n"


def cells(out: Path, table: str, benchmark: str, item: str = "doc_key") -> list[Row]:
    """Rows of a table with keys or prompts of documents in place of items."""
    scores, items = (out / f"tables/{name}/benchmark={benchmark}/part-0.parquet" for name in (table, "items"))
    return duckdb.sql(
        f"""select model_id, {item}, t.* exclude (model_id, item) from read_parquet('{scores}',
        hive_partitioning = false) t join read_parquet('{items}', hive_partitioning = false) using (item)
        order by all"""
    ).fetchall()


def accounting(built: Manifest) -> Mapping[str, object]:
    (row,) = built.stages["ingest"].info["accounting"]
    assert row["read"] == row["kept"] + row["superseded"] + row["quarantined"]
    return dict(row)


def routerbench(n: int = 40) -> pa.Table:
    """Rows as RouterBench has them."""
    rng = np.random.default_rng(1)
    columns: dict[str, object] = {
        "sample_id": [f"grade-school-math.dev.{i}" for i in range(n)],
        "prompt": [f"['Answer.\\nWhat is {i} plus {i}?']" for i in range(n)],
        "eval_name": ["grade-school-math" if i % 2 else "mmlu-anatomy" for i in range(n)],
    }
    columns |= {name: rng.integers(0, 5, n) / 4 for name in MODELS}
    columns |= {f"{name}|model_response": [f"a,\nb {i}" for i in range(n)] for name in MODELS}
    columns |= {f"{name}|total_cost": rng.integers(0, 1 << 20, n) / (1 << 24) for name in MODELS}
    return pa.table({**columns, "oracle_model_to_route_to": [MODELS[0]] * n, "cluster_id": [1] * n})


def test_routerbench_by_its_preset(tmp_path: Path) -> None:
    out, built, raw = preset(tmp_path, "routerbench", "routerbench_0shot.csv", routerbench())
    for table, column in (("scores", '"{}"'), ("costs", '"{}|total_cost"')):
        nothing = ", null, null, null" if table == "costs" else ""
        parts = (
            f"select '{name}', sample_id, {column.format(name)}::float{nothing} from {raw}" for name in MODELS
        )
        assert (
            cells(out, table, "routerbench")
            == duckdb.sql(" union all ".join(parts) + " order by all").fetchall()
        )
    assert accounting(built)["kept"] == 120
    notes = str(built.stages["ingest"].info)
    for name in ("cluster_id", "oracle_model_to_route_to", f"{MODELS[0]}|model_response"):
        assert f"left out: column '{name}'" in notes


def preset(folder: Path, name: str, file: str, table: pa.Table) -> tuple[Path, Manifest, str]:
    """The build of a preset whose path holds one file, and how DuckDB reads that."""
    (folder / "configs").mkdir()
    (folder / "dumps" / name).mkdir(parents=True)
    path = folder / "dumps" / name / file
    if file.endswith(".csv"):
        duckdb.connect().from_arrow(table).write_csv(str(path))
    else:
        pq.write_table(table, path, row_group_size=16)
    config = folder / "configs" / f"{name}.toml"
    config.write_bytes((ROOT / "configs" / f"{name}.toml").read_bytes())
    built = build(load_config(config), folder / "out", Runner(), lambda *_: None, "ingest")
    how = f"read_csv('{path}', header = true)" if file.endswith(".csv") else f"read_parquet('{path}')"
    return folder / "out", built, how


def test_sprout_by_its_preset(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    n = 40

    def answers() -> pa.Array:
        rows = zip(rng.integers(0, 900, n).tolist(), rng.integers(0, 900, n).tolist(), strict=True)
        names = ("num_input_tokens", "num_output_tokens")
        return pa.array(
            [{**dict(zip(names, row, strict=True)), "score": (i % 5) / 4} for i, row in enumerate(rows)]
        )

    table = pa.table(
        {
            "key": [str(i) for i in range(n)],
            "dataset": ["gpqa" if i % 2 else "openhermes/teknium" for i in range(n)],
            "dataset_level": ["0"] * n,
            "dataset_idx": list(range(n)),
            "prompt": [f"What is {i}?" for i in range(n)],
            "golden_answer": [str(i) for i in range(n)],
            **{name: answers() for name in ("aws-claude-3-5-sonnet-v1", "wxai-llama-3-1-8b", "gpt-4")},
        }
    )
    out, built, raw = preset(tmp_path, "sprout", "train-00000-of-00001.parquet", table)
    names = table.column_names[6:]
    scores = (f"select '{name}', key, \"{name}\".score::float from {raw}" for name in names)
    assert (
        cells(out, "scores", "sprout") == duckdb.sql(" union all ".join(scores) + " order by all").fetchall()
    )
    costs = (
        f"""select '{name}', key, null, "{name}".num_input_tokens::float, "{name}".num_output_tokens::float,
        null from {raw}"""
        for name in names
    )
    assert cells(out, "costs", "sprout") == duckdb.sql(" union all ".join(costs) + " order by all").fetchall()
    assert accounting(built)["kept"] == 3 * n


def test_routingcompendium_by_its_preset(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    n = 30
    models = [[f"lab/m{k}" for k in rng.permutation(5)[: 1 + i % 5].tolist()] for i in range(n)]
    table = pa.table(
        {
            "prompt": [f"What is {i}?" for i in range(n)],
            "dataset": ["gsm8k" if i % 2 else "arc" for i in range(n)],
            "models_name": models,
            "models_performance": [[float(k) / 4 for k in rng.integers(0, 5, len(of))] for of in models],
        }
    )
    out, built, raw = preset(tmp_path, "routingcompendium", "EmbedLLM-00000-of-00001.parquet", table)
    expected = duckdb.sql(
        f"""select unnest(models_name), prompt, unnest(models_performance)::float from {raw} order by all"""
    ).fetchall()
    assert cells(out, "scores", "compendium-embedllm", "prompt") == expected
    assert accounting(built)["kept"] == len(expected)


@pytest.mark.skipif(not ROUTERDC.exists(), reason=f"{ROUTERDC} is not there")
def test_real_scores_by_model(tmp_path: Path) -> None:
    config = f'[[source]]\nformat = "item_major"\npath = "{ROUTERDC.resolve()}"\nbenchmark = "gsm8k"\n'
    out, built = ingest(tmp_path, config + 'columns = { score = "scores" }\n')
    rows = json.loads(ROUTERDC.read_text("utf-8"))
    expected = [
        (model, row["question"], float(np.float32(score)))
        for row in rows
        for model, score in row["scores"].items()
    ]
    assert cells(out, "scores", "gsm8k", "question") == sorted(expected)
    assert accounting(built)["kept"] == 9 * len(rows)


def test_the_case_becomes_scores_with_costs(tmp_path: Path) -> None:
    config = f'[[source]]\nformat = "item_major"\npath = "{CASE / "dumps"}"\nbenchmark = "gsm8k"\n'
    out, built = ingest(tmp_path, config)
    scores = cells(out, "scores", "gsm8k", "prompt")
    assert [sum("Line one" in str(row[1]) for row in scores), len(scores)] == [12, 24]
    prices = [(row[0], row[2]) for row in cells(out, "costs", "gsm8k", "prompt")]
    assert prices == [("lab/big-model", float(np.float32(i / 1000))) for i in range(6)]
    assert accounting(built)["costs"] == {"usd": {"kept": 6, "missing": 18, "bad": 0}}


def many(n_items: int, n_models: int) -> pa.Table:
    rng = np.random.default_rng(4)
    names = [f"org/m{k}" for k in range(n_models)]
    scores = rng.integers(0, 2, (n_models, n_items)).astype(bool)
    return pa.table({"id": [str(i) for i in range(n_items)], **dict(zip(names, scores, strict=True))})


def test_a_table_in_memory_is_read_as_its_file(tmp_path: Path) -> None:
    table = pa.table({"a": ["x", "y", None], "m.1": [{"score": 1.0}, None, {"score": 0.5}], "n": [1, 0, 1]})
    pq.write_table(table, tmp_path / "a.parquet")
    frames = [frame_of(table), open_frame(str(tmp_path / "a.parquet"), Dialect())]
    rows = [list(frame.read([(0, ())], [(1, ("score",)), (2, ())], 6)) for frame in frames]
    columns = [
        [[each for part in parts for each in part.to_pylist()] for parts in zip(*columns, strict=True)]
        for columns in ([(*each.texts, *each.scores) for each in found] for found in rows)
    ]
    assert columns == [[["x", "y", None], [1.0, None, 0.5], [1, 0, 1]]] * 2


@pytest.mark.parametrize("spelled", ["csv", "parquet", "jsonl"])
def test_windows_of_models_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelled: str
) -> None:
    table = many(50, 30)
    (tmp_path / "dumps").mkdir()
    path = tmp_path / "dumps" / f"all.{spelled}"
    if spelled == "csv":
        duckdb.connect().from_arrow(table).write_csv(str(path))
    elif spelled == "parquet":
        pq.write_table(table, path, row_group_size=16)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    monkeypatch.setattr(item_major, "WINDOW", 200)
    monkeypatch.setattr(item_major, "CELLS", 100)
    out, built = ingest(tmp_path, source(benchmark='"gsm8k"', columns='{ doc_key = "id" }'))
    names = table.column_names[1:]
    expected = [
        (name, key, float(score))
        for name in names
        for key, score in zip(table["id"].to_pylist(), table[name].to_pylist(), strict=True)
    ]
    assert cells(out, "scores", "gsm8k") == sorted(expected)
    assert accounting(built)["kept"] == 1500


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"when": "x"}}, "columns: unknown key 'when'"),
        ({"fields": {"cost": "x"}}, "fields: unknown key 'cost'"),
        ({"cost_columns": {"usd": "cost"}}, "expected {model} in it"),
        ({"columns": {"usd": "cost"}}, "needs score beside it"),
        ({"model_pattern": "(?P<name>.*)"}, "a group \\(\\?P<model>"),
    ],
)
def test_what_cannot_be_meant_is_said(tmp_path: Path, options: dict[str, object], message: str) -> None:
    read_text(tmp_path, "prompt,org/a\nWhat?,1\n")
    with pytest.raises(SpecError, match=message):
        read_text(tmp_path, "prompt,org/a\nWhat?,1\n", **options)


def read_text(folder: Path, text: str, **options: object) -> list[tuple[str, list[float | None]]]:
    """Models and scores of a CSV, and how many records are read and quarantined."""
    (folder / "a.csv").write_text(text)
    keys = ItemMajorOptions(**options)  # type: ignore[arg-type]
    spec = SourceSpec("item_major", str(folder / "a.csv"), benchmark="gsm8k", options=keys)
    (dump,) = item_major.discover(spec)
    blocks = [block for reading in item_major.read(dump, spec) for block in reading.blocks]
    return [
        (model, [None if np.isnan(value) else float(value) for value in values])
        for block in blocks
        for model, values in zip(block.runs.models, block.values, strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("prompt,gpt-4,gpt-4\nA?,1,1\n", {}, [("gpt-4", [1.0])]),
        ("prompt,gpt-4,GPT-4\nA?,1,0\n", {}, [("GPT-4", [0.0]), ("gpt-4", [1.0])]),
        ("prompt,label,index,a,b\nA?,1,1,0,True\n", {}, [("a", [0.0]), ("b", [1.0])]),
        ("prompt,a|b,a|b|total_cost\nA?,1,0.5\n", {}, [("a|b", [1.0])]),
        ("prompt,gpt-4,gpt-4_cost,gpt-4-turbo\nA?,1,1,0\n", {}, [("gpt-4", [1.0]), ("gpt-4-turbo", [0.0])]),
        ("prompt,a,b\nA?,1,0\n", {"model_columns": ("b",)}, [("b", [0.0])]),
        ("prompt,a,b\nA?,1,70\n", {}, [("a", [1.0])]),
        ("prompt,a\n" + "A?,\n" * 100 + "B?,1\n", {}, [("a", [None, 1.0])]),
    ],
)
def test_which_columns_are_models(
    tmp_path: Path, text: str, options: dict[str, object], expected: list[tuple[str, list[float | None]]]
) -> None:
    assert read_text(tmp_path, text, **options) == expected


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("prompt,a\nA?,1\n", {"columns": {"doc_key": "id"}}, "expected a column 'id' \\(doc_key\\)"),
        ("prompt,a\nA?,1\n", {"model_columns": ("b",)}, "'b' is missing \\(model_columns\\)"),
        ("prompt,a\nA?,70\n", {}, "'a' holds no number in \\[0, 1\\]"),
        ("model,q0,q1\nA,1,0\n", {}, "found a column 'model'"),
    ],
)
def test_what_is_no_table_of_items_is_told(
    tmp_path: Path, text: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(DumpUnreadable, match=message):
        read_text(tmp_path, text, **options)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ({"a": 1.0}, [("a", 1.0)]),
        ([("a", 1.0), ("b", None)], [("a", 1.0), ("b", None)]),
        ('{"a": 1, "b": null}', [("a", 1), ("b", None)]),
        ("{'a': 1.0, 'b\\'s': None,}", [("a", "1.0"), ("b's", None)]),
        ("{'a|b/c: d, e': np.float64(0.5)}", [("a|b/c: d, e", "np.float64(0.5)")]),
        ("{}", []),
        ("{'a': f('x')}", None),
        ("{'a': (1).__class__}", [("a", "(1).__class__")]),
        ("{'a': [1]}", None),
        ("{'a'}", None),
        ("{'a': 1", None),
        ("[1, 2]", None),
        ([1.0, 2.0], None),
        ("{" * 100_000, None),
        (b"{'a': 1}", [("a", "1")]),
        (7, None),
        (None, None),
    ],
    ids=range(17),
)
def test_mappings_in_cells_are_parsed_and_never_run(cell: object, expected: object) -> None:
    assert pairs_of(cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (["a"], ["a"]),
        ('["a", null]', ["a", None]),
        ("['a', None, 1.0]", ["a", None, "1.0"]),
        ("[]", []),
        ("['a' 'b']", None),
        ("[[1]]", [[1]]),
        ("[" * 100_000, None),
        ({"a": 1}, None),
    ],
    ids=range(8),
)
def test_lists_in_cells_are_parsed_and_never_run(cell: object, expected: object) -> None:
    assert list_of(cell) == expected
