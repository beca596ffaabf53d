"""Benchmarks that a config declares: from dumps to a release that is as whole as one of the registry's."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

import routerset
from routerset.etl.build import build
from routerset.etl.cli import main
from routerset.etl.config import ConfigError, Runner, load_config
from routerset.etl.sources.base import SourceSpec
from routerset.etl.sources.names import resolve_task, task_of
from routerset.release.evaluator import Pair, evaluate, load_release
from routerset.release.manifest import read_manifest
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.registry import registry
from tests.gates import without_gate

ROOT = Path(__file__).resolve().parent.parent
ARENA = ROOT / ".." / "shared" / "dumps" / "routerarena"
MODELS = [f"org/m{number:02}" for number in range(20)]
ITEMS = 60
WIDE = """
[[benchmark]]
name = "essays"
title = "Marks | for essays"
metric = "mark"
range = [0, 10]
license = "CC-BY-4.0"
citation = "Some One, 2026"
reference_model = "A teacher"
reference_score = 8.5

[[source]]
format = "wide"
path = "marks.csv"
benchmark = "essays"
url = "https://example.org/marks"
license = "CC0-1.0"
citation = "The school, 2026"

[groups]
sizes = [3]
"""
LONG = """
[[benchmark]]
name = "my-quiz"
metric = "points"
range = [-1, 3]
subsets = ["maths", "history"]
leaderboard = "Pub"
publish_text = false

[[source]]
format = "long"
path = "points.csv"
benchmark = "my-quiz"
columns = { model = "llm", doc_key = "id", question = "asked", subset = "topic", usd = "price" }

[groups]
sizes = [3]
"""


def marks(low: float, high: float) -> np.ndarray:
    """Scores (models, items) of models of rising ability, at the bounds, too."""
    rng = np.random.default_rng(3)
    level = np.linspace(0.1, 0.9, len(MODELS))[:, None]
    share = np.clip(np.round(level + rng.normal(0, 0.3, (len(MODELS), ITEMS)), 2), 0, 1)
    return np.round(low + share * (high - low), 2)


def write_wide(folder: Path) -> None:
    """A row per model, a column per essay."""
    columns = {"model": MODELS} | {f"e{at}": of for at, of in enumerate(marks(0, 10).T.tolist())}
    duckdb.connect().from_arrow(pa.table(columns)).write_csv(str(folder / "marks.csv"))


def write_long(folder: Path) -> None:
    """A row per model and question of three topics, of which the config names two."""
    rows = [
        {
            "llm": model,
            "id": f"q{item}",
            "asked": f"Question number {item} of the quiz?",
            "topic": ("sports", "maths", "history")[item % 3],
            "score": score,
            "price": item / 8,
        }
        for model, of_model in zip(MODELS, marks(-1, 3).tolist(), strict=True)
        for item, score in enumerate(of_model)
    ]
    duckdb.connect().from_arrow(pa.Table.from_pylist(rows)).write_csv(str(folder / "points.csv"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one build of each."""
    folder = tmp_path_factory.mktemp("own")
    write_wide(folder)
    write_long(folder)
    for name, text in (("wide", WIDE), ("long", LONG)):
        (folder / f"{name}.toml").write_text(text)
        with without_gate():
            routerset.build(folder / f"{name}.toml", folder / name)
    return folder


def cells(scores: Path, items: Path) -> list[tuple[object, ...]]:
    """Model, document and score of every row."""
    return duckdb.sql(
        f"""select model_id::varchar, doc_key, score from read_parquet('{scores}', hive_partitioning = false)
        join read_parquet('{items}', hive_partitioning = false) using (item) order by all"""
    ).fetchall()


@pytest.mark.parametrize(
    ("name", "benchmark", "raw"),
    [
        (
            "wide",
            "essays",
            """select model, item, (mark / 10)::float from
            (unpivot (from '{folder}/marks.csv') on * exclude (model) into name item value mark)""",
        ),
        ("long", "my-quiz", "select llm, id, ((score + 1) / 4)::float from '{folder}/points.csv'"),
    ],
)
def test_scores_are_scaled_to_the_range(built: Path, name: str, benchmark: str, raw: str) -> None:
    tables = built / name / "tables"
    scores, items = (
        tables / table / f"benchmark={benchmark}/part-0.parquet" for table in ("scores", "items")
    )
    expected = duckdb.sql(f"{raw.format(folder=built)} order by all").fetchall()
    found = cells(scores, items)
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    assert np.array([row[2] for row in found]) == pytest.approx([row[2] for row in expected], abs=1e-7)
    assert {0.0, 1.0} <= {row[2] for row in found}


@pytest.mark.parametrize(("name", "benchmark"), [("wide", "essays"), ("long", "my-quiz")])
def test_a_release_of_it_is_whole(built: Path, tmp_path: Path, name: str, benchmark: str) -> None:
    release = built / name / "release"
    outcome = routerset.validate(built / name)  # and the release in it
    assert not outcome.errors
    assert {finding.expectation for finding in outcome.warnings} <= {"learnable", "text_present"}
    assert routerset.verify(release, against=built / name) == []
    loaded = load_dataset(str(release), f"scores-{benchmark}", split="train", cache_dir=str(tmp_path))
    assert len(loaded) == len(MODELS) * ITEMS
    rows = routerset.evaluate(routerset.load_release(release), ["oracle", "best_single"]).rows
    assert {(row.benchmark, row.m) for row in rows} == {(benchmark, 3)}
    oracle = next(row for row in rows if row.router == "oracle")
    assert (oracle.to_dict()["v_r"] is None) == (name == "long")


def test_the_manifest_says_what_was_declared(built: Path) -> None:
    essays = read_manifest(built / "wide" / "release").benchmarks["essays"]
    assert essays.declared["range"] == [0.0, 10.0]
    assert (essays.reference_model, essays.reference_score) == ("A teacher", 0.85)
    quiz = read_manifest(built / "long" / "release").benchmarks["my-quiz"]
    assert quiz.reference_note == "no score of a reference LLM is known"
    items = pq.read_table(built / "long/tables/items/benchmark=my-quiz/part-0.parquet")
    assert list(dict.fromkeys(items["subset"].to_pylist())) == ["maths", "history", "sports"]
    assert not quiz.text_published
    models = pq.read_table(built / "long" / "release" / "models.parquet")
    assert set(models["leaderboards"].to_pylist()[0]) == {"Pub"}


def test_the_card_says_where_every_number_is_from(built: Path) -> None:
    card = (built / "wide" / "release" / "README.md").read_text("utf-8")
    assert "| wide | 1 | essays 1,200 | <https://example.org/marks> | CC0-1.0 | The school, 2026 |" in card
    assert "| essays | Marks \\| for essays | CC-BY-4.0 | Some One, 2026 |" in card
    assert "scores of 0 to 10 are scaled to [0, 1]" in card
    assert "from the leaderboard dumps up" not in card
    notice = (built / "wide" / "release" / "LICENSE").read_text("utf-8")
    assert "- essays: CC-BY-4.0" in notice
    assert "CC0-1.0" in notice
    quiz = (built / "long" / "release" / "README.md").read_text("utf-8")
    assert "| my-quiz | my-quiz | NOASSERTION |  |" in quiz
    assert "| long | 1 | my-quiz 1,200 | not stated | not stated |  |" in quiz


def test_a_claim_of_the_manifest_is_checked(built: Path, tmp_path: Path) -> None:
    release = shutil.copytree(built / "wide" / "release", tmp_path / "release")
    path = release / "manifest.json"
    good = path.read_text("utf-8")
    for old, new in (
        ('"reference_score": 0.85', '"reference_score": 0.8'),
        ('"essays": 1200', '"essays": 1201'),
        ('"CC-BY-4.0"', '"no licence of anyone"'),
    ):
        assert old in good
        path.write_text(good.replace(old, new), "utf-8")
        assert routerset.verify(release)


def test_what_lies_outside_of_the_range_is_told(tmp_path: Path) -> None:
    write_wide(tmp_path)
    path = tmp_path / "marks.csv"
    path.write_text(re.sub(r"(org/m03),[^,]+", r"\1,10.01", path.read_text("utf-8")), "utf-8")
    (tmp_path / "x.toml").write_text(WIDE)
    build(load_config(tmp_path / "x.toml"), tmp_path / "out", Runner(), lambda *_: None, "ingest")
    (row,) = pq.read_table(tmp_path / "out/tables/quarantine.parquet").to_pylist()
    assert row["model_id"] == "org/m03"
    assert row["detail"] == "document e0: expected a score in [0, 10], found 10.01"


def test_a_registered_benchmark_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        '[[benchmark]]\nname = "gsm8k"\nlicense = "CC0-1.0"\nmetric = "f1"\n'
        '[[source]]\nformat = "lm_eval"\npath = "x"\n'
    )
    config = load_config(path)
    row = config.registry["gsm8k"]
    assert (row.license, row.metrics[0], row.title) == ("CC0-1.0", "f1", BENCHMARKS["gsm8k"].title)
    assert (BENCHMARKS["gsm8k"].license, BENCHMARKS["gsm8k"].metric) == ("MIT", "acc")
    task = task_of("gsm8k_cot", config.sources[0])
    assert task is not None
    assert task.metrics[0] == "f1"
    assert config.registry["arc"] is BENCHMARKS["arc"]


def test_tasks_of_a_declared_benchmark_are_told_by_name() -> None:
    rows = registry({"quiz": {"metric": "acc", "tasks": ["pub", "quiz_{}_v2"], "subsets": ["a", "b"]}})
    spec = SourceSpec("lm_eval", "x", registry=rows)
    assert resolve_task("pub", spec) == ("quiz", "a")
    assert resolve_task("quiz_history_v2", spec) == ("quiz", "history")
    for other in ("quiz__v2", "quiz_../x_v2", "quiz_v2", "pubs"):
        assert resolve_task(other, spec) is None
    assert resolve_task("gsm8k", spec) == ("gsm8k", "gsm8k")


@pytest.mark.parametrize(
    "file", ["tables/scores/benchmark=essays/part-0.parquet", "release/scores/essays.parquet"]
)
def test_a_single_table_is_of_the_benchmarks_of_its_build(built: Path, file: str) -> None:
    for table in ("scores", None):
        outcome = routerset.validate(built / "wide" / file, table=table)
        assert (outcome.errors, outcome.skipped) == ((), ())


@pytest.mark.parametrize(
    ("folder", "told"), [("essays", True), ("gsm8k", False), ("GSM8K", False), ("a b", False)]
)
def test_a_table_without_its_build_is_of_the_benchmark_that_its_folder_names(
    built: Path, tmp_path: Path, folder: str, told: bool
) -> None:
    path = tmp_path / f"benchmark={folder}" / "part-0.parquet"
    path.parent.mkdir()
    shutil.copy(built / "wide/tables/scores/benchmark=essays/part-0.parquet", path)
    outcome = routerset.validate(path, table="scores")
    assert [line.split(":")[0] for line in outcome.skipped] == ([f"benchmark {folder}"] if told else [])
    unknown = {"GSM8K", "a b"} & {folder}
    assert {f.expectation for f in outcome.errors} == ({"partitions_known"} if unknown else set())


NAMED = '[[benchmark]]\nname = "mine"\nmetric = "acc"\n'
SOURCE = '[[source]]\nformat = "wide"\npath = "dump.csv"\nbenchmark = "gsm8k"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[benchmark]\n", "[benchmark] must be a list of tables, written [[benchmark]]"),
        ('[[benchmark]]\nmetric = "acc"\n', "[[benchmark]] 1 name: expected a name, found None"),
        ("[[benchmark]]\nname = 3\n", "[[benchmark]] 1 name: expected a name, found 3"),
        ('[[benchmark]]\nname = "mine"\n', "[[benchmark]] 1 metric: expected the name of the metric"),
        *(
            (f'[[benchmark]]\nname = "{name}"\nmetric = "acc"\n', "name: expected letters, digits")
            for name in ("../x", "a/b", "", "a b", ".a", "a..b", "ä", "x" * 65)
        ),
        ('[[benchmark]]\nname = "GSM8K"\nmetric = "a"\n', "differs from 'gsm8k' in case alone"),
        (NAMED + NAMED, "[[benchmark]] 2 name: 'mine' is there more than once"),
        ('[[benchmark]]\nname = "models"\nmetric = "a"\n', "a release would call two tables models"),
        *(
            (f'[[benchmark]]\nname = "{name}"\nmetric = "a"\n', f"two tables {name.lower()}")
            for name in ("scores-arc", "Models", "leaderboard", "Leaderboard", "default", "COSTS-ARC")
        ),
        (
            NAMED + "rang = [0, 1]\n",
            'unknown key "rang" (did you mean "range"?); valid keys: name, title, metric',
        ),
        *(
            (NAMED + f"range = {value}\n", "range: expected two finite numbers, the lower one first")
            for value in ("[1, 0]", "[0, 0]", "[0, inf]", "[nan, 1]", "[-1e308, 1e308]")
        ),
        (NAMED + "range = [0]\n", "range"),
        (NAMED + "range = 10\n", "range: expected a list, found 10"),
        (NAMED + 'range = ["0", "1"]\n', "range: expected float, found '0'"),
        (NAMED + "binary = 1\n", "binary: expected bool, found 1"),
        (NAMED + 'license = "do what you like"\n', "license: expected an SPDX id"),
        (NAMED + 'title = "two\\nlines"\n', "title: expected one line"),
        (NAMED + "subsets = []\n", "subsets: expected at least one"),
        (NAMED + 'subsets = ["a", "a"]\n', "subsets: expected at least one, each once"),
        (NAMED + 'subsets = ["../a"]\n', "subsets: expected names"),
        (NAMED + "subsets = { a = -1 }\n", "subsets: expected numbers of items, found -1"),
        (NAMED + "subsets = 3\n", "subsets"),
        (NAMED + "shots = -1\n", "shots: expected 0 to 1000, found -1"),
        (NAMED + "reference_score = 2\n", "reference_score: expected a score in the range, [0, 1]"),
        (NAMED + 'tasks = ["{}_{}"]\n', "tasks: expected {} once at most"),
        (SOURCE + 'url = "javascript:x"\n', "[[source]] url: expected https://..."),
        (SOURCE + 'url = "https://a b"\n', "[[source]] url: expected https://..."),
        (SOURCE + 'license = "free beer"\n', "[[source]] license: expected an SPDX id"),
        (SOURCE + 'citation = "a\\nb"\n', "[[source]] citation: expected one line"),
    ],
)
def test_a_wrong_declaration_says_what_is_valid(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text if SOURCE in text else text + SOURCE)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_where_a_dump_is_from_is_no_reason_to_read_it_again(tmp_path: Path) -> None:
    write_wide(tmp_path)
    path = tmp_path / "x.toml"
    path.write_text(WIDE)
    first = load_config(path).sources[0].settings()
    path.write_text(WIDE.replace("example.org", "example.com").replace("CC-BY-4.0", "MIT"))
    assert load_config(path).sources[0].settings() == first
    path.write_text(WIDE.replace("[0, 10]", "[0, 20]"))
    assert load_config(path).sources[0].settings() != first


def test_a_title_is_no_reason_to_assemble_again(tmp_path: Path) -> None:
    write_wide(tmp_path)
    path, out = tmp_path / "x.toml", tmp_path / "out"
    scores = out / "tables/scores/benchmark=essays/part-0.parquet"

    def ingest(text: str) -> tuple[str, int]:
        path.write_text(text)
        states: list[str] = []
        build(load_config(path), out, Runner(), lambda _, state: states.append(state), "ingest")
        return states[-1], scores.stat().st_ino

    first = ingest(WIDE)
    assert ingest(WIDE) == ("up to date", first[1])
    assert ingest(WIDE.replace("for essays", "of essays")) == first
    assert ingest(WIDE.replace("[0, 10]", "[0, 20]"))[1] != first[1]


@pytest.mark.usefixtures("ungated")
@pytest.mark.skipif(not ARENA.exists(), reason=f"{ARENA} is not there")
def test_router_arena_becomes_a_release_with_costs(tmp_path: Path) -> None:
    routerset.build(ROOT / "configs" / "routerarena.toml", tmp_path)
    assert not routerset.validate(tmp_path).errors
    release = tmp_path / "release"
    assert routerset.verify(release) == []
    assert main(["publish", str(tmp_path), "--to", str(tmp_path / "published")]) == 0
    raw = f"""(select *, evaluation_result.score as score from
        read_json('{ARENA.resolve()}/*.jsonl', format = 'newline_delimited'))"""
    outside = duckdb.sql(f"select global_index, score from {raw} where score not between 0 and 1")
    assert outside.fetchall() == [("NarrativeQA_4102", pytest.approx(-0.0330188679))]
    (bad,) = pq.read_table(tmp_path / "tables/quarantine.parquet").to_pylist()
    assert bad["reason"] == "score_out_of_range"
    assert bad["detail"].startswith("document NarrativeQA_4102: expected a score in [0, 1], found -0.033")
    items = tmp_path / "tables/items/benchmark=routerarena/part-0.parquet"
    good = "score between 0 and 1"
    assert (
        cells(release / "scores/routerarena.parquet", items)
        == duckdb.sql(
            f"select llm_selected, global_index, score::float from {raw} where {good} order by all"
        ).fetchall()
    )
    subset = "regexp_replace(regexp_replace(global_index, '_[0-9]+$', ''), '[^A-Za-z0-9_.-]+', '-', 'g')"
    costs = duckdb.sql(
        f"""select model_id::varchar, doc_key, subset, usd, prompt_tokens, completion_tokens, latency_s
        from '{release}/costs/routerarena.parquet' join
        read_parquet('{items}', hive_partitioning = false) using (item) order by all"""
    ).fetchall()
    assert (
        costs
        == duckdb.sql(
            f"""select llm_selected, global_index, {subset},
            evaluation_result.inference_cost::float, token_usage.input_tokens::float,
            token_usage.output_tokens::float, null from {raw} where {good} order by all"""
        ).fetchall()
    )
    document = json.loads((release / "manifest.json").read_text("utf-8"))
    assert document["benchmarks"]["routerarena"]["costs"] == dict.fromkeys(
        ("usd", "prompt_tokens", "completion_tokens"), 1617
    )
    names = duckdb.sql(f"select distinct llm_selected from {raw} order by all").fetchall()
    small, large = (name for (name,) in names)
    found = evaluate(
        load_release(release), ["best_single"], pair=Pair(small, large), costs="usd", resamples=0
    )
    ends = duckdb.sql(
        f"""with pairs as (select doc_key, max(s.score) filter (llm_selected = '{small}') as small,
            max(s.score) filter (llm_selected = '{large}') as large, count(*) as n
            from {raw} as s join read_parquet('{items}') as i on s.global_index = i.doc_key
            join read_parquet('{release}/data/routerarena/test.parquet') using (item_id)
            where {good.replace("score", "s.score")} group by all having n = 2)
        select count(*), avg(small), avg(large), avg(greatest(small, large)) from pairs"""
    ).fetchall()[0]
    told = {routing.router: routing for routing in found.routings}
    oracle = told["oracle"]
    assert (oracle.n_test, oracle.cost_unit) == (ends[0], "USD")
    assert (oracle.small_score, oracle.large_score) == pytest.approx(ends[1:3], abs=1e-6)
    assert oracle.curve[[0, -1]].tolist() == pytest.approx(ends[1:3], abs=1e-6)
    assert oracle.curve.max() == pytest.approx(ends[3], abs=1e-6)
    assert told["random"].area.value == pytest.approx(sum(ends[1:3]) / 2, abs=1e-6)
