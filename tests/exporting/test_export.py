"""`routerset export`: what it says, what it counts, and what it leaves alone."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.cli import main
from routerset.etl.config import Runner, load_config
from routerset.release.exporting.formats import FORMATS
from routerset.schemas.checksums import seal
from tests.exporting.truth import group_of, items_of

ROOT = Path(__file__).resolve().parents[2]


def export(release: Path, form: str, out: Path, *more: str) -> int:
    return main(["export", str(release), "--to", form, str(out), *more])


def record(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "export.json").read_text("utf-8"))
    return found


def words_of(release: Path, form: str) -> tuple[str, ...]:
    """Options that a format needs."""
    strong, weak, *_ = group_of(release, "gsm8k", 3, "all_strong")
    return ("--strong", strong, "--weak", weak) if form == "routellm" else ()


@pytest.mark.parametrize("form", FORMATS)
def test_counts_add_up_and_bytes_repeat(
    release: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        assert export(release, form, tmp_path / name, *words_of(release, form)) == 0
    told = capsys.readouterr()
    assert "gpqa: its texts are withheld" in told.out
    a, b = ({p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()}
            for n in ("a", "b"))  # fmt: skip
    assert a == b
    said = record(tmp_path / "a")
    listed = {
        str(path): hashlib.sha256(content).hexdigest() for path, content in a.items() if len(path.parts) > 1
    }
    assert {path: row["sha256"] for path, row in said["files"].items()} == listed  # type: ignore[attr-defined]
    sums = [line.split("  ") for line in (release / "SHA256SUMS").read_text().splitlines()]
    assert said["release"]["sha256"] == seal({path: digest for digest, path in sums})  # type: ignore[index]
    n_items = {"gsm8k": 60, "truthfulqa": 30}
    for cell in said["groups"]:  # type: ignore[attr-defined]
        items, scores = cell["items"], cell["scores"]
        assert items["all"] == n_items[cell["benchmark"]]
        assert items["all"] == items["written"] + sum(items["left_out"].values())
        assert items["written"] == sum(items["by_side"].values())
        assert scores["all"] == items["all"] * len(cell["models"])
        assert scores["all"] == scores["written"] + scores["missing"] + scores["of_items_left_out"]
    (cell, *_) = [cell for cell in said["groups"] if cell["benchmark"] == "gsm8k"]  # type: ignore[attr-defined]
    own = items_of(release, "gsm8k", cell["models"])
    assert cell["items"]["left_out"]["no_text"] == 60 - len(own)
    page = (tmp_path / "a/README.md").read_text("utf-8")
    assert "tiny 1.0.0" in page
    assert "left out: gpqa: its texts are withheld" in page


def test_repeated_texts_are_counted(release: Path, tmp_path: Path) -> None:
    for form, kept in (("semantic-router", False), ("embedllm", True)):
        out = tmp_path / form
        assert (
            export(release, form, out, "--benchmarks", "gsm8k", "--sizes", "3", "--kind", "all_strong") == 0
        )
        (cell,) = record(out)["groups"]  # type: ignore[misc]
        own = items_of(release, "gsm8k", cell["models"])
        repeats = len(own) - len({(item.side, item.text) for item in own})
        assert repeats > 0
        items = cell["items"]
        assert (items["repeated_texts_kept"], items["left_out"].get("repeated_text", 0)) == (
            (repeats, 0) if kept else (0, repeats)
        )


def test_a_build_is_taken_too(build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(build, "embedllm", tmp_path / "out", "--sizes", "3") == 0
    assert "is a build; taken:" in capsys.readouterr().err


def test_what_an_export_wrote_goes_and_nothing_else(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export(release, "embedllm", out, "--sizes", "3") == 0
    assert export(release, "routingcompendium", out, "--sizes", "5", "--benchmarks", "gsm8k") == 0
    assert not list(out.rglob("train.csv"))
    assert sorted(p.name for p in out.iterdir()) == [".routerset", "README.md", "export.json", "gsm8k"]
    stranger = out / "gsm8k" / "mine.txt"
    stranger.write_text("mine")
    assert export(release, "embedllm", out) == 2
    assert stranger.read_text() == "mine"
    assert list(out.rglob("*.parquet"))


def test_a_folder_of_others_is_left_alone(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/a.txt").write_text("a")
    assert export(release, "embedllm", tmp_path / "theirs") == 2
    assert "nothing was touched" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "theirs").iterdir()] == ["a.txt"]
    assert export(release, "embedllm", release / "inside") == 2
    assert not (release / "inside").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("embedlm",), 2, "no format 'embedlm'; valid: llmrouter, llmrouterbench, embedllm"),
        (("embedllm", "--sizes", "7"), 2, "no groups of size [7]; there are 3, 5"),
        (("embedllm", "--sizes", "a"), 2, "--sizes a: expected numbers"),
        (("embedllm", "--benchmarks", "arc"), 2, "no benchmark 'arc'"),
        (("embedllm", "--benchmarks", "gpqa"), 2, "gpqa: its texts are withheld by its licence"),
        (("routellm", "--strong", "x/y", "--weak", "x/z"), 2, "gsm8k/pair: x/y has no score"),
        (("llmrouter", "--benchmarks", "truthfulqa", "--costs", "usd"), 2, "no costs: usd"),
    ],
)
def test_errors(
    release: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert export(release, words[0], tmp_path / "out", *words[1:]) == code
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.csv"))


def test_no_release_is_an_unreadable_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(tmp_path, "embedllm", tmp_path / "out") == 3
    assert "manifest.json" in capsys.readouterr().err


def test_sides_and_costs_that_cannot_be_are_refused(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(release, tmp_path / "copy"))
    path = copy / "costs/gsm8k.parquet"
    table = pq.read_table(path)
    at = table.column_names.index("usd")
    pq.write_table(table.set_column(at, "usd", pa.repeat(pa.scalar(np.inf, pa.float32()), len(table))), path)
    assert export(copy, "routerbench", tmp_path / "out", "--benchmarks", "gsm8k") == 3
    assert "found a usd that is no finite number" in capsys.readouterr().err
    path = copy / "data/gsm8k/test.parquet"
    table = pq.read_table(path)
    at = table.column_names.index("split_paper")
    pq.write_table(table.set_column(at, "split_paper", pa.repeat("tset", len(table))), path)
    assert export(copy, "embedllm", tmp_path / "out", "--benchmarks", "gsm8k") == 3
    assert "expected sides train, validation, test" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.csv"))


def test_every_format_is_in_the_help_and_on_the_page() -> None:
    page = (ROOT / "docs/exporting.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \| ", page, re.MULTILINE)) == set(FORMATS)
    cli = (ROOT / "etl/verbs/using.py").read_text("utf-8")
    assert all(name in cli for name in FORMATS)


ROUND = {
    "llmrouterbench": (
        "truthfulqa",
        'format = "llmrouterbench"\ntasks = { truthfulqa = "quiz" }\n',
        "{group}",
    ),
    "embedllm": (
        "gsm8k",
        'format = "long"\nbenchmark = "quiz"\ncolumns = { model = "model_name", doc_key = "prompt_id", '
        'question = "prompt", score = "label" }\n',
        "{group}/[tv]*.csv",
    ),
    "routerbench": (
        "truthfulqa",
        'format = "item_major"\nbenchmark = "quiz"\ncost_columns = { usd = "{model}|total_cost" }\n'
        'columns = { doc_key = "sample_id", question = "prompt" }\n',
        "{group}/*.parquet",
    ),
    "routingcompendium": (
        "truthfulqa",
        'format = "item_major"\nbenchmark = "quiz"\ncolumns = { question = "prompt", model = "models_name", '
        'score = "models_performance" }\n',
        "{group}/*.parquet",
    ),
    "routellm": (
        "gsm8k",
        'format = "item_major"\nbenchmark = "quiz"\ncolumns = { question = "prompt" }\n',
        "{group}/*.csv",
    ),
}
"""Format -> benchmark, a source that reads it back, and where."""


@pytest.mark.parametrize("form", ROUND)
def test_what_is_exported_is_read_back(release: Path, tmp_path: Path, form: str) -> None:
    import duckdb

    from routerset.etl.build import build

    benchmark, source, where = ROUND[form]
    out = tmp_path / "out"
    choice = words_of(release, form) or ("--sizes", "3", "--kind", "all_strong")
    assert export(release, form, out, "--benchmarks", benchmark, *choice) == 0
    (cell,) = record(out)["groups"]  # type: ignore[misc]
    path = where.format(group=out / benchmark / cell["group"])
    (tmp_path / "x.toml").write_text(
        f'[[benchmark]]\nname = "quiz"\nmetric = "points"\n[[source]]\npath = "{path}"\n{source}'
    )
    build(load_config(tmp_path / "x.toml"), tmp_path / "again", Runner(), lambda *_: None, "ingest")
    tables = tmp_path / "again/tables"
    found = duckdb.execute(
        "select question, model_id, score from "
        f"read_parquet('{tables}/scores/benchmark=quiz/part-0.parquet', hive_partitioning = false) "
        f"join read_parquet('{tables}/items/benchmark=quiz/part-0.parquet', hive_partitioning = false) "
        "using (item)"
    ).fetchall()
    own = items_of(release, benchmark, cell["models"])
    if form == "routellm":
        own = [item for item in own if len(item.scores) == 2 and item.side != "train"]
    expected = [(item.text, model, score) for item in own for model, score in item.scores.items()]
    assert sorted(found) == sorted(expected)


def test_llmrouters_own_router_learns_from_an_export(release: Path, tmp_path: Path) -> None:
    """Its kNN router, where `llmrouter-lib` is installed."""
    routers = pytest.importorskip("llmrouter.models.knnrouter", reason="llmrouter-lib is not installed")
    yaml = pytest.importorskip("yaml")
    assert export(release, "llmrouter", tmp_path / "out", "--benchmarks", "gsm8k", "--sizes", "3",
                  "--kind", "all_strong") == 0  # fmt: skip
    folder = tmp_path / "out/gsm8k/m3_all_strong"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["data_path"] = {key: str(folder / name) for key, name in config["data_path"].items()}
    config |= {"hparam": {"n_neighbors": 3}}
    config["model_path"] = dict.fromkeys(("ini_model_path", "save_model_path"), str(tmp_path / "knn.pkl"))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    router = routers.KNNRouter(str(tmp_path / "config.yaml"))
    routers.KNNRouterTrainer(router).train()
    tests = router.routing_data_test.drop_duplicates("query")
    chosen = router.knn_model.predict([router.query_embedding_data[i].numpy() for i in tests["embedding_id"]])
    assert set(chosen) <= set(group_of(release, "gsm8k", 3, "all_strong"))
