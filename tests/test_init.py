"""`routerset init`: what lies in a folder becomes a config that builds it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerset.etl.build import build
from routerset.etl.cli import main
from routerset.etl.config import Config, ConfigError, Runner, load_config, parse_config
from routerset.etl.looking import places
from routerset.etl.looking.glimpse import Glimpse
from routerset.etl.looking.propose import propose
from routerset.etl.looking.sniffs import benchmark_in, sniff_item_major, sniff_items
from routerset.etl.sources.base import Dump
from routerset.etl.toml import toml_table

GOLDEN = Path(__file__).parent / "golden/sources"
LONG = "llm,ticket_id,asked,mark,price\n" + "".join(
    f"org/{m},{i},What is {i}?,{(i * 7 + m) % 11},0.00{m}\n" for m in (1, 2, 3) for i in range(20)
)


def log(folder: Path, model: str, task: str, n: int = 20) -> None:
    path = folder / model / f"samples_{task}_2026-01-02T03-04-05.000000.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        {
            "doc_id": i,
            "doc": {"question": f"{i} + {i}?", "answer": f"#### {2 * i}"},
            "target": "",
            "exact_match": i % 2,
        }
        for i in range(n)
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def made(folder: Path) -> Config:
    """The config that is made for a folder, as it is written to a file beside it."""
    file = folder.parent / "made.toml"
    file.unlink(missing_ok=True)
    assert main(["init", str(folder), "--out", str(file)]) == 0
    return load_config(file)


def test_what_is_written_builds_all_that_is_there(tmp_path: Path) -> None:
    dumps = tmp_path / "results"
    for model in ("org__a", "org__b", "org__c"):
        log(dumps, model, "gsm8k")
    (dumps / "support.csv").write_text(LONG)
    (dumps / "notes.txt").write_text("mine")
    config = made(dumps)
    assert [source.format for source in config.sources] == ["lm_eval", "long"]
    assert config.registry["support"].range == (0.0, 10.0)
    text = (tmp_path / "made.toml").read_text()
    assert "# models: org/1, org/2, org/3\n" in text
    assert "# costs: usd\n" in text
    assert "#   notes.txt: no format looks for such a name\n" in text
    info = build(config, tmp_path / "out", Runner(), lambda *_: None, "ingest").stages["ingest"].info
    assert {row["benchmark"]: row["kept"] for row in info["accounting"]} == {"gsm8k": 60, "support": 60}


@pytest.mark.parametrize("spelled", [str, dict])
def test_scores_by_model_and_price_tables_are_told(tmp_path: Path, spelled: type) -> None:
    dumps = tmp_path / "mine"
    dumps.mkdir()
    rows = [{"question": f"{i}?", "scores": spelled({"a": 1.0, "b": i % 2 / 1})} for i in range(4)]
    (dumps / "all.json").write_text(json.dumps(rows))
    (dumps / "llms.json").write_text(json.dumps({"a": {"input_price": 1.0, "output_price": 2.0}}))
    (dumps / "other.json").write_text(json.dumps({"a": {"colour": "red"}}))
    config = made(dumps)
    (source,) = config.sources
    assert (source.format, dict(source.options.columns)) == (
        "item_major",
        {"question": "question", "score": "scores"},
    )
    assert config.costs.tables == (str(dumps / "llms.json"),)
    text = (tmp_path / "made.toml").read_text()
    assert "models: 2, records: 8\n" in text
    assert "#   other.json: " in text


def test_tables_with_items_and_subsets_find_each_other(tmp_path: Path) -> None:
    dumps = tmp_path / "tables"
    dumps.mkdir()
    for subset in ("astronomy", "virology"):
        rows = [f"org/{m},{','.join(str((i + m) % 2) for i in range(8))}" for m in range(4)]
        head = ",".join(f"q{i}" for i in range(8))
        (dumps / f"mmlu_{subset}.csv").write_text("\n".join([f"model name,{head}", *rows]))
        (dumps / f"mmlu_{subset}_items.csv").write_text(
            "id,question\n" + "".join(f"q{i},W{i}?\n" for i in range(8))
        )
    source, _ = made(dumps).sources
    assert source.paths()[1:] == (str(dumps / "mmlu_{subset}_items.csv"),)
    info = build(made(dumps), tmp_path / "out", Runner(), lambda *_: None, "ingest").stages["ingest"].info
    assert info["benchmarks"]["mmlu"]["items"] == 16


def test_nested_json_and_parquet_are_known_by_what_they_hold(tmp_path: Path) -> None:
    dumps = tmp_path / "d"
    dumps.mkdir()
    lines = [
        {"llm_selected": f"org/{m}", "global index": f"q{i}", "eval": {"score": i % 2, "inference_cost": 0.1}}
        for m in range(3)
        for i in range(4)
    ]
    (dumps / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = pa.table(
        {"model": ["org/a", "org/b"] * 4, "id": [str(i // 2) for i in range(8)], "score": [0.5] * 8}
    )
    pq.write_table(table, dumps / "arc.parquet")
    own, known = sorted(made(dumps).sources, key=lambda source: source.path)
    columns = own.options.columns  # type: ignore[attr-defined]
    assert columns == {
        "model": "llm_selected",
        "doc_key": "global index",
        "score": "eval.score",
        "usd": "eval.inference_cost",
    }
    assert (own.benchmark, known.benchmark) == ("answers", "arc")


def test_a_template_says_what_to_do_with_tasks_that_nobody_knows(tmp_path: Path) -> None:
    dumps = tmp_path / "logs"
    log(dumps, "org__a", "our_own")
    text = propose(dumps, tmp_path, lambda _: None)
    assert '# our_own = "BENCHMARK"\n' in text
    assert "20 of 20 records looked at are set aside: unknown_task" in text
    shown = text.partition("or make each a benchmark of its own:\n")[2].partition("\n\n")[0]
    template = shown.replace("# ", "").replace('"acc"', '"exact_match"')
    config = parse_config(tomllib.loads(text + "\n" + template), tmp_path / "x.toml")
    info = build(config, tmp_path / "out", Runner(), lambda *_: None, "ingest").stages["ingest"].info
    assert info["benchmarks"]["mine"]["items"] == 20


def test_of_many_files_alike_some_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PER_KIND", 3)
    dumps = tmp_path / "many"
    dumps.mkdir()
    for i in range(10):
        (dumps / f"part{i}.csv").write_text(LONG)
    text = propose(dumps, tmp_path, lambda _: None)
    assert text.count("[[source]]") == 1
    assert "# 7 files were not opened" in text or "# 8 files were not opened" in text


HOSTILE = 'a"\\\n[x]\t\x1b[31m\x7f\u202e#\x85'


def test_hostile_names_stay_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dumps = tmp_path / "d"
    (dumps / HOSTILE).mkdir(parents=True)
    (dumps / HOSTILE / f"{HOSTILE}.csv").write_text(LONG.replace("org/1", '"o\x1b[31m/\u202e1"'))
    (dumps / f"no{HOSTILE}").write_text("x")
    config = made(dumps)
    assert config.sources[0].path == str(dumps / HOSTILE / f"{HOSTILE}.csv")
    assert main(["init", str(dumps)]) == 0
    told = capsys.readouterr()
    assert (
        parse_config(tomllib.loads(told.out), tmp_path / "x.toml").sources[0].path == config.sources[0].path
    )
    assert not {"\x1b", "\u202e", "\x7f", "\x85"} & {*told.out, *told.err}
    build(config, tmp_path / "out", Runner(), lambda *_: None, "ingest")


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text(LONG)
    (tmp_path / "x.toml").write_text("mine")
    assert main(["init", str(tmp_path), "--out", str(tmp_path / "x.toml")]) == 2
    assert (tmp_path / "x.toml").read_text() == "mine"
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "code"), [("none", 3), ("empty", 2), ("strange", 2)])
def test_where_nothing_is_a_dump_it_says_so(
    name: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange/a.csv").write_text("x,y\n1,2\n")
    assert main(["init", str(tmp_path / name)]) == code
    assert ("a.csv: no format known that has 'x', 'y'" in capsys.readouterr().err) == (name == "strange")


@pytest.mark.parametrize(
    "dump", sorted(GOLDEN.glob("*/*/dump")), ids=lambda path: "-".join(path.parts[-3:-1])
)
def test_every_golden_dump_has_a_config_or_a_reason(dump: Path, tmp_path: Path) -> None:
    try:
        text = propose(dump.absolute(), tmp_path, lambda _: None)
    except ConfigError as error:
        text = str(error)
    assert "[[source]]" in text or "have no place in this config" in text
    if "\n[[source]]\n" in text:
        assert parse_config(tomllib.loads(text), tmp_path / "x.toml").sources


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text()) | st.booleans() | st.integers(-9, 9)))
def test_any_text_stays_the_same_in_toml(values: dict[str, object]) -> None:
    text = toml_table("[x]", values)
    assert tomllib.loads(text)["x"] == values
    assert text.isprintable() or set(filter(lambda c: not c.isprintable(), text)) <= {"\n"} | {
        c for c in text if c.isspace() or not c.isascii()
    }


def test_benchmarks_are_told_by_words() -> None:
    assert benchmark_in(["x.csv", "GSM8K-results"]) == "gsm8k"
    assert benchmark_in(["MMLU-Pro_results.csv"]) == "mmlu_pro"
    assert benchmark_in(["MATH-LvL-5__x.csv"]) == "math_lvl5"
    assert benchmark_in(["research.csv"]) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"model": "a", "id": 1, "score": 1' + "0" * 400 + "}\n" + '{"model": "a", "id": 2, "score": 1}\n',
        '{"model": "a", "id": 1, "score": "inf"}\n{"model": "a", "id": 2, "score": "-Infinity"}\n',
        '{"model": "a", "id": 1, "score": [[[[[[1]]]]]]}\n',
        "[" * 10_000,
        "{" * 10_000,
        '{"model": {"model": {"model": {"model": {"model": {"model": 1}}}}}}\n',
        "\x00\n\x00",
    ],
)
def test_odd_values_break_nothing(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d").mkdir()
    for name in ("a.jsonl", "a.json", "a.csv", "a.parquet"):
        (tmp_path / "d" / name).write_text(text)
    (tmp_path / "d/sound.csv").write_text(LONG)
    assert main(["init", str(tmp_path / "d")]) == 0
    config = parse_config(tomllib.loads(capsys.readouterr().out), tmp_path / "x.toml")
    assert any(source.path.endswith("sound.csv") for source in config.sources)


def test_tables_of_other_shapes_are_told_by_their_columns() -> None:
    columns: dict[str, list[object]] = {
        "sample_id": ["a", "b"],
        "prompt": ["x", "y"],
        "lab/big": [0.0, 1.0],
        "lab/small": [1.0, 1.0],
        "lab/big|total_cost": [0.1, 0.2],
    }
    dump = Dump("", "a.csv", "a.csv", "a.csv", 1, "")
    guess = sniff_item_major(Glimpse(dump, tuple(columns), columns, True))
    assert guess is not None
    assert guess.keys == {
        "columns": {"doc_key": "sample_id", "prompt": "prompt"},
        "cost_columns": {"usd": "{model}|total_cost"},
    }
    nested: dict[str, list[object]] = {"prompt": ["x", "y"]}
    for model in ("a", "b"):
        nested |= {f"{model}.score": [1.0, 0.0], f"{model}.num_input_tokens": [3, 4]}
    guess = sniff_item_major(Glimpse(dump, ("prompt", "a", "b"), nested, True))
    assert guess is not None
    assert guess.keys["fields"] == {"score": "score", "prompt_tokens": "num_input_tokens"}
    assert sniff_items(Glimpse(dump, tuple(columns), columns, True)) is None
