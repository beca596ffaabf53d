"""What docs/dumps.md says of formats, keys, reasons and notes is there."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.cli import _parser, main
from routerset.etl.config import Runner, load_config
from routerset.etl.sources.registry import SOURCES
from routerset.release.evaluator import load_release
from routerset.release.evaluator.by_category import CategoryScore
from routerset.release.evaluator.categories import GROUPINGS
from routerset.release.evaluator.costs import COST_KINDS
from routerset.release.evaluator.holdout_rows import HeldOut
from routerset.release.evaluator.limits import Limits
from routerset.release.evaluator.metrics import METRICS
from routerset.release.evaluator.results import Difference, Row
from routerset.release.evaluator.routers import ROUTERS, find_router
from routerset.release.evaluator.selection_rows import Selection
from routerset.release.evaluator.selectors import SELECTORS
from routerset.release.evaluator.spending import COST_METRICS
from routerset.release.evaluator.task import KINDS
from routerset.release.evaluator.tiers import TIER, TierShare
from routerset.schemas.registry import Declared
from routerset.schemas.tables import RUNS, Reason
from tests.release.builds import write_priced

ROOT = Path(__file__).resolve().parent.parent
DUMPS = (ROOT / "docs/dumps.md").read_text("utf-8")


def test_the_page_on_dumps_has_every_format() -> None:
    assert set(re.findall(r"^\| `(\w+)` \| ", DUMPS, re.MULTILINE)) >= set(SOURCES)


def test_the_config_on_the_page_is_one(tmp_path: Path) -> None:
    block, _ = re.findall(r"```toml\n(.*?)```", DUMPS, re.DOTALL)
    (tmp_path / "x.toml").write_text(block)
    config = load_config(tmp_path / "x.toml")
    assert [source.models for source in config.sources] == [{"ckpt/step-1000": "lab/our-model"}]


def test_the_benchmark_on_the_page_is_built_from_its_answers(tmp_path: Path) -> None:
    _, block = re.findall(r"```toml\n(.*?)```", DUMPS, re.DOTALL)
    (answers,) = re.findall(r"```csv\n(.*?)```", DUMPS, re.DOTALL)
    (tmp_path / "x.toml").write_text(block)
    (tmp_path / "answers.csv").write_text(answers)
    out = tmp_path / "out"
    build(load_config(tmp_path / "x.toml"), out, Runner(), lambda *_: None, "ingest")
    scores = pq.read_table(out / "tables/scores/benchmark=exam/part-0.parquet").to_pylist()
    found = [(row["model_id"], row["item"], row["score"]) for row in scores]
    assert found == [("org/a", 0, 0.25), ("org/a", 1, 1.0), ("org/b", 1, pytest.approx(0.7))]
    (bad,) = pq.read_table(out / "tables/quarantine.parquet").to_pylist()
    assert (bad["reason"], bad["model_id"]) == ("score_out_of_range", "org/b")


def test_every_key_of_a_benchmark_is_on_the_page() -> None:
    table = DUMPS.partition("| key of `[[benchmark]]` |")[2].partition("\n\n")[0]
    cells = [line.split(" | ") for line in table.splitlines()[2:]]
    keys = {key for cell, *_ in cells for key in re.findall(r"`(\w+)`", cell)}
    keys |= set(re.findall(r"`(\w+)`:", table))
    assert keys == {"name", *Declared.__annotations__}


def test_every_key_in_its_table_is_known(tmp_path: Path) -> None:
    source = {"benchmark": '"gsm8k"', "subset": '"gsm8k"', "metric": '"acc"', "key_space": '"x"'}
    wide = dict.fromkeys(("items", "model_column", "timestamp_column", "delimiter", "encoding"), '"x"')
    source |= {"url": '"https://x.org"', "license": '"MIT"', "citation": '"x"'}
    wide |= dict.fromkeys(("column_pattern", "subset_pattern"), '"(?P<subset>x)(?P<doc_key>y)"')
    known = {
        *source,
        *wide,
        "columns",
        "item_columns",
        "ignore_columns",
        "tasks",
        "models",
        "filter",
        "reducer",
    }
    known |= {"model_columns", "model_pattern", "cost_columns", "fields"}
    rows = re.findall(r"^\| `\[\[source\]\] (.*?) \| ", DUMPS, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"\w+", row)} <= known
    dataset = re.findall(
        r"^\| `\[dataset\] (\w+)` \| .*\(([\w.]+)\) \|$|^\| `\[dataset\] (\w+)`", DUMPS, re.MULTILINE
    )
    lines = [f"{name} = {value}" for name, value, _ in dataset if name and value != "see"]
    keys = "\n".join(f"{key} = {value}" for key, value in (source | wide).items())
    (tmp_path / "x.toml").write_text(
        "[dataset]\n" + "\n".join(lines) + f'\n[[source]]\nformat = "wide"\npath = "x"\n{keys}\n'
        'ignore_columns = ["a"]\n[source.item_columns]\nquestion = "q"\n[source.models]\na = "b/c"\n'
        '[[source]]\nformat = "lm_eval"\npath = "x"\nfilter = "none"\n[source.tasks]\nmy_task = "gsm8k"\n'
        '[[source]]\nformat = "item_major"\npath = "x"\nmodel_columns = ["x"]\nmodel_pattern = "x"\n'
        'columns = { score = "x" }\ncost_columns = { usd = "{model}" }\nfields = { score = "x" }\n'
    )
    assert len(load_config(tmp_path / "x.toml").sources) == 3
    assert len(lines) >= 3


def test_the_commands_on_soundness_are_there() -> None:
    page = (ROOT / "docs/soundness.md").read_text("utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    scripts = [line.split()[1:3] for line in lines if line.startswith("python ")]
    for script, what in scripts:
        assert what in (ROOT / script).read_text("utf-8") or what.startswith("out/")
    (evaluate,) = (line.split() for line in lines if line.startswith("routerset evaluate"))
    named = evaluate[evaluate.index("--routers") + 1].split(",")
    assert all(find_router(name) for name in named)
    assert len(scripts) >= 4


def test_reasons_columns_and_notes_on_the_page_are_there() -> None:
    words = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", DUMPS))
    code = "".join(path.read_text("utf-8") for path in (ROOT / "etl").rglob("*.py"))
    names = {*Reason, *RUNS.names, *Declared.__annotations__}
    assert {word for word in words if word not in names and word not in code} == set()


@pytest.mark.parametrize("page", ["publishing", "quickstart", "validation"])
def test_every_command_line_is_one(page: str) -> None:
    text = (ROOT / f"docs/{page}.md").read_text("utf-8")
    found = [line.partition("#")[0] for line in re.findall(r"^routerset (.*)$", text, re.MULTILINE)]
    for line in found:
        words = shlex.split(line)
        assert words[0] == "evaluate" or _parser().parse_args(words).run is not None
    assert len(found) >= 3


METRICS_PAGE = (ROOT / "docs/metrics.md").read_text("utf-8")


def test_the_page_on_metrics_has_every_number_and_no_other() -> None:
    paragraphs = re.split(r"\n\n", METRICS_PAGE)
    heads = [p.partition(":")[0] for p in paragraphs if p.startswith("**`")]
    told = [name for head in heads for name in re.findall(r"\*\*`(\w+)`\*\*", head)]
    metrics = [name for name in told if name in {*METRICS, *COST_METRICS}]
    assert sorted(metrics) == sorted({*METRICS, *COST_METRICS})
    words = set(re.findall(r"`([a-z]\w*_\w*|[a-z]+)`", METRICS_PAGE))
    known = {*METRICS, *COST_METRICS, *COST_KINDS, *ROUTERS, *KINDS, "mean"}
    results = (Row, Difference, Limits, Selection, HeldOut, CategoryScore, TierShare)
    known |= {field.name for record in results for field in fields(record)}
    known |= {*SELECTORS, *GROUPINGS, TIER, "delta", "share", "all"}
    known |= {
        "costs",
        "cost_unit",
        "estimates",
        "scores",
        "probabilities",
        "draw",
        "predict_costs",
        "p",
        "cost_notes",
    }
    assert words - known <= {"cap", "unseen", "agreement"}


def test_the_commands_on_metrics_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    priced = write_priced(tmp_path)
    (block,) = re.findall(r"```sh\n(.*?)```", METRICS_PAGE, re.DOTALL)
    assert len(block.splitlines()) == 9
    small, large, *_ = load_release(priced).groups[0].candidates
    for line in block.splitlines():
        told = line.partition("#")[0].replace("SMALL,LARGE", f"{small},{large}")
        words = shlex.split(told.replace("out/real/release", str(priced)))
        out = ["--out", str(priced.parent / "report")] if words[1] == "report" else []
        assert main([*words[1:], *out]) == 0
        told = capsys.readouterr().out
        curves = "--costs" in words and not out and not {"--curve", "--selector"} & {*words}
        assert ("AIQ" in told) == curves
        assert len(told.splitlines()) > 8 or out


def test_links_on_metrics_lead_somewhere() -> None:
    for page, place in re.findall(r"\]\((\w+\.md)#([\w-]+)\)", METRICS_PAGE):
        heads = re.findall(r"^#+ (.*)$", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE)
        assert place in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_commands_on_exporting_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    priced = write_priced(tmp_path)
    (block,) = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/exporting.md").read_text("utf-8"), re.DOTALL)
    small, large, *_ = load_release(priced).groups[0].candidates
    for line in block.splitlines():
        told = line.replace("out/real/release", str(priced)).replace(" out/", f" {tmp_path}/out/")
        words = shlex.split(told.replace("SMALL", small).replace("LARGE", large))
        assert main(words[1:]) == 0
        assert "| gsm8k/" in capsys.readouterr().out
        assert (Path(words[5]) / "export.json").is_file()
    assert len(block.splitlines()) == 8
